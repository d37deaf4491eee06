"""The device's own loop over drawn faces, timed: as fast as it goes for one load, at a camera's pace for minutes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from edge.affect.network import AffectModel
from edge.board import read_board
from edge.camera import Camera
from edge.cli.bench.crowd import Crowd
from edge.cli.bench.quantiles import summarize
from edge.cli.bench.result import Load, Minute
from edge.clock import NS, FileClock
from edge.config import Config, WindowConfig
from edge.contract import Stage, Window
from edge.device import Device, build_device, origin_of
from edge.errors import CameraError
from edge.health import HealthMonitor, Timing
from edge.publish import Discard
from edge.publish.outbox import Outbox
from edge.values import Look

STAGES = ("capture", "detect", "track", "crop", "embed", "head", "window", "publish")
WARM_UP = 20  # frames
MakeCamera = Callable[[FileClock], Camera]


@dataclass(slots=True, eq=False)
class Recorder(HealthMonitor):
    """A device's health that keeps every time in which a stage had something to do: milliseconds by stage."""

    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def timing(self, stage: Stage, *, busy: bool = True) -> Timing:
        """Takes the time of a block."""
        kept = self.samples[stage] if busy else []
        return Timing(lambda ns: kept.append(ns / 1e6))


def measure_load(
    config: Config, model: AffectModel, make_camera: MakeCamera, *, each_frame: Callable[[Look], None] = lambda _: None
) -> Load:
    """Runs one input through the device, with windows of 10 s, and says what it took.

    `each_frame` is called after each frame, also of the warm-up; the processor time that it takes is not counted.

    Raises:
        CameraError: a video cannot be opened or decoded, or is too short.
    """
    clock = FileClock()
    camera = make_camera(clock)
    looks: list[Look] = []
    frame_ms: list[float] = []  # of the frames in which something was due
    faces, begun_ns, aside_s, begun_s = 0, 0, 0.0, 0.0
    with _open_device(config, model, camera, clock) as (device, recorder):
        for index, (look, capture_ms, spent_ms) in enumerate(_steps(device, camera), 1):
            looks.append(look)
            faces += recorder.faces
            recorder.samples["capture"].append(capture_ms)
            frame_ms += [spent_ms] if look.worked else []
            now_s = time.process_time()
            each_frame(look)
            aside_s += time.process_time() - now_s
            if index == WARM_UP:
                looks, frame_ms, faces = [], [], 0
                recorder.samples.clear()
                begun_ns, begun_s = look.captured_ns, time.process_time() - aside_s
        cpu_s = time.process_time() - aside_s - begun_s
    if not (begun_s and looks):
        raise CameraError("the input is too short to say anything", f"give more than {WARM_UP} frames")
    seconds, scores = (looks[-1].captured_ns - begun_ns) / NS, sum(len(look.scores) for look in looks)
    return Load(
        faces=round(faces / len(looks), 2),
        fps=round(len(looks) / seconds, 2),
        frame_ms=summarize(frame_ms),
        stage_ms={stage: summarize(recorder.samples[stage]) for stage in STAGES},
        message_ms=summarize(recorder.samples["publish"]),
        cpu_core=round(cpu_s / seconds, 4),
        scores_per_face_s=round(scores / seconds / max(faces / len(looks), 1e-9), 2),
    )


def measure_sustained(
    config: Config,
    model: AffectModel,
    *,
    faces: int,
    fps: float,
    minutes: int,
    tell: Callable[[Minute], None],
    joules: Callable[[], float | None] = lambda: None,
    minute_s: float = 60.0,
    root: Path = Path("/sys"),
) -> list[Minute]:
    """Works at a camera's pace for a while, one figure a minute: a board that gets hot becomes slower.

    Args:
        config, model: of the device.
        faces: drawn, in view all the time.
        fps: kept by waiting; a frame that is late is not made up for.
        minutes: how many.
        tell: called with each minute as it ends.
        joules: those that were spent since it was last called; None where they are not counted.
        minute_s: how long one is; shorter in tests.
        root: where sysfs is mounted.
    """
    clock, frames, found = FileClock(), round(fps * minute_s), []
    camera = Crowd(faces, clock, fps=fps, frames=frames * minutes)
    with _open_device(config, model, camera, clock) as (device, _):
        steps, due_s = _steps(device, camera), time.monotonic()
        joules()
        for number in range(1, minutes + 1):
            times = []
            for look, _, frame_ms in islice(steps, frames):
                times.append((frame_ms, look.worked))
                due_s = max(due_s + 1 / fps, time.monotonic())
                time.sleep(max(due_s - time.monotonic(), 0.0))
            board, spent = read_board(root), joules()
            minute = Minute(
                minute=number,
                frame_ms=summarize([ms for ms, worked in times if worked]),
                late=round(sum(ms > 1000 / fps for ms, _ in times) / len(times), 4),
                temperature_c=board.temperature_c,
                cpu_mhz=board.cpu_mhz,
                throttled=board.throttled,
                joules_per_frame=None if spent is None else round(spent / frames, 4),
            )
            found.append(minute)
            tell(minute)
    return found


def _steps(device: Device, camera: Camera) -> Iterator[tuple[Look, float, float]]:
    """What became of each frame, the milliseconds until it was there, and those of the work on it."""
    begun_ns = time.perf_counter_ns()
    for frame in camera:
        taken_ns = time.perf_counter_ns()
        look, done_ns = device.step(frame), time.perf_counter_ns()
        if isinstance(look, Look):
            yield look, (taken_ns - begun_ns) / 1e6, (done_ns - taken_ns) / 1e6
        begun_ns = time.perf_counter_ns()


class _DiskSink(Discard):
    """Keeps windows on disk as the device does, and sends nothing."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def number(self) -> tuple[str, int]:
        return self._outbox.number()

    def publish(self, window: Window, boot_ns: tuple[int, int] | None) -> None:
        self._outbox.keep(window, boot_ns)


@contextmanager
def _open_device(
    config: Config, model: AffectModel, camera: Camera, clock: FileClock
) -> Iterator[tuple[Device, Recorder]]:
    """A device whose windows of 10 s go into an outbox on disk, from which nothing is sent."""
    recorder, drawn = Recorder(), msgspec.structs.replace(config.camera, backend="scene")
    config = msgspec.structs.replace(config, camera=drawn, window=WindowConfig(window_s=10))
    with TemporaryDirectory(prefix="affect-edge-bench-") as folder:
        outbox = Outbox(Path(folder) / "outbox.db", config.outbox, clock, origin_of(config, model.bundle))
        sink = _DiskSink(outbox)
        try:
            yield build_device(config, camera=camera, model=model, sink=sink, clock=clock, health=recorder), recorder
        finally:
            outbox.close()
