from __future__ import annotations

import itertools
import threading
import time
from datetime import datetime, timezone

import numpy as np
import pytest

from edge.camera import drawn
from edge.camera.drawn import SceneCamera
from edge.clock import NS, FileClock, SystemClock
from edge.config import CameraConfig
from edge.hours import OpeningHours
from edge.values import Tick


class FakeTime:
    """The machine's time, which moves by sleeping and by what a test adds."""

    def __init__(self) -> None:
        self.now_ns = 7 * NS

    def monotonic_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


@pytest.fixture
def fake_time(monkeypatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(drawn, "time", fake)
    monkeypatch.setattr("edge.clock.time.monotonic_ns", fake.monotonic_ns)
    return fake


def camera(clock, **options) -> SceneCamera:
    given = {name: options.pop(name) for name in ("wanted", "hours") if name in options}
    settings = {"backend": "scene", "width": 64, "height": 64, "fps": 10.0, **options}
    return SceneCamera(CameraConfig(**settings), clock, **given)


def test_frames_advance_in_time_and_move_a_file_clock():
    clock = FileClock(now_ns=7_000)
    with camera(clock, pace="fast") as opened:
        for frame in itertools.islice(opened, 4):
            assert frame.captured_ns == 7_000 + frame.index * 100_000_000
            assert clock.now_ns == frame.captured_ns
            assert not frame.pixels.flags.writeable
        assert (opened.failed, opened.dropped, opened.skipped, opened.length) == (0, 0, 0, None)
    assert list(opened) == []


def test_two_cameras_show_the_same():
    first, second = (next(iter(camera(FileClock(), pace="fast"))) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)


def test_real_time_is_kept(fake_time):
    begun_ns = fake_time.now_ns
    frames = list(itertools.islice(camera(SystemClock()), 5))
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert fake_time.now_ns - begun_ns == pytest.approx(400_000_000)


@pytest.mark.parametrize("stall_s", [0.25, 2.5, 125.0])
def test_after_a_stall_frames_are_as_fresh_as_before(fake_time, stall_s):
    opened = camera(SystemClock())
    frames = iter(opened)
    next(frames)
    fake_time.now_ns += round(stall_s * NS)
    late = [(fake_time.now_ns - frame.captured_ns) / NS for frame in itertools.islice(frames, 20)]
    assert max(late) < 0.1
    assert opened.dropped == int(stall_s * 10) - 1


def test_a_reader_that_is_too_slow_gets_fewer_frames_and_the_lag_does_not_grow(fake_time):
    opened = camera(SystemClock())
    late, indices = [], []
    for frame in itertools.islice(opened, 40):
        late.append((fake_time.now_ns - frame.captured_ns) / NS)
        indices.append(frame.index)
        fake_time.now_ns += 250_000_000
    assert max(late) < 0.1
    assert opened.dropped == indices[-1] - 39 > 0


def test_a_file_clock_keeps_every_frame_even_when_late(fake_time):
    opened = camera(FileClock())
    indices = []
    for frame in itertools.islice(opened, 4):
        indices.append(frame.index)
        fake_time.now_ns += 10 * NS
    assert (indices, opened.dropped) == ([0, 1, 2, 3], 0)


def test_frames_that_nobody_wants_are_not_drawn(monkeypatch):
    opened = camera(FileClock(), pace="fast", wanted=lambda now, last: last is None or now - last >= 250_000_000)
    drawn = []
    monkeypatch.setattr(opened._scene, "draw", lambda t_s: drawn.append(t_s) or np.zeros((64, 64, 3), np.uint8))
    assert [frame.index for frame in itertools.islice(opened, 3)] == [0, 3, 6]
    assert (drawn, opened.skipped) == ([0.0, 0.3, 0.6], 4)


def test_it_closes_by_the_clock_on_the_wall_and_ticks_meanwhile(fake_time, monkeypatch):
    clock = SystemClock()
    open_ns = int(datetime(2026, 11, 23, 9, tzinfo=timezone.utc).timestamp()) * NS
    monkeypatch.setattr(clock, "known_utc_ns", lambda: open_ns - 10 * NS + fake_time.now_ns)  # 3 s before it opens
    opened = camera(clock, hours=OpeningHours(["daily 09:00-10:00"]))
    events = list(itertools.islice(opened, 5))
    assert [isinstance(event, Tick) for event in events] == [True, True, True, False, False]
    assert [event.at_ns for event in events[:3]] == [7 * NS, 8 * NS, 9 * NS]
    assert events[3].captured_ns == 10 * NS
    assert opened.dropped == 0


def test_an_unsynchronized_clock_means_closed_where_there_are_hours(fake_time, monkeypatch):
    clock = SystemClock()
    monkeypatch.setattr(clock, "known_utc_ns", lambda: None)
    assert next(iter(camera(clock, hours=OpeningHours(["daily 00:00-24:00"])))).reason == "closed"
    assert next(iter(camera(clock))).index == 0


def test_another_thread_may_end_the_iteration():
    opened = camera(SystemClock(), fps=1.0)
    threading.Timer(0.1, opened.close).start()
    begun = time.monotonic()
    assert len(list(opened)) <= 1
    assert time.monotonic() - begun < 0.9
