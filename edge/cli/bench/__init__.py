"""`affect-edge bench`: what this device takes, measured on this device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from edge.affect.model import load_model
from edge.cli import app
from edge.cli.bench.busy import measure_since, note_load, read_load
from edge.cli.bench.cold import measure_cold
from edge.cli.bench.measure import STAGES, Load, MakeCamera, ask_most, clip_of, crowd_of, measure_load
from edge.cli.bench.quantiles import Quantiles
from edge.cli.bench.result import Minute, Result, describe_bundle, describe_host, this_commit, today, write_result
from edge.cli.bench.sustained import measure_sustained
from edge.config import Config, load_config
from edge.errors import ConfigError

_FPS = 30.0


@app.command(epilog="Example: affect-edge bench --sustained 30 --device-name rpi5 --out .")
def bench(
    config: Annotated[Path | None, typer.Option(help="Take engine, bundle and limits from this configuration.")] = None,
    clip: Annotated[Path | None, typer.Option(help="A video instead of drawn faces; nothing of it is kept.")] = None,
    faces: Annotated[str, typer.Option(help="Drawn faces in view, one measurement each.")] = "1,2,4,8",
    frames: Annotated[int, typer.Option(min=60, max=100_000, help="Per measurement.")] = 1500,
    every_frame: Annotated[
        bool, typer.Option("--every-frame", help="Then the same with a search, and all scores, in every frame.")
    ] = False,
    sustained: Annotated[int, typer.Option(min=0, max=600, help="Then so many minutes at 30 frames a second.")] = 0,
    cold: Annotated[bool, typer.Option(help="Also start the device five times, for start-up and memory.")] = True,
    device_name: Annotated[str, typer.Option(help="Call this device so, instead of what it calls itself.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write the result here, a file or a folder; else JSON only.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of tables.")] = False,
) -> None:
    """Measure every stage from a frame to its message, by number of faces, cold, and hot if you like.

    Stop the service first: it would take its share of the machine. Faces are searched for and scored as configured, by
    default on the model's time grid; --every-frame shows the most that a frame can cost. The input is drawn faces on
    their own time, so the figures need no camera and nobody to look at. A percentile that the sample cannot support is
    left blank.
    """
    console = Console(highlight=False, stderr=json)
    chosen = load_config(config) if config else Config()
    model = load_model(chosen.model, chosen.engine)
    counts = _counts(faces)
    if clip is not None and every_frame:
        raise ConfigError("--every-frame: is for drawn faces, whose pace is known; leave out --clip")
    inputs = _inputs(chosen, clip, counts, frames)
    load_before = read_load()
    started = measure_cold(config) if cold else None
    loads = []
    for title, make_camera, total in inputs:
        with _progress(console, title, total) as advance:
            loads.append(measure_load(chosen, model, make_camera, advance=advance))
    for count in counts if every_frame else []:
        asked, asked_model = ask_most(chosen, model, _FPS)
        with _progress(console, f"{_name(count)} at {_FPS:g}, everything in every frame", frames) as advance:
            camera = crowd_of(count, fps=_FPS, frames=frames)
            loads.append(measure_load(asked, asked_model, camera, every_frame=True, advance=advance))
    minutes: list[Minute] = []
    if sustained:
        most = max(counts)
        console.print(f"sustained: {most} faces at 30 frames a second, {sustained} minutes")
        minutes = measure_sustained(
            chosen,
            model,
            faces=most,
            fps=30,
            minutes=sustained,
            tell=lambda minute: console.print(_minute_line(minute)),
        )
    busy = measure_since(load_before)
    result = Result(
        commit=this_commit(),
        date=today(),
        host=describe_host(chosen.engine, model.runtime, device_name),
        bundle=describe_bundle(model),
        detect_every=chosen.face.detect_every,
        input=f"clip of {clip.stat().st_size} bytes" if clip else "drawn faces, 640 x 480",
        cold=started,
        loads=loads,
        sustained=minutes,
        load=busy,
        notes=note_load(busy, threads=chosen.engine.threads),
    )
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(result), indent=1).decode())
    else:
        _show(result, console)
    if out is not None:
        console.print(f"written to {write_result(result, out)}")


def _counts(text: str) -> list[int]:
    try:
        counts = [int(word) for word in text.split(",")]
    except ValueError:
        counts = []
    if not counts or not all(1 <= count <= 25 for count in counts):
        raise ConfigError(f"--faces: {text!r} is no list of numbers from 1 to 25, such as 1,2,4,8")
    return counts


def _inputs(
    config: Config, clip: Path | None, counts: list[int], frames: int
) -> list[tuple[str, MakeCamera, int | None]]:
    """What is measured: name, camera, frames if known. Drawn faces at 30 a second, and the largest number at 15 too."""
    if clip is not None:
        return [(clip.name, clip_of(config, clip), None)]
    paces = [(count, _FPS) for count in counts] + [(max(counts), _FPS / 2)]
    return [(f"{_name(count)} at {fps:g}", crowd_of(count, fps=fps, frames=frames), frames) for count, fps in paces]


def _name(count: int) -> str:
    return f"{count} face{'s' if count > 1 else ''}"


@contextmanager
def _progress(console: Console, title: str, total: int | None) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    if not console.is_terminal:
        console.print(f"measuring {title}")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


def _show(result: Result, console: Console) -> None:
    host, bundle = result.host, result.bundle
    console.print(f"\n{host.model}, {host.cores} cores, {host.runtime}, {host.threads} thread(s)")
    accuracy = ", ".join(f"{target} {ccc:.2f}" for target, ccc in bundle.ccc.items())
    console.print(f"bundle {bundle.name} {bundle.version}, CCC {accuracy} ({bundle.ccc_data})")
    if result.cold:
        cold = result.cold
        console.print(
            f"cold start to the first score {cold.first_score_s:.2f} s, import {cold.import_s:.2f} s, "
            f"memory {cold.rss_mb:.0f} MB"
        )
    for note in result.notes:
        console.print(note, style="yellow")
    console.print(_loads_table(result.loads))
    console.print(
        "The scores describe expressions, not feelings; a time says nothing of how good they are.", style="dim"
    )


def _loads_table(loads: list[Load]) -> Table:
    """One column a load; rows are what a buyer asks, then the stages."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("milliseconds a frame")
    for load in loads:
        asked = "\nevery frame" if load.every_frame else ""
        table.add_column(f"{load.faces:g} faces\n{load.fps:g} fps{asked}", justify="right")
    for name in ("p50", "p90", "p99"):
        table.add_row(name, *(_cell(load.frame_ms, name) for load in loads))
    table.add_row("samples", *(str(load.frame_ms.n) for load in loads))
    table.add_row("a window's message", *(_mean(load.message_ms) for load in loads))
    table.add_row("of one core", *(f"{100 * load.cpu_core:.1f} %" for load in loads))
    table.add_row("scores a face and second", *(f"{load.scores_per_face_s:g}" for load in loads))
    table.add_row("neither detect nor invoke", *(f"{100 * load.outside:.1f} %" for load in loads), end_section=True)
    for stage in STAGES:
        unit = " (a face)" if stage in ("quantize", "invoke") else ""
        table.add_row(f"mean {stage}{unit}", *(_mean(load.stage_ms[stage]) for load in loads))
    return table


def _cell(time: Quantiles, name: str) -> str:
    found = getattr(time, name)
    return "" if found is None else f"{found.value:.3g}\n[{found.low:.3g}, {found.high:.3g}]"


def _mean(time: Quantiles) -> str:
    return "" if time.mean is None else f"{time.mean:.3f}"


def _minute_line(minute: Minute) -> str:
    median = _cell(minute.frame_ms, "p50").replace("\n", " ")
    told = [f"minute {minute.minute}: p50 {median} ms, late {100 * minute.late:.1f} %"]
    if minute.temperature_c is not None:
        told.append(f"{minute.temperature_c:.0f} °C")
    if minute.cpu_mhz is not None:
        told.append(f"{minute.cpu_mhz} MHz")
    if minute.throttled:
        told.append("throttled")
    if minute.joules_per_frame is not None:
        told.append(f"{minute.joules_per_frame:.3f} J a frame")
    return ", ".join(told)
