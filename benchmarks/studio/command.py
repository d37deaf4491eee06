"""`python -m benchmarks studio`: how fast the studio makes faces."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def studio(
    data: Annotated[Path, typer.Option("--data", help="Folder of the data sets.")] = Path("../shared/data"),
    landmarker: Annotated[Path | None, typer.Option("--landmarker", help="MediaPipe's face_landmarker.task.")] = None,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames to render.")] = 200,
) -> None:
    """Frames a second and core that the expression studio makes, by step.

    Example: python -m benchmarks studio --data ../shared/data --frames 200
    """
    from benchmarks.studio.measure import measure_studio
    from convert.commands.options import find_landmarker

    spent = measure_studio(data, find_landmarker(data, landmarker), frames=frames)
    whole = sum(seconds for step, seconds in spent.items() if step != "fit")
    table = Table("step", "ms CPU", "share", title=f"{frames} frames on {platform.machine()}, one core")
    for step, seconds in spent.items():
        table.add_row(step, f"{1000 * seconds:.1f}", "once a portrait" if step == "fit" else f"{seconds / whole:.0%}")
    Console().print(table)
    Console().print(f"{1 / whole:.0f} frames a second and core; rendering alone {1 / spent['render']:.0f}")
