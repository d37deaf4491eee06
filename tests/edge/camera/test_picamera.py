from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from edge.camera.picamera import PicameraSource
from edge.clock import FileClock
from edge.config import CameraConfig
from edge.errors import CameraError, FrameError

NOW_NS = 50_000_000_000


class FakeRequest:
    """One completed request, red all over, in the memory order that the format's name hides."""

    def __init__(self, picture_format: str, stamp_ns: int | None) -> None:
        self.released = False
        self.fail = False
        self._format = picture_format
        self._stamp_ns = stamp_ns

    def get_metadata(self) -> dict[str, int]:
        return {} if self._stamp_ns is None else {"SensorTimestamp": self._stamp_ns}

    def make_array(self, name: str) -> np.ndarray:
        assert name == "main"
        if self.fail:
            raise RuntimeError("no buffer")
        memory = {"BGR888": "RGB", "RGB888": "BGR", "XBGR8888": "RGBX", "XRGB8888": "BGRX"}[self._format]
        array = np.zeros((6, 8, len(memory)), np.uint8)
        array[..., memory.index("R")] = 210
        return array


class FakePicamera2:
    """Stands in for picamera2.Picamera2."""

    cameras: tuple[dict[str, str], ...] = ({"Model": "imx708"},)
    gives = "BGR888"
    start_error: Exception | None = None
    stamp_ns: int | None = NOW_NS - 20_000_000
    results: list[object] = []  # noqa: RUF012 - replaced by each test
    made: list[FakePicamera2] = []  # noqa: RUF012 - emptied by the fixture

    def __init__(self) -> None:
        self.closed = False
        self.jobs = 0
        self.asked: dict[str, object] = {}
        self.made.append(self)

    @classmethod
    def global_camera_info(cls) -> list[dict[str, str]]:
        return list(cls.cameras)

    def create_video_configuration(self, **asked: object) -> dict[str, object]:
        self.asked = asked
        return asked

    def configure(self, configuration: dict[str, object]) -> None:
        assert configuration is self.asked

    def camera_configuration(self) -> dict[str, dict[str, str]]:
        return {"main": {"format": self.gives}}

    def start(self) -> None:
        if self.start_error is not None:
            raise self.start_error

    def capture_request(self, *, wait: bool) -> FakePicamera2:
        assert wait is False
        self.jobs += 1
        return self

    def get_result(self, timeout: float) -> FakeRequest:
        assert 0 < timeout <= 2
        result = self.results.pop(0) if self.results else FakeRequest(self.gives, self.stamp_ns)
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, FakeRequest)
        result.release = lambda: setattr(result, "released", True)  # type: ignore[attr-defined]
        return result

    def stop(self) -> None:
        assert not self.closed

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def board(monkeypatch) -> type[FakePicamera2]:
    class Board(FakePicamera2):
        results: list[object] = []  # noqa: RUF012 - one board a test
        made: list[FakePicamera2] = []  # noqa: RUF012

    module = ModuleType("picamera2")
    module.Picamera2 = Board  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    return Board


def source(**options) -> PicameraSource:
    return PicameraSource(CameraConfig(backend="picamera2", **options), FileClock(now_ns=NOW_NS))


def test_without_picamera2_the_error_says_where_it_comes_from(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(CameraError, match="python3-picamera2") as caught:
        source()
    assert "--system-site-packages" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_size_and_rate_are_asked_for(board):
    source(width=800, height=600, fps=25.0)
    asked = board.made[0].asked
    assert asked["main"] == {"size": (800, 600), "format": "BGR888"}
    assert asked["controls"] == {"FrameDurationLimits": (40_000, 40_000)}


def test_a_frame_that_nobody_wants_is_not_copied_and_its_buffer_is_given_back(board):
    board.results = [FakeRequest("BGR888", NOW_NS - 1)]
    request = board.results[0]
    request.fail = True
    camera = source()
    assert camera.grab() == NOW_NS - 1
    assert camera.grab() == NOW_NS - 20_000_000
    assert request.released


@pytest.mark.parametrize("given", ["BGR888", "RGB888", "XBGR8888", "XRGB8888"])
def test_pixels_are_rgb_whatever_the_format_is_called(board, given):
    board.gives = given
    camera = source()
    assert camera.grab() is not None
    pixels = camera.read()
    assert pixels.shape == (6, 8, 3)
    assert pixels[0, 0].tolist() == [210, 0, 0]
    assert pixels.flags.c_contiguous


def test_an_unknown_format_is_refused_not_guessed(board):
    board.gives = "YUV420"
    with pytest.raises(CameraError, match="YUV420"):
        source()
    assert board.made[0].closed


@pytest.mark.parametrize(
    ("stamp_ns", "expected"), [(NOW_NS - 20_000_000, NOW_NS - 20_000_000), (None, NOW_NS), (NOW_NS * 3, NOW_NS)]
)
def test_frames_carry_the_sensor_s_time_where_it_is_plausible(board, stamp_ns, expected):
    board.stamp_ns = stamp_ns
    assert source().grab() == expected


def test_no_camera_on_the_board_is_told(board):
    board.cameras = ()
    with pytest.raises(CameraError, match="no camera found"):
        source()


def test_a_camera_that_does_not_start_is_closed_and_told(board):
    board.start_error = RuntimeError("Failed to start camera:\nDevice or resource busy")
    with pytest.raises(CameraError, match="busy") as caught:
        source()
    assert "\n" not in str(caught.value)
    assert board.made[0].closed


def test_a_wait_in_vain_keeps_its_job_so_that_no_buffer_is_lost(board):
    opened = source()
    board.results[:] = [TimeoutError(), TimeoutError()]
    assert (opened.grab(), opened.grab()) == (None, None)
    assert opened.grab() is not None
    assert board.made[0].jobs == 1
    assert opened.grab() is not None
    assert board.made[0].jobs == 2


def test_a_frame_that_cannot_be_read_is_skipped_and_its_buffer_returned(board):
    opened = source()
    bad = FakeRequest("BGR888", None)
    bad.fail = True
    board.results[:] = [bad]
    assert opened.grab() is not None
    with pytest.raises(FrameError):
        opened.read()
    assert bad.released
    assert opened.grab() is not None
    assert opened.read().any()


def test_a_camera_that_stops_mid_run_is_an_error(board):
    opened = source()
    board.results[:] = [RuntimeError("Camera frontend has timed out!")]
    with pytest.raises(CameraError, match="timed out"):
        opened.grab()


def test_closing_gives_the_last_buffer_back(board):
    opened = source()
    request = FakeRequest("BGR888", NOW_NS)
    board.results[:] = [request]
    opened.grab()
    opened.close()
    assert request.released
    assert board.made[0].closed
