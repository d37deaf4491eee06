"""A live camera over a device of the test's own: first its thread, then every kind of trouble on the test's clock."""

from __future__ import annotations

import logging
import queue
import threading
import time
from datetime import datetime, timezone

import numpy as np
import pytest

from edge.camera.live import FROZEN_S, STALL_S, LiveCamera, capture_time
from edge.clock import NS, FileClock, SystemClock
from edge.contract import CameraEvents
from edge.errors import CameraError, CameraStuckError, FrameError
from edge.hours import OpeningHours
from edge.values import Tick

PATIENCE_S = 5.0
NAME = "/dev/fake"


class FakeSource:
    """Hands out what a test puts in: a time, or an error that its picture or the device has."""

    def __init__(self, *items: int | Exception) -> None:
        self.items: queue.Queue[int | Exception] = queue.Queue()
        for item in items:
            self.items.put(item)
        self.item: int | Exception = 0
        self.decoded = 0
        self.closed = threading.Event()
        self.closed_by: str | None = None

    def grab(self) -> int | None:
        try:
            self.item = self.items.get(timeout=0.01)
        except queue.Empty:
            return None
        if isinstance(self.item, FrameError):
            return 1
        if isinstance(self.item, Exception):
            raise self.item
        return self.item

    def read(self) -> np.ndarray:
        if isinstance(self.item, FrameError):
            raise self.item
        self.decoded += 1
        return np.full((4, 4, 3), self.item % 256, np.uint8)

    def close(self) -> None:
        self.closed_by = threading.current_thread().name
        self.closed.set()


def live(source: FakeSource, **options) -> LiveCamera:
    return LiveCamera(NAME, lambda: source, options.pop("clock", FileClock()), **options)


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.002)


def test_the_newest_frame_wins_and_losses_are_counted():
    source = FakeSource(10)
    with live(source) as camera:
        events = iter(camera)
        assert next(events).index == 0
        for stamp in (20, 30, 40, 50):
            source.items.put(stamp)
        until(lambda: camera.dropped == 3)
        frame = next(events)
        assert (frame.index, frame.captured_ns, int(frame.pixels[0, 0, 0])) == (4, 50, 50)


def test_a_reader_that_keeps_up_loses_nothing():
    source = FakeSource(1)
    with live(source) as camera:
        events = iter(camera)
        for stamp in range(1, 20):
            assert next(events).captured_ns == stamp
            source.items.put(stamp + 1)
        assert camera.dropped == 0


def test_nothing_is_captured_before_the_iteration():
    source = FakeSource(1, 2, 3)
    with live(source):
        time.sleep(0.05)
        assert source.items.qsize() == 3
    assert source.closed.is_set()


def test_damaged_frames_are_counted_and_leave_a_gap():
    source = FakeSource(FrameError("bad"), FrameError("bad"), 7)
    with live(source) as camera:
        assert next(iter(camera)).index == 2
        assert camera.failed == 2


def test_a_picture_larger_than_a_frame_may_be_is_damaged(monkeypatch):
    monkeypatch.setattr("edge.values.MAX_SIDE_PX", 3)
    source = FakeSource(1, 2)
    with live(source) as camera:
        iter(camera).__next__()  # the tick that tells of it
        assert camera.failed == 2


def test_frames_that_nobody_wants_are_not_decoded_and_leave_a_gap():
    asked = []

    def wanted(captured_ns: int, given_ns: int | None) -> bool:
        asked.append((captured_ns, given_ns))
        return given_ns is None or captured_ns >= given_ns + 30

    source = FakeSource(10)
    with live(source, wanted=wanted) as camera:
        events = iter(camera)
        next(events)
        for stamp in (20, 30, 40):
            source.items.put(stamp)
        frame = next(events)
        assert (frame.index, frame.captured_ns) == (3, 40)
        assert (camera.skipped, camera.dropped, camera.failed, source.decoded) == (2, 0, 0, 2)
    assert asked == [(10, None), (20, 10), (30, 10), (40, 10)]


def test_pictures_are_given_as_they_may_be_seen():
    with live(FakeSource(10), shown=lambda pixels: pixels[:2]) as camera:
        assert next(iter(camera)).pixels.shape == (2, 4, 3)


def test_a_second_without_a_frame_is_a_tick_that_is_a_second_behind():
    clock = SystemClock()
    with live(FakeSource(), clock=clock) as camera:
        begun_ns = clock.monotonic_ns()
        ticks = [event for event, _ in zip(camera, range(2), strict=False)]
    assert all(isinstance(tick, Tick) and tick.reason == "starting" for tick in ticks)
    assert [(tick.at_ns - begun_ns) / NS for tick in ticks] == pytest.approx([0, 1], abs=0.3)


def test_time_never_goes_back_from_frames_to_ticks_and_again():
    clock = FileClock(now_ns=3 * NS)
    source = FakeSource(5 * NS)
    with live(source, clock=clock) as camera:
        events = iter(camera)
        times = [next(events).captured_ns, next(events).at_ns]
        source.items.put(4 * NS)
        times.append(next(events).captured_ns)
        source.items.put(4 * NS)
        times.append(next(events).captured_ns)
    assert times == [5 * NS, 5 * NS, 5 * NS + 1, 5 * NS + 2]


def test_a_defect_of_ours_in_the_thread_is_not_swallowed():
    with live(FakeSource(ZeroDivisionError("ours"))) as camera, pytest.raises(ZeroDivisionError):
        next(iter(camera))


def test_leaving_joins_the_thread_which_closes_the_source():
    source = FakeSource(1)
    with live(source) as camera:
        events = iter(camera)
        next(events)
    assert source.closed_by == f"capture {NAME}"
    assert f"capture {NAME}" not in [thread.name for thread in threading.enumerate()]
    assert list(events) == []
    camera.close()


def test_another_thread_may_end_the_iteration():
    with live(FakeSource()) as camera:
        threading.Timer(0.05, camera.close).start()
        begun = time.monotonic()
        assert list(camera) == []
        assert time.monotonic() - begun < 0.9


def test_close_is_safe_while_the_reader_holds_the_lock_as_in_a_signal_handler():
    with live(FakeSource()) as camera:
        with camera._changed:
            camera.close()
        assert list(camera) == []


def test_a_call_that_never_returns_ends_the_run_with_its_own_exit_code(monkeypatch):
    monkeypatch.setattr("edge.camera.live._JOIN_S", 0.1)
    monkeypatch.setattr("edge.camera.live.STUCK_S", 0.1)
    source, release = FakeSource(), threading.Event()
    source.grab = release.wait  # type: ignore[method-assign,assignment]
    begun = time.monotonic()
    with live(source) as camera, pytest.raises(CameraStuckError, match="did not return") as caught:
        next(iter(camera))
    assert caught.value.exit_code == 8
    assert time.monotonic() - begun < 4
    assert not source.closed.is_set()
    source.grab = lambda: None  # type: ignore[method-assign]
    release.set()
    assert source.closed.wait(PATIENCE_S)  # when the driver lets it


@pytest.mark.parametrize(
    ("stamp_ns", "expected"),
    [(99_900_000_000, 99_900_000_000), (0, 100_000_000_000), (98_000_000_000, 100_000_000_000),
     (100_000_000_001, 100_000_000_000)],
)  # fmt: skip
def test_only_plausible_stamps_are_believed(stamp_ns, expected):
    assert capture_time(stamp_ns, 100_000_000_000) == expected


class Scripted:
    """A device that gives what the test puts there: `noise`, `still`, `black`, None, or an error."""

    def __init__(self, size: int = 8) -> None:
        self.next: object = "noise"
        self.size = size
        self.closed = 0
        self._noise = np.random.default_rng(1)

    def grab(self) -> int | None:
        if isinstance(self.next, CameraError):
            raise self.next
        return None if self.next is None else 0

    def read(self) -> np.ndarray:
        if isinstance(self.next, FrameError):
            raise self.next
        shape = (self.size, self.size, 3)
        if self.next == "noise":
            return self._noise.integers(0, 255, shape, np.uint8)
        if self.next == "black":
            return np.zeros(shape, np.uint8)
        return np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)

    def close(self) -> None:
        self.closed += 1


class WallClock(FileClock):
    """A clock that is right, or not, as the test says."""

    known: int | None = 0
    __slots__ = ()

    def known_utc_ns(self) -> int | None:
        return WallClock.known


class Bench:
    """A camera over scripted devices, ten steps a second of the test's clock; no thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, hours: OpeningHours | None = None) -> None:
        monkeypatch.setattr("edge.camera.live.time", self)
        self.now_s = 0.0
        self.devices: list[Scripted] = []
        self.opened_s: list[float] = []
        self.refusal: CameraError | None = None
        self.size, self.shows = 8, "noise"
        self.clock = WallClock()
        self.camera = LiveCamera(NAME, self._open, self.clock, hours=hours)

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Naps take no time here."""

    def _open(self) -> Scripted:
        self.opened_s.append(self.now_s)
        if self.refusal is not None:
            raise self.refusal
        self.devices.append(Scripted(self.size))
        self.devices[-1].next = self.shows
        return self.devices[-1]

    def show(self, what: object, seconds: float) -> None:
        self.devices[-1].next = what
        self.run(seconds)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            self.camera._busy_s = self.now_s
            self.camera.step()

    @property
    def given(self) -> int:
        slot = self.camera._slot
        return self.camera.dropped + (slot is not None)

    @property
    def events(self) -> dict[str, int]:
        return {kind: count for kind, count in self.camera.events.items() if count}

    @property
    def reason(self) -> str:
        return self.camera._tick().reason


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_every_kind_of_fault_is_counted_from_the_start(bench):
    assert bench.camera.events == dict.fromkeys(CameraEvents.__annotations__, 0)


def test_a_camera_that_is_not_there_at_the_start_is_an_error():
    def refuse() -> Scripted:
        raise CameraError("/dev/fake: no such device", "plug it in")

    with pytest.raises(CameraError, match="no such device; plug it in"):
        LiveCamera(NAME, refuse, FileClock())


def test_a_camera_that_is_unplugged_is_opened_again_with_back_off_until_it_is_back(bench, caplog):
    caplog.set_level(logging.INFO)
    bench.run(5)
    bench.refusal = CameraError("/dev/fake: no such device")
    tries = len(bench.opened_s)
    bench.show(CameraError("/dev/fake: the camera is gone"), 600)
    assert bench.reason == "gone"
    assert bench.devices[0].closed == 1
    pauses = np.diff(bench.opened_s[tries:])
    assert 8 <= len(pauses) <= 30
    assert pauses.max() <= 61
    assert pauses[0] < 3
    bench.refusal = None
    bench.run(120)
    assert bench.events == {"gone": 1, "failed_opens": len(bench.opened_s) - tries - 1, "reopened": 1}
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3  # gone, no such device, back: none for each try
    assert lines[-1] == "/dev/fake: gives frames again"
    before = bench.given
    bench.run(5)
    assert bench.given - before == 50


def test_the_same_bytes_for_long_are_a_frozen_camera_until_it_shows_something_else(bench):
    bench.show("still", FROZEN_S - 1)
    assert bench.events == {}
    bench.shows = "still"
    given = bench.given
    bench.run(60)
    assert bench.reason == "frozen"
    assert bench.events["frozen"] == bench.events["reopened"] + 1 > 2
    assert bench.given - given <= 20
    bench.shows = "noise"
    bench.run(120)
    assert bench.reason == "gone"  # what a tick would say if frames stopped now
    assert bench.given - given > 100


@pytest.mark.parametrize("scene", ["black", "noise"])
def test_a_dark_or_still_scene_is_not_frozen(bench, scene):
    bench.show(scene, 10 * FROZEN_S)
    assert bench.events == {}


def test_a_camera_that_gives_nothing_is_opened_anew(bench):
    assert bench.reason == "starting"
    bench.run(5)
    bench.show(None, 2)
    assert bench.reason == "gone"
    bench.run(STALL_S - 1.5)
    assert bench.events == {"stalled": 1}


def test_only_damaged_frames_for_long_reopen_it_as_nothing_does(bench):
    for _ in range(20):
        bench.show(FrameError("damaged"), STALL_S / 2)
        bench.show("noise", 0.5)
    assert bench.events == {}
    bench.show(FrameError("damaged"), STALL_S + 0.5)
    assert bench.camera.failed > 1000
    assert bench.events == {"stalled": 1}


def test_a_camera_that_returns_with_another_size_is_used_and_counted(bench, caplog):
    bench.run(1)
    bench.size = 16
    bench.show(CameraError("gone"), 20)
    given = bench.given
    bench.run(60)
    assert bench.given - given == 600
    assert bench.camera._slot.pixels.shape == (16, 16, 3)
    assert bench.events == {"gone": 1, "reopened": 1, "resized": 1}
    assert "gives 16x16, it was 8x8" in caplog.text


def test_a_driver_that_cannot_even_close_is_given_up(bench):
    def refuse() -> None:
        raise OSError("input/output error")

    bench.devices[0].close = refuse  # type: ignore[method-assign]
    bench.show(CameraError("gone"), 10)
    assert bench.events == {"gone": 1, "reopened": 1}


def at(*when: int) -> int:
    return int(datetime(*when, tzinfo=timezone.utc).timestamp()) * NS  # type: ignore[misc]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(WallClock, "known", at(2026, 11, 23, 8, 59))
    return Bench(monkeypatch, OpeningHours(["mon-fri 09:00-18:00"]))


def test_outside_its_hours_the_device_is_not_open_and_opens_on_time(shop, monkeypatch):
    shop.run(60)
    assert (shop.devices, shop.reason) == ([], "closed")
    monkeypatch.setattr(WallClock, "known", at(2026, 11, 23, 9))
    shop.run(0.1)
    assert shop.reason == "starting"
    shop.run(0.1)
    assert (len(shop.devices), shop.given) == (1, 1)
    monkeypatch.setattr(WallClock, "known", at(2026, 11, 23, 18))
    shop.run(0.1)
    assert (shop.devices[0].closed, shop.reason) == (1, "closed")
    shop.run(60)
    assert (len(shop.devices), shop.given, shop.events) == (1, 1, {})
    monkeypatch.setattr(WallClock, "known", at(2026, 11, 24, 9))
    shop.run(1)
    assert (len(shop.devices), shop.given, shop.events) == (2, 10, {})


def test_an_unsynchronized_clock_means_closed_where_there_are_hours_and_is_told_once(shop, monkeypatch, caplog):
    monkeypatch.setattr(WallClock, "known", None)
    shop.run(60)
    assert (shop.devices, shop.reason) == ([], "closed")
    assert caplog.text.count("clock is not synchronized") == 1
    monkeypatch.setattr(WallClock, "known", at(2026, 11, 23, 12))
    shop.run(1)
    assert shop.given > 0


def test_an_unsynchronized_clock_does_not_matter_without_hours(bench, monkeypatch):
    monkeypatch.setattr(WallClock, "known", None)
    bench.run(1)
    assert bench.given == 10


def test_a_camera_that_is_missing_at_opening_time_is_waited_for(shop, monkeypatch):
    shop.refusal = CameraError("/dev/fake: no such device")
    monkeypatch.setattr(WallClock, "known", at(2026, 11, 23, 10))
    shop.run(30)
    assert shop.reason == "gone"
    shop.refusal = None
    shop.run(60)
    assert shop.given > 0
    assert shop.events["failed_opens"] >= 3
