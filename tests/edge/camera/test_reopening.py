"""A camera in every kind of trouble, on a clock of the test's own."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest

from edge.camera.live import LiveCamera, Picture
from edge.camera.reopening import FROZEN_S, STALL_S, CameraWatch, ReopeningSource
from edge.errors import CameraError, CameraStuckError, FrameError


class Scripted:
    """A device that gives what the test puts there: a picture's seed, None, or an error."""

    name = "/dev/fake"

    def __init__(self, size: int = 8) -> None:
        self.next: object = 0
        self.size = size
        self.closed = 0
        self._noise = np.random.default_rng(1)

    def read(self) -> Picture | None:
        if isinstance(self.next, Exception):
            raise self.next
        if self.next is None:
            return None
        shape = (self.size, self.size, 3)
        if self.next == "noise":
            return Picture(self._noise.integers(0, 255, shape, np.uint8), 0)
        if self.next == "black":
            return Picture(np.zeros(shape, np.uint8), 0)
        return Picture(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape), 0)

    def close(self) -> None:
        self.closed += 1


class Bench:
    """A reopening source over scripted devices; `minute` reads ten times a second of the test's clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.attempts: list[float] = []
        self.devices = [Scripted()]
        self.refusal: CameraError | None = None
        self.size = 8
        self.watch = CameraWatch(attempted=lambda: self.attempts.append(self.now_s))
        self.source = ReopeningSource(self.devices[0], self._open, self.watch, lambda: self.now_s)
        self.given = self.failed = 0

    def _open(self) -> Scripted:
        if self.refusal is not None:
            raise self.refusal
        self.devices.append(Scripted(self.size))
        self.devices[-1].next = "noise"
        return self.devices[-1]

    def show(self, what: object, seconds: float) -> None:
        self.devices[-1].next = what
        self.run(seconds)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            try:
                self.given += self.source.read() is not None
            except FrameError:
                self.failed += 1


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("edge.camera.reopening._NAP_S", 0.0)
    return Bench()


def test_a_camera_that_is_unplugged_is_opened_again_with_back_off_until_it_is_back(bench, caplog):
    caplog.set_level(logging.INFO)
    bench.show("noise", 5)
    bench.refusal = CameraError("/dev/fake: no such device")
    bench.show(CameraError("/dev/fake: the camera is gone"), 600)
    assert bench.devices[0].closed == 1
    pauses = np.diff(bench.attempts)
    assert 8 <= len(bench.attempts) <= 30
    assert pauses.max() <= 61
    assert pauses[0] < 3
    bench.refusal = None
    bench.run(120)
    assert bench.watch.troubles == {"gone": 1, "failed_opens": len(bench.attempts) - 1, "reopened": 1}
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3  # gone, no such device, back: none for each try
    assert lines[-1] == "/dev/fake: gives frames again"
    before = bench.given
    bench.run(5)
    assert bench.given - before == 50


def test_the_same_bytes_for_long_are_a_frozen_camera(bench):
    bench.show("still", FROZEN_S - 1)
    assert "frozen" not in bench.watch.troubles
    bench.run(12)
    assert bench.watch.troubles == {"frozen": 1, "reopened": 1}


@pytest.mark.parametrize("scene", ["black", "noise"])
def test_a_dark_or_still_scene_is_not_frozen(bench, scene):
    bench.show(scene, 10 * FROZEN_S)
    assert bench.watch.troubles == {}


def test_a_camera_that_gives_nothing_is_opened_anew(bench):
    bench.show("noise", 5)
    bench.show(None, STALL_S + 0.5)
    assert bench.watch.troubles == {"stalled": 1}


def test_damaged_frames_are_passed_on_and_only_nothing_else_for_long_reopens(bench):
    for _ in range(20):
        bench.show(FrameError("damaged"), STALL_S / 2)
        bench.show("noise", 0.5)
    assert bench.watch.troubles == {}
    bench.show(FrameError("damaged"), STALL_S + 0.5)
    assert bench.failed > 1000
    assert bench.watch.troubles == {"stalled": 1}


def test_another_size_after_a_reconnect_is_not_let_through(bench):
    bench.show("noise", 1)
    bench.size = 16
    bench.show(CameraError("gone"), 20)
    assert bench.watch.troubles["resized"] >= 1
    given = bench.given
    bench.run(60)
    assert bench.given == given
    bench.size = 8
    bench.run(120)
    assert bench.given > given


def test_a_driver_that_cannot_even_close_is_given_up(bench):
    def refuse() -> None:
        raise OSError("input/output error")

    bench.devices[0].close = refuse  # type: ignore[method-assign]
    bench.show(CameraError("gone"), 10)
    assert bench.watch.troubles == {"gone": 1, "reopened": 1}


def test_a_read_that_never_returns_ends_the_run_with_its_own_exit_code():
    device, release = Scripted(), threading.Event()
    device.read = release.wait  # type: ignore[method-assign,assignment]
    camera = LiveCamera(device, stall_s=None, stuck_s=0.1)
    with pytest.raises(CameraStuckError, match="did not return") as caught:
        next(camera.frames())
    assert caught.value.exit_code == 8
    release.set()


def test_the_reader_is_called_while_it_waits_and_may_close_the_camera():
    device = Scripted()
    device.next = None
    calls = []

    def wait() -> None:
        calls.append(1)
        camera.close()

    camera = LiveCamera(device, stall_s=None, waiting=wait)
    assert list(camera.frames()) == []
    assert calls == [1]


def test_frame_that_was_not_decoded_passes_and_proves_nothing():
    bench = Bench()
    bench.devices[0].read = lambda: Picture(None, 7)  # type: ignore[method-assign]
    assert bench.source.read() == (None, 7)
    assert bench.watch.troubles == {}


def test_watch_wants_every_frame_until_somebody_knows_better():
    watch = CameraWatch()
    assert watch.wants(5)
    watch.wanted = lambda captured_ns: captured_ns > 10
    assert (watch.wants(5), watch.wants(15)) == (False, True)
