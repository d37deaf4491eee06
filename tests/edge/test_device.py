"""The loop, with a camera that gives a list, a scripted detector and the shipped model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from edge import contract
from edge.affect.network import AffectModel, load_model
from edge.affect.window import Windower
from edge.clock import NS, Clock, FileClock, SystemClock, grid_step
from edge.config import Config, EngineConfig, FaceConfig, ModelConfig, WindowConfig
from edge.device import Device, build_device, origin_of
from edge.errors import CameraError, EngineError, FrameError, PublishError
from edge.face.quality import QualityGate
from edge.face.schedule import Plan, Schedule, one_frame_a_step
from edge.face.search import Sighting
from edge.face.tracker import Expected, Tracker
from edge.health import HealthMonitor
from edge.values import AffectScore, Detection, Frame, Look, Tick

PICTURE = np.random.default_rng(0).integers(40, 220, (240, 320, 3), dtype=np.uint8)
SHAPE = np.array([[-15, -12], [15, -12], [0, 4], [-11, 16], [11, 16]], np.float32)


def face(x: float, size: float = 60.0, nose: float = 0.0) -> Detection:
    landmarks = SHAPE + np.array([x, 120])
    landmarks[2, 0] += nose
    half = size / 2
    return Detection(box_px=(x - half, 90, x + half, 90 + size), score=0.9, landmarks_px=landmarks.astype(np.float32))


def frames(seconds: float, fps: float, since_s: float = 0.0) -> Iterator[Frame]:
    for index in range(round(seconds * fps)):
        yield Frame(pixels=PICTURE, captured_ns=round((since_s + index / fps) * NS), index=index)


def ticks(since_s: int, until_s: int, reason: Any) -> Iterator[Tick]:
    return (Tick(at_ns=second * NS, reason=reason) for second in range(since_s, until_s))


class ScriptedSearch:
    """Gives the same faces at every frame, or raises what it is told to."""

    def __init__(self, faces: Sequence[Detection]) -> None:
        self.faces: Sequence[Detection] | Exception = faces
        self.calls = 0

    def find(self, pixels: np.ndarray, expected: Sequence[Expected], *, wide: bool) -> Sighting:
        self.calls += 1
        if isinstance(self.faces, Exception):
            raise self.faces
        return Sighting(list(self.faces), range(len(expected)))


class EveryFrame(Schedule):
    """Searches in every frame, and scores each face in the first one of a step in which it is found."""

    def plan(self, now_ns: int) -> Plan:
        return Plan(step=grid_step(now_ns, NS // 10), scored=self._scored)


@pytest.fixture(scope="module")
def model() -> AffectModel:
    return load_model(ModelConfig(), EngineConfig())


Build = Callable[..., Device]


@pytest.fixture
def build(model: AffectModel, new_sink: Any, new_camera: Any) -> Build:
    """Devices of the shipped model that look at the same faces in each of the camera's frames."""

    def assemble(faces: Sequence[Detection], events: Iterable[Frame | Tick], error: Exception | None = None) -> Device:
        clock, sink = FileClock(), new_sink()
        origin = origin_of(Config(), model.bundle)
        return Device(
            camera=new_camera(events, clock, error),
            schedule=Schedule(step_s=0.1, reset_s=1.0),
            search=ScriptedSearch(faces),
            tracker=Tracker(),
            gate=QualityGate(FaceConfig(min_sharpness=0.0)),
            model=model,
            windower=Windower(WindowConfig(window_s=10), clock, origin, sink.number, step_s=0.1, reset_s=1.0),
            sink=sink,
            clock=clock,
            health=HealthMonitor(),
            origin=origin,
            model_state="shipped",
        )

    return assemble


def run(device: Device) -> list[AffectScore]:
    return [score for look in device.looks() if isinstance(look, Look) for score in look.scores]


def step_of(score: AffectScore) -> int:
    return (score.captured_ns + NS // 20) // (NS // 10)


RATES = pytest.mark.parametrize("fps", [10, 12, 15, 20, 25, 30, 60])


@RATES
def test_each_face_is_scored_once_a_grid_step_whatever_the_rate(build: Build, fps: int) -> None:
    device: Any = build([face(80), face(240)], frames(10, fps))
    scores = run(device)
    for track_id in (1, 2):
        steps = [step_of(score) for score in scores if score.track_id == track_id]
        assert steps == sorted(set(steps))
        # A face needs two searches before it has a track.
        assert len(steps) >= 100 - 2
    assert device.search.calls in (100, 101)
    assert device.health.seen == 10 * fps
    assert device.health.worked == device.search.calls


@RATES
def test_camera_that_decodes_one_frame_a_step_gives_the_same_scores_and_windows(build: Build, fps: int) -> None:
    wanted, last_ns, kept = one_frame_a_step(0.1), None, []
    for frame in frames(4, fps):
        if wanted(frame.captured_ns, last_ns):
            kept.append(frame)
            last_ns = frame.captured_ns
    decimated: Any = build([face(80), face(240)], kept)
    everything: Any = build([face(80), face(240)], frames(4, fps))
    decimated.camera.skipped = 4 * fps - len(kept)
    assert run(decimated) == run(everything)
    assert decimated.snapshot().frames == everything.snapshot().frames
    # The last frame ends the open window, and it need not be one that is worked on.
    assert decimated.sink.windows[0].visits_begun == everything.sink.windows[0].visits_begun == 1  # one to four


@RATES
def test_a_search_a_step_scores_what_a_search_in_every_frame_does(build: Build, fps: int) -> None:
    scored, reference = (build([face(80), face(240)], frames(4, fps)) for _ in range(2))
    reference.schedule = EveryFrame(step_s=0.1, reset_s=1.0)
    found, every = ([score for score in run(device) if step_of(score) >= 2] for device in (scored, reference))
    assert [(step_of(score), score.track_id) for score in found] == [
        (step_of(score), score.track_id) for score in every
    ]
    assert reference.health.worked > scored.health.worked or fps == 10


def test_windows_leave_in_order_numbered_and_the_last_is_partial(build: Build) -> None:
    device: Any = build([face(60), face(160), face(260)], frames(25, 10))
    run(device)
    windows = device.sink.windows
    assert [window.start.second for window in windows] == [0, 10, 20]
    assert [window.partial for window in windows] == [False, False, True]
    assert [window.visits for window in windows] == [1, 1, 1]  # one to four
    assert [window.visits_begun for window in windows] == [1, 0, 0]
    assert [window.observed_s for window in windows] == [10.0, 10.0, 4.9]
    assert [window.id for window in windows] == [f"device/0123abcd/{seq}" for seq in (1, 2, 3)]
    assert device.sink.boot_ns == [(0, 10 * NS), (10 * NS, 20 * NS), (20 * NS, 24_900_000_000)]
    assert (device.health.windows["few_people"], device.health.windows["partial"]) == (2, 1)


def test_a_look_says_what_the_gate_measured_and_what_was_scored(build: Build) -> None:
    device = build([face(80), face(240, size=20)], frames(1, 10))
    *_, look = device.looks()
    assert isinstance(look, Look)
    good, small = look.faces
    assert (look.index, look.size_px, look.worked) == (9, (320, 240), True)
    assert good.score is not None
    assert good.quality is not None
    assert good.quality.rejection is None
    assert 120 < (good.quality.light or 0) < 140
    assert small.score is None
    assert small.quality is not None
    assert (small.quality.rejection, small.quality.size_px, small.quality.light) == (
        "small", pytest.approx(20, abs=1), None,
    )  # fmt: skip


def test_state_goes_with_its_track(build: Build) -> None:
    device: Any = build([face(80)], frames(1, 30))
    run(device)
    assert list(device._states) == [1]
    device.search.faces = []
    for frame in frames(2, 30, since_s=2):
        device.step(frame)
    assert (device._states, device._living) == ({}, set())


@pytest.mark.parametrize(
    ("faces", "reason"),
    [([face(80, size=20)], "small"), ([face(80, nose=-16)], "turned")],
)
def test_rejected_face_is_followed_and_counted_by_reason_once_a_step(
    build: Build, faces: Sequence[Detection], reason: str
) -> None:
    device: Any = build(faces, frames(2, 30))
    assert run(device) == []
    assert {kind for kind, count in device.health.rejections.items() if count} == {reason}
    assert 18 <= device.health.rejections[reason] <= 20
    (window,) = device.sink.windows
    assert (window.visits, window.unscored_visits) == (0, 1)


def test_frame_that_cannot_be_worked_on_is_counted_skipped_and_made_up_for_by_the_next(build: Build) -> None:
    device: Any = build([face(80)], frames(2, 30))
    every = device.search

    class Flaky(ScriptedSearch):
        def find(self, pixels: np.ndarray, expected: Sequence[Expected], *, wide: bool) -> Sighting:
            self.calls += 1
            if self.calls in (5, 10, 15):
                raise FrameError("odd")
            return every.find(pixels, expected, wide=wide)

    device.search = Flaky([])
    scores = run(device)
    assert device.health.failed == 3
    assert sorted(step_of(score) for score in scores) == [*range(1, 21)]


def test_frames_that_fail_now_and_then_are_logged_at_a_limited_rate(build: Build, caplog: Any) -> None:
    device: Any = build([face(80)], frames(12, 10))

    class Flaky(ScriptedSearch):
        def find(self, pixels: np.ndarray, expected: Sequence[Expected], *, wide: bool) -> Sighting:
            self.calls += 1
            if self.calls % 2:
                raise FrameError("odd")
            return Sighting([], ())

    device.search = Flaky([])
    run(device)
    assert device.health.failed == 60
    assert len(caplog.records) == 2


def test_unbroken_row_of_failures_ends_the_run_with_its_exit_code(build: Build, caplog: Any) -> None:
    device: Any = build([], frames(60, 10))
    device.search.faces = EngineError("broken")
    with pytest.raises(EngineError, match="100 frames in a row failed, the last with: broken") as caught:
        run(device)
    assert caught.value.exit_code == 5
    assert device.camera.closed
    assert len(caplog.records) == 2  # at a limited rate


def test_vanished_camera_ends_the_run_after_the_open_window_was_handed_over(build: Build) -> None:
    device: Any = build([face(60), face(160), face(260)], frames(5, 10), error=CameraError("/dev/video0: gone"))
    with pytest.raises(CameraError, match="gone"):
        run(device)
    (window,) = device.sink.windows
    assert (window.visits, window.partial) == (1, True)


def test_sink_that_cannot_go_on_ends_the_run(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    device: Any = build([face(60)], frames(12, 10))

    def refuse(*_: object) -> None:
        raise PublishError("the publisher ended")

    monkeypatch.setattr(device.sink, "publish", refuse)
    with pytest.raises(PublishError, match="the publisher ended") as caught:
        run(device)
    assert caught.value.exit_code == 7


def test_stop_ends_the_run_after_the_frame_at_hand(build: Build) -> None:
    device: Any = build([face(80)], frames(1000, 10))
    for look in device.looks():
        if isinstance(look, Look) and look.index == 29:
            device.stop()
    assert device.health.seen == 30
    assert len(device.sink.windows) == 1


def test_health_is_reported_once_a_minute(build: Build) -> None:
    device: Any = build([face(80)], frames(125, 1))
    run(device)
    first, second = device.sink.reports
    assert first.frames["seen"] < second.frames["seen"]
    assert second.frames["worked"] == second.frames["seen"]
    assert second.faces == 1
    assert 0 < second.stages["embed"].p50_ms <= second.stages["embed"].p95_ms
    assert (second.latency.p50_ms, second.load.demand) == (None, None)  # time stands still in a replay
    # Of twelve windows with one face each, none has scores.
    assert second.windows == contract.zeros(contract.Windows) | {"few_people": 12}
    assert contract.decode(contract.encode(second), contract.Health) == second


def test_an_empty_room_does_not_show_in_the_times_of_faces(build: Build) -> None:
    device: Any = build([], frames(5, 10))
    run(device)
    device.search.faces = [face(80)]
    for frame in frames(1, 10, since_s=5):
        device.step(frame)
    stages = device.snapshot().stages
    assert stages["embed"].p50_ms > 0.05
    assert sum(times.mean_ms for times in stages.values()) < 10


@pytest.mark.parametrize(("clock", "measures"), [(FileClock(), False), (SystemClock(), True)], ids=["file", "live"])
def test_load_is_measured_where_time_passes_and_nowhere_else(
    model: AffectModel, new_sink: Any, new_camera: Any, clock: Clock, measures: bool
) -> None:
    device = build_device(Config(), camera=new_camera([]), model=model, sink=new_sink(), clock=clock)
    assert (device.snapshot().load.demand is not None) == measures


def test_time_moves_on_while_the_camera_gives_ticks_and_windows_say_why(build: Build) -> None:
    events = [*frames(3, 10), *ticks(3, 20, "gone"), *ticks(20, 40, "closed"), *ticks(40, 71, "frozen")]
    device: Any = build([face(60)], events)
    assert len(list(device.looks())) == len(events)
    windows = device.sink.windows
    assert [window.suppressed for window in windows] == [
        "partial", "camera", "closed", "closed", "camera", "camera", "camera",
    ]  # fmt: skip
    assert [window.observed_s for window in windows] == [2.9, 0, 0, 0, 0, 0, 0]
    (report,) = device.sink.reports
    assert report.faces == 0


def test_a_process_that_stood_still_does_not_say_closed(build: Build) -> None:
    device: Any = build([face(60)], [*frames(5, 10), *frames(5, 10, since_s=125)])
    run(device)
    windows = device.sink.windows
    assert [window.suppressed for window in windows] == ["partial", *["camera"] * 11, "partial"]
    assert [window.observed_s for window in windows] == [4.9, *[0] * 11, 4.9]
    assert [window.seq for window in windows] == list(range(1, 14))
