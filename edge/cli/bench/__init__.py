"""`affect-edge bench`: what this device takes, measured on this device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from edge.affect.network import load_model
from edge.cli import app, echo_json
from edge.cli.bench.crowd import MOST, Crowd
from edge.cli.bench.measure import WARM_UP, MakeCamera, measure_load, measure_sustained
from edge.cli.bench.quantiles import Quantiles
from edge.cli.bench.result import Minute, Result, make_result, write_result
from edge.config import Config, files_of, load_config
from edge.errors import ConfigError
from edge.output_files import check_output
from edge.version import commit

FPS = 30.0
INPUT = "drawn faces, 640 x 480"
_MEANING = (
    "The scores describe expressions, not feelings; a time says nothing of how good they are. Whatever the speed, "
    "faces are found from about 7.5 % of the picture's longer side: 48 px of 640."
)


@app.command(epilog="Example: affect-edge bench --sustained 30 --device-name rpi5 --out .")
def bench(
    config: Annotated[Path | None, typer.Option(help="Take engine, bundle and limits from this configuration.")] = None,
    faces: Annotated[str, typer.Option(help="Drawn faces in view, one measurement each.")] = "1,2,4,8",
    frames: Annotated[int, typer.Option(min=60, max=100_000, help="Per measurement.")] = 1500,
    sustained: Annotated[int, typer.Option(min=0, max=600, help="Then so many minutes at 30 frames a second.")] = 0,
    device_name: Annotated[str, typer.Option(help="Call this device so, instead of what it calls itself.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write the result here, a file or a folder; else JSON only.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of tables.")] = False,
) -> None:
    """Measure every stage from a frame to its message, by number of faces, and minutes of work if you like.

    Stop the service first: it would take its share of the machine. Faces are searched for and scored as configured, by
    default on the model's time grid. The input is drawn faces on their own time, so the figures need no camera and
    nobody to look at. A percentile that the sample cannot support is left blank.
    """
    console = Console(highlight=False, stderr=json)
    chosen = load_config(config) if config else Config()
    check_output("--out", out, config, *files_of(chosen))
    counts = face_counts(faces)
    model, load_before, loads = load_model(chosen.model, chosen.engine), os.getloadavg()[0], []
    for title, make_camera in crowds(counts, frames):
        console.print(f"measuring {title}")
        loads.append(measure_load(chosen, model, make_camera))
    if sustained:
        console.print(f"working for {sustained} minutes with {name_faces(max(counts))}")
    minutes = measure_sustained(
        chosen, model, faces=max(counts), fps=FPS, minutes=sustained,
        tell=lambda minute: console.print(tell_minute(minute)),
    )  # fmt: skip
    result = make_result(
        chosen, model, load_before, commit=commit()[:10], device_name=device_name, source=INPUT, loads=loads,
        sustained=minutes,
    )  # fmt: skip
    if json:
        echo_json(result)
    else:
        show_result(result, console)
    if out is not None:
        console.print(f"written to {write_result(result, out)}")


def face_counts(text: str) -> list[int]:
    """The numbers in `--faces`.

    Raises:
        ConfigError: it is no list of them.
    """
    words = text.split(",")
    counts = [int(word) for word in words if word.isdecimal()]
    if len(counts) < len(words) or not all(1 <= count <= MOST for count in counts):
        raise ConfigError(f"--faces: {text!r} is no list of numbers from 1 to {MOST}, such as 1,2,4,8")
    return counts


def crowds(counts: Sequence[int], frames: int) -> list[tuple[str, MakeCamera]]:
    """The loads: each number of drawn faces at 30 frames a second, and the largest at 15 too."""
    return [
        (f"{name_faces(count)} at {fps:g} frames a second", partial(Crowd, count, fps=fps, frames=frames + WARM_UP))
        for count, fps in [(count, FPS) for count in counts] + [(max(counts), FPS / 2)]
    ]


def name_faces(count: int) -> str:
    """`1 face`, `2 faces`."""
    return f"{count} face{'' if count == 1 else 's'}"


def show_result(result: Result, console: Console) -> None:
    """Machine, bundle, and a table with one column a load: what a buyer asks, then the stages."""
    host, bundle, loads = result.host, result.bundle, result.loads
    accuracy = ", ".join(f"{target} {ccc:.2f}" for target, ccc in bundle.ccc.items())
    console.print(f"\n{host.model}, {host.cores} cores, {host.runtime}, threads: {host.threads}")
    console.print(f"bundle {bundle.name} {bundle.version}, CCC {accuracy} ({bundle.ccc_data})")
    for note in result.notes:
        console.print(note, style="yellow")
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("milliseconds a frame")
    for load in loads:
        table.add_column(f"{name_faces(round(load.faces))}\n{load.fps:.0f} fps", justify="right")
    for name in ("p50", "p90", "p99"):
        table.add_row(name, *(_cell(load.frame_ms, name) for load in loads))
    table.add_row("a window's message", *(_mean(load.message_ms) for load in loads))
    table.add_row("of one core", *(f"{100 * load.cpu_core:.1f} %" for load in loads))
    table.add_row("scores a face, second", *(f"{load.scores_per_face_s:g}" for load in loads), end_section=True)
    for stage in loads[0].stage_ms:
        table.add_row(f"mean {stage}", *(_mean(load.stage_ms[stage]) for load in loads))
    console.print(table)
    console.print(_MEANING, style="dim")


def _cell(time: Quantiles, name: str) -> str:
    found = getattr(time, name)
    return "" if found is None else f"{found.value:.3g}\n[{found.low:.3g}, {found.high:.3g}]"


def _mean(time: Quantiles) -> str:
    return "" if time.mean is None else f"{time.mean:.3f}"


def tell_minute(minute: Minute) -> str:
    """A line on a minute of work."""
    told = [f"minute {minute.minute}: p50 {_cell(minute.frame_ms, 'p50')} ms".replace("\n", " ")]
    told.append(f"late {100 * minute.late:.1f} %")
    told += [f"{minute.temperature_c:.0f} °C"] if minute.temperature_c is not None else []
    told += [f"{minute.cpu_mhz} MHz"] if minute.cpu_mhz is not None else []
    return ", ".join([*told, "throttled"] if minute.throttled else told)
