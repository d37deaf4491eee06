"""What `python -m benchmarks collect` takes and says."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer


def collect(
    kills: Annotated[int, typer.Option("--kills", min=0, help="Of the collector, at random moments.")] = 50,
    windows: Annotated[int, typer.Option("--windows", min=1000, help="For each rate that is measured.")] = 50_000,
    cameras: Annotated[int, typer.Option("--cameras", min=20, help="Whose day is loaded and asked about.")] = 10_000,
    out: Annotated[Path | None, typer.Option("--out", help="The record, a .json file or a folder.")] = None,
) -> None:
    """Kills the collector under load, measures what it keeps up with, and loads a day of a fleet.

    A real Mosquitto and a real PostgreSQL run on this machine beside the sender: the rates are what all do together.

    Example: python -m benchmarks collect --out benchmarks/reference/x86-64
    """
    from benchmarks.collect.run import run_collect
    from benchmarks.record import write_record

    begun_s = time.monotonic()

    def say(words: str) -> None:
        print(f"[{time.monotonic() - begun_s:6.0f} s] {words}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="collect-") as folder:
        record = run_collect(Path(folder), kills=kills, windows=windows, cameras=cameras, say=say)
    if out is not None:
        say(f"record: {write_record(record, out)}")
