from __future__ import annotations

import queue
import threading
import time

import numpy as np
import pytest

from edge.camera.live import LiveCamera, Picture, capture_time
from edge.errors import CameraError, FrameError

PATIENCE_S = 5.0


class FakeSource:
    """Hands out what a test puts in: a time, an error to raise, or `hang` to block on."""

    name = "/dev/fake"

    def __init__(self, *items: int | Exception) -> None:
        self.items: queue.Queue[int | Exception] = queue.Queue()
        for item in items:
            self.items.put(item)
        self.closed = threading.Event()
        self.closed_by: str | None = None

    def read(self) -> Picture | None:
        try:
            item = self.items.get(timeout=0.01)
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise item
        return Picture(np.full((4, 4, 3), item % 256, np.uint8), item)

    def close(self) -> None:
        self.closed_by = threading.current_thread().name
        self.closed.set()


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.002)


def test_the_newest_frame_wins_and_losses_are_counted():
    source = FakeSource(10)
    with LiveCamera(source) as camera:
        frames = camera.frames()
        assert next(frames).index == 0
        for stamp in (20, 30, 40, 50):
            source.items.put(stamp)
        until(lambda: camera.dropped == 3)
        frame = next(frames)
        assert (frame.index, frame.captured_ns, int(frame.pixels[0, 0, 0])) == (4, 50, 50)


def test_a_reader_that_keeps_up_loses_nothing():
    source = FakeSource(1)
    with LiveCamera(source) as camera:
        frames = camera.frames()
        for stamp in range(1, 20):
            assert next(frames).captured_ns == stamp
            source.items.put(stamp + 1)
        assert camera.dropped == 0


def test_nothing_is_captured_before_frames_are_asked_for():
    source = FakeSource(1, 2, 3)
    with LiveCamera(source) as camera:
        time.sleep(0.05)
        assert source.items.qsize() == 3
        assert (camera.dropped, camera.ended) == (0, False)
    assert source.closed.is_set()


def test_unusable_frames_are_counted_and_leave_a_gap():
    source = FakeSource(FrameError("bad"), FrameError("bad"), 7)
    with LiveCamera(source) as camera:
        assert next(camera.frames()).index == 2
        assert camera.failed == 2


def test_a_source_s_error_reaches_the_reader_after_the_last_frame():
    source = FakeSource(1)
    with LiveCamera(source) as camera:
        frames = camera.frames()
        next(frames)
        source.items.put(2)
        source.items.put(CameraError("/dev/fake: gone"))
        assert source.closed.wait(PATIENCE_S)
        assert not camera.ended
        assert next(frames).captured_ns == 2
        assert camera.ended
        with pytest.raises(CameraError, match="gone"):
            next(frames)
        with pytest.raises(CameraError, match="gone"):
            next(camera.frames())


def test_a_defect_of_ours_in_the_thread_is_not_swallowed():
    with LiveCamera(FakeSource(ZeroDivisionError("ours"))) as camera, pytest.raises(ZeroDivisionError):
        next(camera.frames())


def test_a_stalled_source_is_an_error_that_names_it():
    with LiveCamera(FakeSource(), stall_s=0.1) as camera, pytest.raises(CameraError, match=r"/dev/fake: no frame for"):
        next(camera.frames())


def test_closing_joins_the_thread_which_closes_the_source():
    source = FakeSource(1)
    camera = LiveCamera(source)
    frames = camera.frames()
    next(frames)
    camera.close()
    assert source.closed_by == "capture /dev/fake"
    assert "capture /dev/fake" not in [thread.name for thread in threading.enumerate()]
    assert list(frames) == []
    assert camera.ended
    camera.close()


def test_closing_does_not_wait_for_a_driver_that_hangs(monkeypatch):
    monkeypatch.setattr("edge.camera.live._JOIN_S", 0.1)
    source, release = FakeSource(), threading.Event()
    source.read = lambda: release.wait(PATIENCE_S)  # type: ignore[method-assign,assignment,return-value]
    camera = LiveCamera(source, stall_s=0.05)
    with pytest.raises(CameraError):
        next(camera.frames())
    begun = time.monotonic()
    camera.close()
    assert time.monotonic() - begun < 2
    assert not source.closed.is_set()
    monkeypatch.setattr(source, "read", lambda: None)
    release.set()
    assert source.closed.wait(PATIENCE_S)


def test_another_thread_may_end_the_wait():
    camera = LiveCamera(FakeSource(), stall_s=PATIENCE_S)
    threading.Timer(0.05, camera.close).start()
    assert list(camera.frames()) == []


def test_time_moves_on_where_stamps_do_not():
    source = FakeSource(5)
    with LiveCamera(source) as camera:
        frames = camera.frames()
        first = next(frames).captured_ns
        source.items.put(5)
        assert next(frames).captured_ns > first


@pytest.mark.parametrize(
    ("stamp_ns", "expected"),
    [(99_900_000_000, 99_900_000_000), (0, 100_000_000_000), (98_000_000_000, 100_000_000_000),
     (100_000_000_001, 100_000_000_000)],
)  # fmt: skip
def test_only_plausible_stamps_are_believed(stamp_ns, expected):
    assert capture_time(stamp_ns, 100_000_000_000) == expected


def test_frame_that_was_not_decoded_is_passed_over_and_leaves_a_gap():
    class Sparing(FakeSource):
        def read(self) -> Picture | None:
            picture = super().read()
            return picture._replace(pixels=None) if picture and picture.captured_ns in (20, 30) else picture

    source = Sparing(10)
    with LiveCamera(source) as camera:
        frames = camera.frames()
        next(frames)
        for stamp in (20, 30, 40):
            source.items.put(stamp)
        frame = next(frames)
        assert (frame.index, frame.captured_ns, camera.dropped, camera.failed) == (3, 40, 0, 0)
