"""Overload, simulated: a live camera, a slow detector and a slow backbone on a clock that their work moves on."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from edge.affect.network import AffectModel, load_model
from edge.affect.window import Windower
from edge.clock import NS
from edge.config import Config, EngineConfig, ModelConfig, WindowConfig
from edge.contract import CameraEvents
from edge.device import Device, origin_of
from edge.face.schedule import Schedule
from edge.face.search import Sighting
from edge.face.tracker import Expected, Tracker
from edge.health import HealthMonitor
from edge.values import AffectScore, Detection, Embedding, FaceCrop, Frame, Look, Quality

MS = 1_000_000
PICTURE = np.random.default_rng(0).integers(40, 220, (240, 2400, 3), dtype=np.uint8)
SHAPE = np.array([[-15, -12], [15, -12], [0, 4], [-11, 16], [11, 16]], np.float32)


class Clock:
    """Work and waiting move it, nothing else."""

    live = True
    boot_id = None

    def __init__(self) -> None:
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self, monotonic_ns: int) -> int:
        return monotonic_ns

    def synced(self) -> bool:
        return True

    def refresh(self) -> None:
        pass


class NewestFrames:
    """A camera of 30 frames a second with a slot of one: who comes late gets the newest."""

    length = None
    failed = skipped = 0
    events = dict.fromkeys(CameraEvents.__annotations__, 0)

    def __init__(self, clock: Clock, seconds: float, fps: float) -> None:
        self.clock, self.seconds, self.period_ns = clock, seconds, round(NS / fps)
        self.dropped = 0

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while index * self.period_ns < self.seconds * NS:
            self.clock.now_ns = max(self.clock.now_ns, index * self.period_ns)
            newest = self.clock.now_ns // self.period_ns
            self.dropped += newest - index
            yield Frame(pixels=PICTURE, captured_ns=newest * self.period_ns, index=newest)
            index = newest + 1

    def close(self) -> None:
        pass

    def __enter__(self) -> NewestFrames:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class SlowSearch:
    def __init__(self, clock: Clock, faces: int, ms: float) -> None:
        self.clock, self.faces, self.ms = clock, faces, ms
        self.searched_ns: list[int] = []
        self.crowd: list[Detection] | None = None

    def find(self, pixels: np.ndarray, expected: Sequence[Expected], *, wide: bool) -> Sighting:
        return Sighting(self.detect(), range(len(expected)))

    def detect(self) -> list[Detection]:
        self.searched_ns.append(self.clock.now_ns)
        self.clock.now_ns += round(self.ms * MS)
        if self.crowd is not None:
            return self.crowd
        sway = 12 * np.sin(self.searched_ns[-1] / NS)  # pictures do not move, people do
        return [face(80 + 140 * index + sway) for index in range(self.faces)]


class SlowBackbone:
    def __init__(self, clock: Clock, ms: float) -> None:
        self.clock, self.ms = clock, ms

    def embed_all(self, crops: list[FaceCrop]) -> list[Embedding]:
        self.clock.now_ns += len(crops) * round(self.ms * MS)
        vector = np.full(128, 0.1, np.float32)
        return [
            Embedding(track_id=crop.track_id, captured_ns=crop.captured_ns, vector=vector, va=np.zeros(2, np.float32))
            for crop in crops
        ]


def face(x: float) -> Detection:
    landmarks = (SHAPE + np.array([x, 120])).astype(np.float32)
    return Detection(box_px=(x - 30, 90, x + 30, 150), score=0.9, landmarks_px=landmarks)


class OpenGate:
    """Lets every face pass, at no cost."""

    def judge_pose(self, detection: Detection) -> Quality:
        return Quality(size_px=60, yaw_deg=0)

    def judge_crop(self, pose: Quality, crop: np.ndarray) -> Quality:
        return pose


class Busy:
    """A device whose work takes as long as told; it writes down what happens."""

    def __init__(
        self, model: AffectModel, sink: Any, *, faces: int, detect_ms: float, embed_ms: float, seconds=20.0, fps=30.0
    ) -> None:
        self.clock = Clock()
        self.detector = SlowSearch(self.clock, faces, detect_ms)
        self.backbone: Any = SlowBackbone(self.clock, embed_ms)
        self.sink = sink
        self.latency_ms: list[tuple[int, float]] = []
        self.scores: list[AffectScore] = []
        self.levels: list[str] = []
        self.script: Any = lambda _second: None
        step_s, reset_s = model.bundle.manifest.step_s, model.bundle.manifest.reset_s
        self.reset_ns = round(reset_s * NS)
        origin = origin_of(Config(), model.bundle)
        self.device = Device(
            camera=NewestFrames(self.clock, seconds, fps),
            schedule=Schedule(step_s=step_s, reset_s=reset_s, frame_s=1 / fps, live=True),
            search=self.detector,
            tracker=Tracker(),
            gate=OpenGate(),
            model=dataclasses.replace(model, backbone=self.backbone),
            windower=Windower(
                WindowConfig(window_s=10, min_people=3), self.clock, origin, sink.number, step_s=step_s, reset_s=reset_s
            ),
            sink=sink,
            clock=self.clock,
            health=HealthMonitor(),
            origin=origin,
            model_state="shipped",
        )

    def run(self) -> Busy:
        for look in self.device.looks():
            if isinstance(look, Look) and look.worked:
                self._note(look)
        return self

    def _note(self, look: Look) -> None:
        if look.scores:
            self.latency_ms.append((look.captured_ns, (self.clock.now_ns - look.captured_ns) / MS))
        self.scores += look.scores
        level = self.device.schedule.load.level
        if not self.levels or self.levels[-1] != level:
            self.levels.append(level)
        self.script(look.captured_ns / NS)

    def times_ns(self, since_s: float) -> dict[int, list[int]]:
        """When each face was scored."""
        by_track = defaultdict(list)
        for score in self.scores:
            if score.captured_ns >= since_s * NS:
                by_track[score.track_id].append(score.captured_ns)
        return by_track


@pytest.fixture(scope="module")
def model() -> AffectModel:
    return load_model(ModelConfig(), EngineConfig())


@pytest.fixture(scope="module")
def crowd(model: AffectModel, new_sink: Any) -> Any:
    """Devices that have looked at sixteen faces for twelve seconds; each cost is played once."""
    played: dict[tuple[float, float], Busy] = {}

    def play(detect_ms: float, embed_ms: float) -> Busy:
        key = (detect_ms, embed_ms)
        if key not in played:
            costs: Any = {"detect_ms": detect_ms, "embed_ms": embed_ms}
            played[key] = Busy(model, new_sink(), faces=16, seconds=12.0, **costs).run()
        return played[key]

    return play


@pytest.fixture
def device(model: AffectModel, new_sink: Any) -> Any:
    return lambda **costs: Busy(model, new_sink(), **costs)


def test_a_device_with_time_to_spare_searches_and_scores_at_every_step(device: Any) -> None:
    busy = device(faces=4, detect_ms=10, embed_ms=5, seconds=5).run()
    assert busy.levels == ["normal"]
    assert len(busy.detector.searched_ns) == 51  # the last frames are nearest to the step after five seconds
    assert max(np.diff(times).max() for times in busy.times_ns(since_s=0.5).values()) <= 0.134 * NS
    assert busy.device.schedule.load.skipped <= 3 * 3  # until it is known what a face costs, one a frame is tried


CAMERA_MS, BUDGET_MS = 34, 80
CASES = pytest.mark.parametrize(
    ("detect_ms", "embed_ms", "level"),
    [
        (20, 3, "normal"),
        (40, 3.5, "detector"),
        (200, 1, "detector"),
        (60, 6, "faces"),
        (30, 20, "faces"),
        (200, 20, "faces"),
        (40, 60, "faces"),
    ],
)


@CASES
def test_sixteen_faces_are_scored_soon_after_their_frame_was_taken(
    crowd: Any, detect_ms: float, embed_ms: float, level: str
) -> None:
    busy = crowd(detect_ms, embed_ms)
    assert busy.levels[-1] == level
    assert len(busy.latency_ms) > 25
    # A search and one face are the least that a frame may have to take.
    assert max(age for _, age in busy.latency_ms) <= CAMERA_MS + BUDGET_MS + detect_ms + embed_ms


def test_without_the_schedule_the_same_crowd_would_wait(device: Any) -> None:
    """What the bound above is worth."""
    busy = device(faces=16, detect_ms=30, embed_ms=20, seconds=6)
    busy.device.schedule = Schedule(step_s=0.1, reset_s=1.0)
    busy.run()
    assert min(age for _, age in busy.latency_ms[5:]) > 300


@CASES
def test_every_face_that_is_scored_has_its_turn_before_its_stream_would_begin_anew(
    crowd: Any, detect_ms: float, embed_ms: float, level: str
) -> None:
    busy = crowd(detect_ms, embed_ms)
    last_ns = max(score.captured_ns for score in busy.scores)
    by_track = busy.times_ns(since_s=2.0)
    assert all(np.diff([*times, last_ns]).max() <= busy.reset_ns for times in by_track.values())
    assert sorted(by_track) == list(range(1, len(by_track) + 1))  # the oldest tracks, the same ones throughout
    assert len(by_track) == {(200, 20): 10, (40, 60): 8}.get((detect_ms, embed_ms), 16)


@CASES
def test_scored_seconds_are_the_steps_in_which_faces_were_scored(
    crowd: Any, detect_ms: float, embed_ms: float, level: str
) -> None:
    busy = crowd(detect_ms, embed_ms)
    counts = Counter(score.track_id for score in busy.scores if score.warm and score.captured_ns < 10 * NS)
    window = busy.sink.windows[0]
    long_enough = sum(count >= 20 for count in counts.values())
    if long_enough < 3:
        assert (window.suppressed, window.scored_s) == ("few_people", None)
        return
    assert window.scored_s == pytest.approx(sum(counts.values()) / 10, abs=0.06)
    assert window.visits == window.people == long_enough
    assert window.visits + window.unscored_visits == 16


def test_searches_give_way_before_faces_and_all_comes_back(device: Any, caplog: Any) -> None:
    busy = device(faces=16, detect_ms=20, embed_ms=3, seconds=36)

    def script(second: float) -> None:
        busy.backbone.ms = 3 if second < 4 else 4.2 if second < 8 else 15 if second < 12 else 70 if second < 16 else 2

    busy.script = script
    caplog.set_level(logging.INFO, logger="edge.face.schedule")
    busy.run()
    assert busy.levels == ["normal", "detector", "faces", "normal"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert "16 faces in view need" in caplog.text
    searches = np.array(busy.detector.searched_ns) / NS

    def searched(begin: float, end: float) -> float:
        return ((searches >= begin) & (searches < end)).sum() / (end - begin)

    assert searched(2, 4) == pytest.approx(10, abs=0.5)
    assert searched(6, 8) == pytest.approx(5, abs=0.5)
    assert searched(30, 36) == pytest.approx(10, abs=0.5)
    assert len(busy.times_ns(since_s=35.0)) == 16


def test_a_moment_of_trouble_changes_nothing(device: Any) -> None:
    """A card that writes slowly, a pause of the system: one long frame is no overload."""
    busy = device(faces=8, detect_ms=20, embed_ms=4, seconds=10)

    def script(second: float) -> None:
        busy.backbone.ms = 60 if 4 < second < 4.1 else 4

    busy.script = script
    busy.run()
    assert max(age for _, age in busy.latency_ms) > 400
    assert busy.levels == ["normal"]


@pytest.mark.parametrize(("least_ms", "every_s"), [(2.9, 0.5), (1.5, 2.0)], ids=["little", "much"])
def test_load_that_swings_about_the_limit_does_not_make_the_cadence_swing(
    device: Any, least_ms: float, every_s: float
) -> None:
    busy = device(faces=16, detect_ms=30, embed_ms=least_ms, seconds=12)
    busy.script = lambda second: setattr(busy.backbone, "ms", 3.4 if int(second / every_s) % 2 else least_ms)
    busy.run()
    assert busy.levels == ["normal", "detector"]


def test_nothing_is_kept_of_faces_that_come_and_go(device: Any) -> None:
    busy = device(faces=16, detect_ms=40, embed_ms=15, seconds=40)
    remembered = []

    def script(second: float) -> None:
        # Every two seconds everyone leaves, and others come elsewhere.
        busy.detector.crowd = [face(70 + 70 * (int(second / 2) % 2) + 140 * index) for index in range(16)]
        loop = busy.device
        visits = loop.windower._visits
        remembered.append((len(loop.schedule._scored), len(loop._states), len(visits._by_track)))

    busy.script = script
    busy.run()
    assert busy.device.health.tracks > 250
    assert max(max(counts) for counts in remembered) <= 48
    busy.detector.crowd = []
    for index in range(2000, 2060):
        busy.clock.now_ns += NS // 30
        busy.device.step(Frame(pixels=PICTURE, captured_ns=busy.clock.now_ns, index=index))
    assert (busy.device.schedule._scored, busy.device._states) == ({}, {})


def test_health_tells_level_demand_skipped_steps_and_latency(device: Any) -> None:
    busy = device(faces=16, detect_ms=30, embed_ms=20, seconds=10).run()
    report = busy.device.snapshot()
    assert report.load.level == "faces"
    assert report.load.demand == pytest.approx((30 + 16 * 20) / 100, abs=0.05)
    slots = sum(len(set(np.array(times) // (NS // 10))) for times in busy.times_ns(since_s=0.0).values())
    assert report.load.skipped == pytest.approx(16 * 98 - slots, rel=0.1)
    assert report.latency.p50_ms <= report.latency.p95_ms <= CAMERA_MS + BUDGET_MS + 50
