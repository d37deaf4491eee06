"""One load, measured: the device's own pipeline over a crowd or a clip, as fast as it goes, on its own time grid."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from edge.affect.backbone import Backbone
from edge.affect.model import AffectModel
from edge.affect.stream import Stream
from edge.camera import Camera, open_camera
from edge.cli.bench.crowd import Crowd
from edge.cli.bench.quantiles import Percentile, Quantiles, percentile, summarize
from edge.cli.bench.recorder import Recorder, TimedEngine
from edge.cli.bench.yardstick import Yardstick
from edge.clock import NS, FileClock
from edge.config import Config, WindowConfig
from edge.device import build_pipeline
from edge.publish.durable import DurableOutbox
from edge.publish.message import Origin, origin_of, window_message
from edge.values import Frame, HealthReport, WindowAggregate

STAGES = ("capture", "detect", "track", "crop", "quantize", "invoke", "head", "window", "publish")
WINDOW_S = 10
_WARM_UP = 20  # frames

MakeCamera = Callable[[FileClock], Camera]


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one load.

    Attributes:
        faces: in view, mean a frame.
        fps: frames a second by the input's own time; how often a face is due follows from it.
        frame_ms: from a frame's arrival until its scores lie in the window; capture is not in it, nor are frames that
            were left alone, since no score was due.
        stage_ms: by stage, one sample a frame (`quantize` and `invoke`: a face; `head`: a frame in which one is due).
        message_ms: from the first frame after a window's end until its message lies, encoded, in the outbox on disk.
        cpu_core: of one core, at `fps` frames a second; capture is in it.
        cpu_core_p50: the same by seconds of the input: their median; None in older files and of fewer than 6 seconds.
        scores_per_face_s: how often each face was scored, a second of the input.
        outside: share of a frame's time that is neither capture, detector nor invoke.
        work: processor time of a second of the input over that of a fixed product of matrices beside it (`Yardstick`);
            the median of the seconds; None in older files and of fewer than 6 seconds.
        every_frame: whether faces were searched for in every frame and each was scored in it, the most that can be
            asked; else as configured.
    """

    faces: float
    fps: float
    frame_ms: Quantiles
    stage_ms: dict[str, Quantiles]
    message_ms: Quantiles
    cpu_core: float
    scores_per_face_s: float
    outside: float
    cpu_core_p50: Percentile | None = None
    work: Percentile | None = None
    every_frame: bool = False


class _DiskSink:
    """A `Sink` that keeps windows on disk as the device does, and encodes their message; nothing is sent."""

    def __init__(self, outbox: DurableOutbox, origin: Origin) -> None:
        self._outbox = outbox
        self._origin = origin

    def publish(self, aggregate: WindowAggregate) -> None:
        window_message(self._outbox.insert(aggregate, self._origin), historical=False)

    def report(self, health: HealthReport) -> None:
        """Once a minute; not part of what is measured."""

    def close(self, timeout_s: float = 5.0) -> None:
        """The outbox is its opener's."""


def crowd_of(faces: int, *, fps: float, frames: int) -> MakeCamera:
    """A drawn crowd; see `Crowd`."""
    return lambda clock: Crowd(faces, fps=fps, frames=frames + _WARM_UP, clock=clock)


def clip_of(config: Config, path: Path) -> MakeCamera:
    """A video file, decoded as it is measured."""
    camera = msgspec.structs.replace(config.camera, backend="replay", path=str(path), pace="fast", loop=False)
    return lambda clock: open_camera(msgspec.structs.replace(config, camera=camera), clock)


def ask_most(config: Config, model: AffectModel, fps: float) -> tuple[Config, AffectModel]:
    """The same device, asked for the most: a search in every frame, and a time grid as fine as the frames."""
    manifest = msgspec.structs.replace(model.bundle.manifest, step_s=1 / fps)
    return (
        msgspec.structs.replace(config, face=msgspec.structs.replace(config.face, detect_every=1)),
        replace(
            model,
            bundle=replace(model.bundle, manifest=manifest),
            stream=Stream(model.stream.engine, manifest),
        ),
    )


def measure_load(
    config: Config,
    model: AffectModel,
    make_camera: MakeCamera,
    *,
    every_frame: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> Load:
    """Runs one input through the pipeline and says what it took.

    Args:
        config: of the device; its windows are made `WINDOW_S` long.
        model: loaded.
        make_camera: the input, on the clock that it is given.
        every_frame: whether `config` and `model` are of `ask_most`; it is noted in the result.
        advance: called after each frame.

    Raises:
        CameraError: a clip cannot be opened, or is too short to say anything.
    """
    clock, recorder, yardstick = FileClock(), Recorder(), Yardstick()
    timed = replace(
        model, backbone=Backbone(TimedEngine(model.backbone.engine, recorder), model.bundle.manifest.backbone)
    )
    window = WindowConfig(window_s=WINDOW_S)
    config = msgspec.structs.replace(config, window=window)
    with TemporaryDirectory(prefix="affect-edge-bench-") as folder:
        outbox = DurableOutbox(Path(folder) / "outbox.db", config.outbox, clock)
        try:
            camera = make_camera(clock)
            sink = _DiskSink(outbox, origin_of(config.device, model.bundle))
            pipeline = build_pipeline(config, camera=camera, model=timed, sink=sink, clock=clock, health=recorder)
            times: list[float] = []
            rested: list[bool] = []
            messages: list[float] = []
            faces = scored = 0
            first_ns = cpu_s = 0.0
            # Seconds of the input, of the processor, and of the yardstick, second by second.
            marks: list[tuple[float, float, float]] = []
            with camera:
                for index, (frame, capture_ms) in enumerate(_captured(camera.frames())):
                    if index == _WARM_UP:
                        recorder.samples.clear()
                        times, rested, messages, faces, scored = [], [], [], 0, 0
                        first_ns, cpu_s = frame.captured_ns, time.process_time() - yardstick.spent_s
                    input_s = (frame.captured_ns - first_ns) / NS
                    if index >= _WARM_UP and (not marks or input_s >= marks[-1][0] + 1):
                        marks.append((input_s, time.process_time() - yardstick.spent_s, yardstick.measure()))
                    recorder.samples["capture"].append(capture_ms)
                    windows, worked = recorder.windows, len(recorder.samples["window"])
                    begun = time.perf_counter_ns()
                    scored += len(pipeline.step(frame))
                    times.append((time.perf_counter_ns() - begun) / 1e6)
                    rested.append(len(recorder.samples["window"]) == worked)
                    faces += recorder.faces
                    if recorder.windows > windows:
                        messages.append(recorder.samples["publish"][-1])
                    advance()
            cpu_s = time.process_time() - yardstick.spent_s - cpu_s
            seconds = (clock.now_ns - first_ns) / NS * len(times) / max(len(times) - 1, 1)
        finally:
            outbox.close()
    load = _load(
        recorder, times, rested, messages, faces=faces, scored=scored, cpu_s=cpu_s, seconds=seconds, marks=marks
    )
    return msgspec.structs.replace(load, every_frame=every_frame)


def _captured(frames: Iterator[Frame]) -> Iterator[tuple[Frame, float]]:
    while True:
        begun = time.perf_counter_ns()
        frame = next(frames, None)
        if frame is None:
            return
        yield frame, (time.perf_counter_ns() - begun) / 1e6


def _load(
    recorder: Recorder,
    times: list[float],
    rested: list[bool],
    messages: list[float],
    *,
    faces: int,
    scored: int,
    cpu_s: float,
    seconds: float,
    marks: list[tuple[float, float, float]],
) -> Load:
    samples = recorder.samples
    count, invoked = max(len(times), 1), len(samples["invoke"])
    per_face = (sum(samples["embed"]) - sum(samples["invoke"])) / invoked if invoked else 0.0
    busy = [ms for ms in samples["head"] if ms > 0.005]  # a frame in which nobody is due passes through
    stages = {stage: samples[stage] for stage in STAGES if stage != "quantize"} | {"head": busy}
    summaries = {stage: summarize(values) for stage, values in stages.items()}
    # Quantizing is what embedding takes beside the run itself: a mean, since the two are timed apart.
    summaries["quantize"] = Quantiles(n=invoked, mean=round(per_face, 4) if invoked else None)
    marked = np.array(marks).reshape(-1, 3)
    shares = np.diff(marked[:, 1]) / np.diff(marked[:, 0])
    # What the yardstick took before and after a second, since what else the machine did may have changed within it.
    beside = (marked[1:, 2] + marked[:-1, 2]) / 2
    core = sum(times) - sum(samples["detect"]) - sum(samples["invoke"])
    mean_faces = faces / count
    return Load(
        faces=round(mean_faces, 2),
        fps=round(len(times) / seconds, 2) if seconds > 0 else 0.0,
        frame_ms=summarize([ms for ms, left_alone in zip(times, rested, strict=True) if not left_alone]),
        stage_ms={stage: summaries[stage] for stage in STAGES},
        message_ms=summarize(messages),
        cpu_core=round(cpu_s / seconds, 4) if seconds > 0 else 0.0,
        scores_per_face_s=round(scored / seconds / mean_faces, 2) if seconds > 0 and mean_faces else 0.0,
        outside=round(core / sum(times), 4) if times else 0.0,
        cpu_core_p50=percentile(np.sort(shares), 0.5),
        work=percentile(np.sort(shares / beside), 0.5),
    )
