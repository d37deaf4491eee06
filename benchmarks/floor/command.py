"""`python -m benchmarks floor`: how much of the machine the graphs reach."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.progress import Progress


def floor(
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Folder or ZIP; default: the shipped one.")] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=6, help="Rounds in which everything takes its turn.")] = 40,
    device_name: Annotated[str, typer.Option("--device-name", help="Call this machine so.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write the result here, a file or a folder.")] = None,
) -> None:
    """Times the device's graphs bare, the kit's code around them, and one large matrix product, on one thread.

    The product's rate is as much as LiteRT gets out of this machine; the share of it that the backbone reaches says
    how much a faster runtime could still gain. Needs no TensorFlow, so a board can measure itself.

    Example: python -m benchmarks floor --device-name rpi5 --out benchmarks/reference/rpi5
    """
    from rich.table import Table

    from benchmarks.floor.measure import measure_floor
    from benchmarks.record import write_record
    from benchmarks.screen import open_screen
    from edge.model.bundle import default_bundle, load_bundle
    from edge.output_files import check_output

    check_output("--out", out, bundle)
    with Progress("floor", rounds, every=10) as progress:
        found = measure_floor(
            load_bundle(bundle or default_bundle()), device_name, rounds=rounds, calls=10, advance=progress.advance
        )
    console = open_screen()
    for kind, rate in found.gmac_s.items():
        if rate is not None:
            console.print(f"{kind} product: {rate.value:.1f} [{rate.low:.1f}, {rate.high:.1f}] GMAC/s, one thread")
    table = Table("graph", "MMAC", "bare ms", "through the kit ms", "of the int8 product's rate")
    for part in found.parts:
        table.add_row(
            part.name,
            "" if part.macs is None else f"{part.macs / 1e6:.1f}",
            "" if part.bare_ms is None else f"{part.bare_ms.value:.3f}",
            "" if part.kit_ms is None else f"{part.kit_ms.value:.3f}",
            "" if part.share is None else f"{part.share.value:.0%}",
        )
    console.print(table)
    for note in found.notes:
        console.print(note)
    if out is not None:
        console.print(f"written to {write_record(found, out)}")
