from __future__ import annotations

import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.camera import v4l2
from edge.camera.live import LiveCamera
from edge.camera.v4l2 import V4l2Source
from edge.clock import FileClock
from edge.config import CameraConfig
from edge.errors import CameraError, FrameError


class FakeCapture:
    """A capture that does what a driver may do; `script` says how each `grab` ends."""

    def __init__(self, *, opened: bool = True, script: str = "", gives: dict[int, float] | None = None) -> None:
        self.opened = opened
        self.script = list(script)
        self.asked: dict[int, float] = {}
        self.gives = gives or {}
        self.released = False
        self.grabbed = "."

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.opened

    def set(self, key: int, value: float) -> bool:
        self.asked[key] = value
        return True

    def get(self, key: int) -> float:
        return self.gives.get(key, self.asked.get(key, 0.0))

    def grab(self) -> bool:
        self.grabbed = self.script.pop(0) if self.script else "."
        return self.grabbed != "x"

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        if self.grabbed == "d":
            return False, None
        picture = np.zeros((8, 8, 3), np.uint8)
        picture[..., 2] = 200  # red, in OpenCV's BGR
        return True, picture

    def release(self) -> None:
        self.released = True


@pytest.fixture
def device(tmp_path: Path) -> str:
    """A character device that may be unplugged."""
    link = tmp_path / "video0"
    link.symlink_to("/dev/null")
    return str(link)


@pytest.fixture
def opened(device, monkeypatch):
    def with_capture(capture: FakeCapture, **options) -> V4l2Source:
        monkeypatch.setattr(v4l2, "open_capture", lambda *arguments: capture)
        monkeypatch.setattr(v4l2, "_RETRY_S", 0.001)
        return V4l2Source(CameraConfig(device=device, **options), FileClock(now_ns=10_000_000_000))

    return with_capture


def refused(device: str) -> str:
    with pytest.raises(CameraError) as caught:
        V4l2Source(CameraConfig(device=device), FileClock())
    message = str(caught.value)
    assert message.startswith(device)
    assert "\n" not in message
    return message


def test_a_missing_device_is_named(tmp_path):
    assert "no such device" in refused(str(tmp_path / "video7"))


def test_a_file_is_not_a_device(tmp_path):
    (tmp_path / "video0").write_text("")
    assert "not a camera device" in refused(str(tmp_path / "video0"))


def test_a_device_without_pictures_is_refused(capfd):
    # The real OpenCV on a real character device that is no camera; it must also keep quiet.
    assert "cannot be opened as a camera" in refused("/dev/null")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.EACCES, "group video"), (errno.EBUSY, "fuser -v"), (errno.ENXIO, "camera.device")]
)
def test_the_reason_why_it_cannot_be_opened_is_told(device, monkeypatch, number, advice):
    def fail(path, flags):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(v4l2.os, "open", fail)
    assert advice in refused(device)


def test_a_device_that_opens_but_gives_nothing_is_refused_and_released(opened):
    capture = FakeCapture(script="x")
    with pytest.raises(CameraError, match="gives no picture"):
        opened(capture)
    assert capture.released


def test_size_rate_and_one_buffer_are_asked_for(opened):
    capture = FakeCapture()
    opened(capture, width=320, height=240, fps=15.0)
    assert capture.asked[cv2.CAP_PROP_FRAME_WIDTH] == 320
    assert capture.asked[cv2.CAP_PROP_FRAME_HEIGHT] == 240
    assert capture.asked[cv2.CAP_PROP_FPS] == 15
    assert capture.asked[cv2.CAP_PROP_BUFFERSIZE] == 1


@pytest.mark.parametrize(("width", "height", "name"), [(640, 480, "YUYV"), (1280, 720, "MJPG")])
def test_compressed_pictures_are_asked_for_where_raw_ones_do_not_fit_usb_2(opened, width, height, name):
    capture = FakeCapture()
    opened(capture, width=width, height=height)
    assert capture.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*name)


def test_compressed_pictures_are_tried_where_raw_ones_come_too_slowly(opened, caplog):
    class SlowWhenRaw(FakeCapture):
        def get(self, key: int) -> float:
            raw = self.asked.get(cv2.CAP_PROP_FOURCC) == cv2.VideoWriter.fourcc(*"YUYV")
            return 15.0 if key == cv2.CAP_PROP_FPS and raw else super().get(key)

    capture = SlowWhenRaw()
    opened(capture)
    assert capture.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert caplog.text == ""


def test_another_size_than_asked_for_is_logged(opened, caplog):
    opened(FakeCapture(gives={cv2.CAP_PROP_FRAME_WIDTH: 1280, cv2.CAP_PROP_FRAME_HEIGHT: 720}))
    assert "gives 1280x720" in caplog.text
    caplog.clear()
    opened(FakeCapture())
    assert caplog.text == ""


def test_pixels_are_rgb_and_stamped_by_the_driver(opened):
    source = opened(FakeCapture(gives={cv2.CAP_PROP_POS_MSEC: 9_950.0}))
    picture = source.read()
    assert picture is not None
    assert picture.pixels[0, 0].tolist() == [200, 0, 0]
    assert picture.captured_ns == 9_950_000_000


def test_a_stamp_of_another_clock_is_not_believed(opened):
    picture = opened(FakeCapture(gives={cv2.CAP_PROP_POS_MSEC: 5.0})).read()
    assert picture is not None
    assert picture.captured_ns == 10_000_000_000


def test_a_frame_that_nobody_wants_is_not_decoded(opened):
    source = opened(FakeCapture(script=".dd", gives={cv2.CAP_PROP_POS_MSEC: 9_950.0}))
    asked = []
    source._wanted = lambda captured_ns: asked.append(captured_ns) or len(asked) == 3
    assert [source.read() for _ in range(2)] == 2 * [(None, 9_950_000_000)]  # which could not have been decoded
    assert source.read().pixels is not None
    assert asked == 3 * [9_950_000_000]


def test_a_frame_that_cannot_be_decoded_is_counted_and_skipped(opened):
    source = opened(FakeCapture(script=".d"))
    with pytest.raises(FrameError):
        source.read()
    assert source.read() is not None


def test_a_short_hiccup_is_waited_out(opened):
    source = opened(FakeCapture(script=".xx."))
    assert (source.read(), source.read()) == (None, None)
    assert source.read() is not None


def test_a_camera_unplugged_mid_run_ends_with_an_error_that_names_it(opened, device):
    with LiveCamera(opened(FakeCapture(script="...." + "x" * 10_000))) as camera:
        frames = camera.frames()
        next(frames)
        Path(device).unlink()
        with pytest.raises(CameraError, match="is gone") as caught:
            list(frames)
        assert device in str(caught.value)
        assert camera.ended


def test_a_camera_that_only_fails_ends_with_an_error(opened, device, monkeypatch):
    monkeypatch.setattr(v4l2, "_GONE_AFTER_S", 0.05)
    capture = FakeCapture(script="." + "x" * 10_000)
    with LiveCamera(opened(capture)) as camera, pytest.raises(CameraError, match="gave no frame"):
        list(camera.frames())
    assert capture.released
