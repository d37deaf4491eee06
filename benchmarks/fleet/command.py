"""What `python -m benchmarks fleet` takes and says."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.fleet.report import FleetLoad, Windows
from benchmarks.fleet.run import run_fleet


def fleet(
    devices: Annotated[int, typer.Option("--devices", min=1, max=100_000, help="Simulated devices.")] = 1000,
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="How long windows are sent.")] = 2.0,
    window_s: Annotated[int, typer.Option("--window-s", min=1, max=3600, help="A device's interval, seconds.")] = 60,
    saved: Annotated[
        bool, typer.Option("--saved/--unsaved", help="The broker saves what it owes, as docs/mqtt.md advises.")
    ] = False,
    windows: Annotated[
        Windows,
        typer.Option("--windows", help="Each after its own pause, as the product does; or at once; or spread."),
    ] = "staggered",
    storm_s: Annotated[
        float, typer.Option("--storm-s", min=0, help="How long the broker's restart is watched; 0: none.")
    ] = 90.0,
    out: Annotated[Path | None, typer.Option("--out", help="The record, a .json file or a folder.")] = None,
) -> None:
    """Lets many simulated devices speak to one real Mosquitto on this machine, over TLS, and restarts it.

    They say what devices say (status, windows, health), and come back after a restart with the product's own pauses.
    They take part of the machine themselves: the numbers are what both do together, and no statement about cameras.

    Example: python -m benchmarks fleet --devices 2000 --minutes 2 --out benchmarks/reference/x86-64
    """
    begun_s = time.monotonic()

    def say(words: str) -> None:
        print(f"[{time.monotonic() - begun_s:6.0f} s] {words}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        load = run_fleet(
            devices, minutes, Path(folder), window_s=window_s, saved=saved, windows=windows, storm_s=storm_s, say=say
        )
    _print(load)
    if out is not None:
        name = f"fleet-{devices}{'-saved' if saved else ''}-{load.host['started'][:10]}.json"
        path = out / name if out.is_dir() or not out.suffix else out
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(load), indent=2) + b"\n")
        say(f"record: {path}")


def _print(load: FleetLoad) -> None:
    table = Table("what", "n", title=f"{load.devices} devices, a window each {load.window_s} s", title_justify="left")
    for field in msgspec.structs.fields(FleetLoad):
        value = getattr(load, field.name)
        if field.name != "format" and isinstance(value, int | float | None):
            table.add_row(field.name.replace("_", " "), "not reached" if value is None else str(value))
    Console(highlight=False).print(table)
