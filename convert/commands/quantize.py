"""`quantize`: the device's graphs of a trained network, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from convert.commands.options import RunOption
from convert.quantize.recipes import DEFAULT, QUANTIZATIONS, find_quantization
from convert.train.graphs import quantize_run
from convert.train.phases import BACKBONE
from convert.train.run import Run


def quantize(
    out: RunOption = Path("out/default"),
    recipe: Annotated[
        str, typer.Option("--recipe", help=f"How: {', '.join(QUANTIZATIONS)}; see convert/quantize/recipes.py.")
    ] = DEFAULT,
) -> None:
    """Quantizes a run after training, calibrated on device crops of training faces; `qat_int8` fine-tunes first.

    The head's graph is written anew where the run has a trained head: with `ptq_int8` in int8, else in float.

    Example: python -m convert quantize --recipe qat_int8 --out out/default
    """
    way = find_quantization(recipe)
    run = Run(out)
    trained = run.recipe()
    run.read(BACKBONE, "train")
    report = quantize_run(run, trained, run.parts(), way)
    table = Table("graph", "bytes", "CCC valence", "CCC arousal", title=f"Backbone, {way.name}, dev, frame")
    for kind, size in report["bytes"].items():
        found = report.get("ccc", {}).get(kind, {})
        table.add_row(kind, str(size), *(f"{found[t]:.4f}" if t in found else "-" for t in ("valence", "arousal")))
    console = Console()
    console.print(table)
    if "rms" in report:
        console.print(f"difference to float32: RMS {report['rms']:.4f}, at most {report['max']:.4f}")
