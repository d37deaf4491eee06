"""`python -m benchmarks device`: what `affect-edge bench` measures, and what only a workstation needs to know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def device(
    config: Annotated[
        Path | None, typer.Option("--config", help="Take engine, bundle and limits from this configuration.")
    ] = None,
    clip: Annotated[
        Path | None, typer.Option("--clip", help="A video instead of drawn faces; nothing of it is kept.")
    ] = None,
    faces: Annotated[str, typer.Option("--faces", help="Drawn faces in view, one measurement each.")] = "1,2,4,8",
    frames: Annotated[int, typer.Option("--frames", min=60, max=100_000, help="Per measurement.")] = 1500,
    every_frame: Annotated[
        bool, typer.Option("--every-frame", help="Then the same with a search, and all scores, in every frame.")
    ] = False,
    sustained: Annotated[
        int, typer.Option("--sustained", min=0, max=600, help="Then so many minutes at 30 frames a second.")
    ] = 0,
    cold: Annotated[
        bool, typer.Option("--cold/--no-cold", help="Also start the device five times, for start-up and memory.")
    ] = True,
    device_name: Annotated[str, typer.Option("--device-name", help="Call this machine so.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write the result here, a file or a folder.")] = None,
) -> None:
    """Times the device as `affect-edge bench` does, and besides start-up, memory, joules and a fixed calculation.

    The result has the same form. `compare` and `report` read both.

    Example: python -m benchmarks device --faces 8 --out benchmarks/reference/x86-64
    """
    from benchmarks.device.cold import measure_cold
    from benchmarks.device.energy import EnergyMeter
    from benchmarks.device.measure import ask_most, clip_of, measure_load
    from benchmarks.record import read_load, this_commit
    from benchmarks.screen import open_screen
    from convert.errors import DataError
    from convert.progress import Progress
    from edge.affect.network import load_model
    from edge.cli.bench import FPS, INPUT, crowds, face_counts, show_result, tell_minute
    from edge.cli.bench.measure import measure_sustained
    from edge.cli.bench.result import make_result, write_result
    from edge.config import Config, files_of, load_config
    from edge.output_files import check_output

    chosen = load_config(config) if config else Config()
    check_output("--out", out, config, clip, *files_of(chosen))
    counts = face_counts(faces)
    if clip is not None and every_frame:
        raise DataError("--every-frame: is for drawn faces, whose rate is known; leave out --clip")
    model, load_before = load_model(chosen.model, chosen.engine), read_load()
    started = measure_cold(config) if cold else None
    inputs = [("clip", clip_of(chosen, clip))] if clip is not None else crowds(counts, frames)
    runs = [(title, model, camera, False) for title, camera in inputs]
    for title, camera in inputs[:-1] if every_frame else ():  # the last one is of another rate
        runs.append((f"{title}, everything in every frame", ask_most(model, FPS), camera, True))
    loads = []
    for title, asked, camera, most in runs:
        with Progress(title, frames, every=500) as progress:
            loads.append(measure_load(chosen, asked, camera, every_frame=most, advance=progress.advance))
    console = open_screen()
    minutes = measure_sustained(
        chosen, model, faces=max(counts), fps=FPS, minutes=sustained,
        tell=lambda minute: console.print(tell_minute(minute)), joules=EnergyMeter().joules,
    )  # fmt: skip
    result = make_result(
        chosen, model, load_before, commit=this_commit(), device_name=device_name,
        source=f"clip of {clip.stat().st_size} bytes" if clip else INPUT, loads=loads, sustained=minutes, cold=started,
    )  # fmt: skip
    show_result(result, console)
    if every_frame:
        console.print(f"The last {len(inputs) - 1} columns: a search and a score of each face in every frame.")
    if started is not None:
        console.print(f"to the first score {started.first_score_s:.2f} s, memory {started.rss_mb:.0f} MB")
    if out is not None:
        console.print(f"written to {write_result(result, out)}")
