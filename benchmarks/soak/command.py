"""`python -m benchmarks soak`: runs a soak, tells it and keeps its record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def soak(
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="How long things go wrong.")] = 60.0,
    seed: Annotated[int, typer.Option("--seed", help="Of all chances: the same seed, the same faults.")] = 1,
    fps: Annotated[float, typer.Option("--fps", min=1, max=60, help="Pictures a second of each device.")] = 10.0,
    out: Annotated[Path | None, typer.Option("--out", help="The record, a .json file or a folder.")] = None,
    keep: Annotated[Path | None, typer.Option("--keep", help="An empty folder that keeps logs and journals.")] = None,
) -> None:
    """Runs the device through kills, outages, lost cameras and wrong clocks, and counts what arrives.

    Two devices with the drawn scene, their real model and outbox, and a real Mosquitto; one is killed at least once a
    minute, of the other memory and time a frame are followed. Exit code 1 when a window is lost or a limit is broken.

    Example: python -m benchmarks soak --minutes 60 --out benchmarks/reference/x86-64
    """
    from benchmarks.soak.tell import soak_and_tell

    if not soak_and_tell(minutes, seed, fps, out, keep):
        raise typer.Exit(1)
