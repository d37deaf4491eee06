"""`python -m benchmarks`: measurements that anyone can repeat; each prints what it ran on."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.egress.command import egress
from benchmarks.fleet.command import fleet
from convert.command_line import run_verbs

app = typer.Typer(
    help="Measurements that anyone can repeat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """Measurements that anyone can repeat."""


@app.command()
def studio(
    data: Annotated[Path, typer.Option("--data", help="Folder of the data sets.")] = Path("../shared/data"),
    landmarker: Annotated[Path | None, typer.Option("--landmarker", help="MediaPipe's face_landmarker.task.")] = None,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames to render.")] = 200,
) -> None:
    """Frames a second and core that the expression studio makes, by step.

    Example: python -m benchmarks studio --data ../shared/data --frames 200
    """
    from benchmarks.studio import measure_studio
    from convert.commands.options import find_landmarker

    spent = measure_studio(data, find_landmarker(data, landmarker), frames=frames)
    whole = sum(seconds for step, seconds in spent.items() if step != "fit")
    table = Table("step", "ms CPU", "share", title=f"{frames} frames on {platform.machine()}, one core")
    for step, seconds in spent.items():
        table.add_row(step, f"{1000 * seconds:.1f}", "once a portrait" if step == "fit" else f"{seconds / whole:.0%}")
    Console().print(table)
    Console().print(f"{1 / whole:.0f} frames a second and core; rendering alone {1 / spent['render']:.0f}")


@app.command()
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
    from benchmarks.soak.command import soak_and_tell

    if not soak_and_tell(minutes, seed, fps, out, keep):
        raise typer.Exit(1)


app.command()(egress)
app.command()(fleet)


def main() -> None:
    """Runs the verb; see `run_verbs`."""
    run_verbs(app, "benchmarks")


if __name__ == "__main__":
    main()
