"""The loop, with a scripted camera and detector and the shipped model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from edge.affect.model import AffectModel, load_model
from edge.affect.window import Windower
from edge.camera.hours import OpeningHours
from edge.clock import NS, Clock, FileClock, SystemClock
from edge.config import Config, EngineConfig, HoursConfig, ModelConfig, WindowConfig
from edge.device import Pipeline, build_pipeline
from edge.errors import CameraError, EngineError, FrameError
from edge.face.quality import QualityGate
from edge.face.search import Schedule
from edge.face.tracker import Tracker
from edge.health import Health
from edge.values import AffectScore, Detection, Frame

PICTURE = np.random.default_rng(0).integers(40, 220, (240, 320, 3), dtype=np.uint8)
SHAPE = np.array([[-15, -12], [15, -12], [0, 4], [0, 16], [-28, -8], [28, -8]], np.float32)


def face(x: float, size: float = 60.0, nose: float = 0.0) -> Detection:
    landmarks = SHAPE + np.array([x, 120])
    landmarks[2, 0] += nose
    half = size / 2
    return Detection(box_px=(x - half, 90, x + half, 90 + size), score=0.9, landmarks_px=landmarks.astype(np.float32))


class ScriptedCamera:
    """Gives frames at a rate; raises at the end if told to."""

    dropped = failed = 0
    ended = False

    def __init__(self, frames: int, fps: float, clock: FileClock, error: Exception | None = None) -> None:
        self.script = (frames, fps, clock, error)
        self.closed = False

    def frames(self) -> Iterator[Frame]:
        count, fps, clock, error = self.script
        for index in range(count):
            clock.now_ns = round(index * NS / fps)
            yield Frame(pixels=PICTURE, captured_ns=clock.now_ns, index=index)
        if error is not None:
            raise error

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> ScriptedCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ScriptedDetector:
    """Gives the same faces at every frame, or raises what it is told to."""

    def __init__(self, faces: Sequence[Detection]) -> None:
        self.faces: Sequence[Detection] | Exception = faces
        self.calls = 0

    def detect(self, pixels: np.ndarray) -> list[Detection]:
        self.calls += 1
        if isinstance(self.faces, Exception):
            raise self.faces
        return list(self.faces)


@pytest.fixture(scope="module")
def model() -> AffectModel:
    return load_model(ModelConfig(), EngineConfig())


def assemble(
    model: AffectModel,
    sink: Any,
    faces: Sequence[Detection],
    frames: int = 60,
    fps: float = 30,
    hours: Sequence[str] = (),
    error: Exception | None = None,
) -> Pipeline:
    clock = FileClock()
    return Pipeline(
        camera=ScriptedCamera(frames, fps, clock, error),
        hours=OpeningHours(HoursConfig(open=list(hours))),
        detector=ScriptedDetector(faces),
        tracker=Tracker(),
        gate=QualityGate(min_face_px=24, max_yaw_deg=55, min_light=20, min_sharpness=0.0),
        model=model,
        windower=Windower(WindowConfig(window_s=10), clock, step_s=0.1, reset_s=1.0),
        sink=sink,
        clock=clock,
        health=Health(),
        schedule=Schedule(step_s=0.1, reset_s=1.0),
    )


Build = Callable[..., Pipeline]


@pytest.fixture
def build(model: AffectModel, new_sink: Any) -> Build:
    """Pipelines of the shipped model; arguments as of `assemble` from the faces on."""
    return lambda faces, **script: assemble(model, new_sink(), faces, **script)


def run(pipeline: Pipeline) -> list[AffectScore]:
    scores: list[AffectScore] = []
    pipeline.on_scores = lambda _, found: scores.extend(found)
    pipeline.run()
    return scores


RATES = pytest.mark.parametrize("fps", [10, 12, 15, 20, 25, 30, 60])


@RATES
def test_each_face_is_scored_once_a_grid_step_whatever_the_rate(build: Build, fps: int) -> None:
    scores = run(build([face(80), face(240)], frames=10 * fps, fps=fps))
    for track_id in (1, 2):
        slots = [(score.captured_ns + NS // 20) // (NS // 10) for score in scores if score.track_id == track_id]
        assert slots == sorted(set(slots))
        # A tenth of a second, at least two frames, passes before a face has a track.
        assert len(slots) >= 100 - 3


@RATES
def test_searches_on_the_grid_give_the_scores_of_a_search_in_every_frame(build: Build, fps: int) -> None:
    pipeline, reference = (build([face(80), face(240)], frames=4 * fps, fps=fps) for _ in range(2))
    reference.schedule = Schedule(step_s=0.1, reset_s=1.0, detect_every=1)
    assert run(pipeline) == run(reference)
    assert pipeline.sink.windows == reference.sink.windows  # type: ignore[attr-defined]
    assert reference.detector.calls == 4 * fps  # type: ignore[attr-defined]
    # One a step, and once more where a face may become a track before the next one.
    assert pipeline.detector.calls <= 42  # type: ignore[attr-defined]


@RATES
def test_face_that_one_search_missed_is_scored_in_that_step_all_the_same(build: Build, fps: int) -> None:
    pipeline = build([face(80), face(240)], frames=2 * fps, fps=fps)
    every, searches = pipeline.detector, []

    class Blinking(ScriptedDetector):
        def detect(self, pixels: np.ndarray) -> list[Detection]:
            searches.append(pipeline.clock.monotonic_ns())
            return every.detect(pixels)[: 1 if len(searches) % 5 == 0 else 2]

    pipeline.detector = Blinking([])
    scores = run(pipeline)
    slots = [(score.captured_ns + NS // 20) // (NS // 10) for score in scores if score.track_id == 2]
    frames = [(round(index * NS / fps) + NS // 20) // (NS // 10) for index in range(2 * fps)]
    alone = {slot for slot in frames if frames.count(slot) == 1}  # a slow camera has no second try
    assert set(frames[4:]) - set(slots) <= alone
    assert len(slots) == len(set(slots))


def test_camera_is_told_which_frames_are_worth_decoding(build: Build) -> None:
    pipeline = build([face(80)], frames=1)
    detector: Any = pipeline.detector

    def step(number: int) -> bool:
        """Works on a frame of 60 a second; says whether the next one is wanted."""
        pipeline.step(Frame(pixels=PICTURE, captured_ns=number * NS // 60, index=number))
        return pipeline.wants((number + 1) * NS // 60)

    assert step(0)  # a face in the making
    assert not step(6)  # it is a track now and had its score
    assert pipeline.wants(9 * NS // 60)  # the next step of the grid
    detector.faces = []
    assert step(12)  # who was just lost may be found again
    detector.faces = [face(80)]
    assert not step(13)
    assert pipeline.health.spared == 2
    assert pipeline.snapshot().frames["seen"] == 4 + 2


def test_every_frame_is_wanted_where_faces_are_searched_for_by_the_frame(build: Build) -> None:
    pipeline = build([face(80)], frames=60)
    pipeline.schedule = Schedule(step_s=0.1, reset_s=1.0, detect_every=1)
    wanted = []
    pipeline.on_scores = lambda frame, _: wanted.append(pipeline.wants(frame.captured_ns + 1))
    pipeline.run()
    assert all(wanted)


def test_windows_leave_in_order_and_the_last_is_partial(build: Build) -> None:
    pipeline = build([face(60), face(160), face(260)], frames=250, fps=10)
    run(pipeline)
    windows = pipeline.sink.windows  # type: ignore[attr-defined]
    assert [window.start_ns // NS for window in windows] == [0, 10, 20]
    assert [window.partial for window in windows] == [False, False, True]
    assert [window.visits for window in windows] == [3, 3, 3]
    assert pipeline.health.windows == 3


def test_state_goes_with_its_track(build: Build) -> None:
    pipeline = build([face(80)], frames=40)
    run(pipeline)
    assert list(pipeline._states) == [1]
    pipeline.detector.faces = []  # type: ignore[attr-defined]
    for index in range(40):
        pipeline.step(Frame(pixels=PICTURE, captured_ns=2 * NS + index * NS // 30, index=index))
    assert pipeline._states == {}
    assert pipeline.schedule.tracks == 0


@pytest.mark.parametrize(
    ("faces", "reason"),
    [([face(80, size=20)], "small"), ([face(80, nose=-16)], "turned")],
)
def test_rejected_face_is_followed_and_counted_by_reason_once_a_step(
    build: Build, faces: Sequence[Detection], reason: str
) -> None:
    pipeline = build(faces, frames=60, fps=30)
    assert run(pipeline) == []
    assert set(pipeline.health.rejections) == {reason}
    assert 18 <= pipeline.health.rejections[reason] <= 20
    (window,) = pipeline.sink.windows  # type: ignore[attr-defined]
    assert (window.visits, window.unscored_visits) == (0, 1)


def test_nothing_is_looked_at_outside_opening_hours(build: Build) -> None:
    pipeline = build([face(80)], frames=300, fps=10, hours=["daily 08:00-09:00"])
    assert run(pipeline) == []
    assert pipeline.detector.calls == 0  # type: ignore[attr-defined]
    assert (pipeline.health.seen, pipeline.health.closed) == (0, 300)
    assert {window.suppressed for window in pipeline.sink.windows} == {"closed"}  # type: ignore[attr-defined]


def test_frame_that_cannot_be_worked_on_is_counted_and_skipped(build: Build) -> None:
    pipeline = build([face(80)], frames=60)
    detector: Any = pipeline.detector
    good, bad = detector.faces, FrameError("odd")
    pipeline.on_scores = lambda frame, _: frame.index % 20 == 10 and setattr(detector, "faces", bad)

    class Recovering(ScriptedDetector):
        def detect(self, pixels: np.ndarray) -> list[Detection]:
            if isinstance(detector.faces, Exception):
                detector.faces = good
                raise bad
            return list(good)

    pipeline.detector = Recovering(good)
    pipeline.run()
    assert pipeline.health.failed == 3
    assert pipeline.health.scored > 10


def test_unbroken_row_of_failures_ends_the_run(build: Build) -> None:
    pipeline = build([], frames=500)
    pipeline.detector.faces = EngineError("broken")  # type: ignore[attr-defined]
    with pytest.raises(EngineError, match="100 frames in a row failed, the last with: broken"):
        pipeline.run()
    assert pipeline.camera.closed  # type: ignore[attr-defined]


def test_vanished_camera_ends_the_run_after_the_open_window_was_handed_over(build: Build) -> None:
    pipeline = build([face(60), face(160), face(260)], frames=50, fps=10, error=CameraError("/dev/video0: gone"))
    with pytest.raises(CameraError, match="gone"):
        pipeline.run()
    (window,) = pipeline.sink.windows  # type: ignore[attr-defined]
    assert (window.visits, window.partial) == (3, True)


def test_stop_ends_the_run_after_the_frame_at_hand(build: Build) -> None:
    pipeline = build([face(80)], frames=10_000)
    pipeline.on_scores = lambda frame, _: pipeline.stop() if frame.index == 29 else None
    pipeline.run()
    assert pipeline.health.seen == 30
    assert len(pipeline.sink.windows) == 1  # type: ignore[attr-defined]


def test_health_is_reported_once_a_minute(build: Build) -> None:
    pipeline = build([face(80)], frames=125, fps=1)
    run(pipeline)
    first, second = pipeline.sink.reports  # type: ignore[attr-defined]
    assert first.frames["seen"] < second.frames["seen"]
    assert second.faces == 1
    assert set(second.stage_ms) >= {"detect", "embed", "head"}
    assert set(second.stage_p50_ms) == set(second.stage_p95_ms) >= {"detect", "embed", "head"}
    assert all(second.stage_p50_ms[stage] <= second.stage_p95_ms[stage] for stage in second.stage_p50_ms)
    assert (second.latency_ms, second.load.demand) == (None, None)  # time stands still in a replay
    # Of twelve windows with one face each, none has scores.
    assert second.windows == {"scored": 0, "min_visits": 12}


@pytest.mark.usefixtures("detector_asset")
@pytest.mark.parametrize(("clock", "measures"), [(FileClock(), False), (SystemClock(), True)], ids=["file", "live"])
def test_load_is_measured_where_time_passes_and_nowhere_else(
    model: AffectModel, new_sink: Any, clock: Clock, measures: bool
) -> None:
    camera = ScriptedCamera(0, 30, FileClock())
    pipeline = build_pipeline(Config(), camera=camera, model=model, sink=new_sink(), clock=clock)
    assert (pipeline.snapshot().load.demand is not None) == measures


@pytest.mark.parametrize("every", [2, 3])
def test_faces_are_followed_between_searches_and_scored_as_often(build: Build, every: int) -> None:
    pipeline = build([face(80), face(240)], frames=120, fps=30)
    pipeline.schedule = Schedule(step_s=0.1, reset_s=1.0, detect_every=every)
    scores = run(pipeline)
    assert pipeline.detector.calls == 120 // every  # type: ignore[attr-defined]
    assert {score.track_id for score in scores} == {1, 2}
    assert len(scores) >= 2 * (40 - 3)
    assert pipeline.health.stages["detect"].frames == 120 // every


def test_time_moves_on_while_the_camera_gives_nothing(build: Build) -> None:
    pipeline = build([face(60)], frames=20, fps=10)
    alive = []
    pipeline.on_frame = lambda: alive.append(1)
    pipeline.run()
    assert len(alive) == 20
    clock: Any = pipeline.clock
    windows = len(pipeline.sink.windows)  # type: ignore[attr-defined]
    for _ in range(130):
        clock.now_ns += NS
        pipeline.wait()
    assert len(pipeline.sink.windows) > windows  # type: ignore[attr-defined]
    assert len(pipeline.sink.reports) >= 1  # type: ignore[attr-defined]


def test_a_stop_is_heard_while_the_camera_gives_nothing(build: Build) -> None:
    pipeline = build([], frames=1)
    pipeline.stop()
    pipeline.wait()
    assert pipeline.camera.closed  # type: ignore[attr-defined]
