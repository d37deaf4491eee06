"""Minutes of work at a camera's pace: the ranking at minute 1 is not the ranking at minute 30, when a board is hot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from edge.affect.model import AffectModel
from edge.board import Board
from edge.cli.bench.crowd import Crowd
from edge.cli.bench.energy import EnergyMeter
from edge.cli.bench.nobody import NoSink
from edge.cli.bench.quantiles import summarize
from edge.cli.bench.result import Minute
from edge.clock import FileClock
from edge.config import Config
from edge.device import Pipeline, build_pipeline
from edge.values import Frame

MINUTE_S = 60.0


def measure_sustained(
    config: Config,
    model: AffectModel,
    *,
    faces: int,
    fps: float,
    minutes: int,
    minute_s: float = MINUTE_S,
    board: Board | None = None,
    energy: EnergyMeter | None = None,
    tell: Callable[[Minute], None] = lambda _: None,
) -> list[Minute]:
    """Works at `fps` frames a second for a while, one figure a minute.

    Args:
        config: of the device.
        model: loaded.
        faces: drawn, in view all the time.
        fps: kept by waiting; a frame that is late is not made up for.
        minutes: how many.
        minute_s: how long one is; shorter in tests.
        board, energy: where temperature, clock and joules are read.
        tell: called with each minute as it ends.
    """
    board, energy = board or Board(), energy or EnergyMeter()
    clock = FileClock()
    frames = round(fps * minute_s)
    camera = Crowd(faces, fps=fps, frames=frames * minutes, clock=clock)
    pipeline = build_pipeline(config, camera=camera, model=model, sink=NoSink(), clock=clock)
    found: list[Minute] = []
    shown = camera.frames()
    for number in range(1, minutes + 1):
        before = energy.read()
        times = list(_work(pipeline, shown, frames, fps))
        joules, state = energy.joules_since(before), board.read()
        found.append(
            Minute(
                minute=number,
                frame_ms=summarize([ms for ms, worked in times if worked]),
                late=round(sum(ms > 1000 / fps for ms, _ in times) / len(times), 4),
                temperature_c=state.temperature_c,
                cpu_mhz=state.cpu_mhz,
                throttled=state.throttled,
                joules_per_frame=None if joules is None else round(joules / len(times), 4),
            )
        )
        tell(found[-1])
    return found


def _work(pipeline: Pipeline, shown: Iterator[Frame], frames: int, fps: float) -> Iterator[tuple[float, bool]]:
    """Steps so many frames at their pace; the milliseconds that each took, and whether anything was due in it."""
    due_s = time.monotonic()
    for _ in range(frames):
        frame, worked = next(shown), pipeline.health.stages["window"].frames
        begun = time.perf_counter_ns()
        pipeline.step(frame)
        yield (time.perf_counter_ns() - begun) / 1e6, pipeline.health.stages["window"].frames > worked
        due_s = max(due_s + 1 / fps, time.monotonic())
        time.sleep(max(due_s - time.monotonic(), 0.0))
