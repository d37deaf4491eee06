"""V4L2 cameras: what is said about a device that cannot be had, the mode that is chosen, and what becomes of a buffer.

`test_stand_in.py` drives the same code through the interface of the kernel.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.camera import v4l2, v4l2_ioctl
from edge.camera.v4l2 import V4l2Source
from edge.camera.v4l2_ioctl import Mode
from edge.clock import FileClock
from edge.config import CameraConfig
from edge.errors import CameraError, FrameError

WIDTH, HEIGHT = 32, 16
RED = np.full((HEIGHT, WIDTH, 3), (200, 0, 0), np.uint8)


class FakeDevice:
    """A device that does what a driver may do; `script` says how each wait ends: `.` a frame, `x` none, `!` gone."""

    def __init__(self, modes: dict[str, Mode] | None = None, *, script: str = "", buffer: bytes = b"") -> None:
        self.modes = modes or {}
        self.script = list(script)
        self.buffer = buffer
        self.stamp_ns = 0
        self.asked: list[tuple[str, int, int, float]] = []
        self.closed = False

    def captures(self) -> bool:
        return True

    def set_mode(self, fourcc: str, width: int, height: int, fps: float) -> Mode:
        self.asked.append((fourcc, width, height, fps))
        return self.modes.get(fourcc, Mode(fourcc, width, height, 0, fps))

    def start(self) -> None:
        pass

    def wait(self, timeout_s: float) -> bool:
        step = self.script.pop(0) if self.script else "."
        if step == "!":
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return step == "."

    def read(self) -> bytes:
        return self.buffer

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A character device that may be unplugged."""
    link = tmp_path / "video0"
    link.symlink_to("/dev/null")
    return str(link)


@pytest.fixture
def opened(path, monkeypatch):
    def with_device(device: FakeDevice, **options) -> V4l2Source:
        monkeypatch.setattr(v4l2, "VideoDevice", lambda name: device)
        return V4l2Source(CameraConfig(device=path, **options), FileClock(now_ns=10_000_000_000))

    return with_device


def refused(path: str) -> str:
    with pytest.raises(CameraError) as caught:
        V4l2Source(CameraConfig(device=path), FileClock())
    message = str(caught.value)
    assert message.startswith(path)
    assert "\n" not in message
    return message


def test_a_missing_device_is_named(tmp_path):
    assert "no such device" in refused(str(tmp_path / "video7"))


def test_a_file_is_not_a_device(tmp_path):
    (tmp_path / "video0").write_text("")
    assert "not a camera device" in refused(str(tmp_path / "video0"))


def test_a_device_that_is_no_camera_is_refused_and_let_go(capfd):
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert "cannot be opened as a camera" in refused("/dev/null")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert capfd.readouterr() == ("", "")


def test_a_node_without_pictures_is_told_from_a_camera(path, monkeypatch):
    device = FakeDevice()
    device.captures = lambda: False  # type: ignore[method-assign]
    monkeypatch.setattr(v4l2, "VideoDevice", lambda name: device)
    assert "try the next /dev/video" in refused(path)
    assert device.closed


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.EACCES, "group video"), (errno.EBUSY, "fuser -v"), (errno.ENXIO, "camera.device")]
)
def test_the_reason_why_it_cannot_be_opened_is_told(path, monkeypatch, number, advice):
    def fail(path, flags):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(v4l2_ioctl.os, "open", fail)
    assert advice in refused(path)


def test_a_device_in_use_is_refused_and_let_go(path, opened):
    device = FakeDevice()

    def busy(*_: object) -> Mode:
        raise OSError(errno.EBUSY, "Device or resource busy")

    device.set_mode = busy  # type: ignore[method-assign]
    with pytest.raises(CameraError, match="fuser -v"):
        opened(device)
    assert device.closed


def test_a_device_that_opens_but_gives_nothing_is_refused_and_let_go(opened, monkeypatch):
    monkeypatch.setattr(v4l2, "_START_S", -1.0)
    device = FakeDevice(script="x")
    with pytest.raises(CameraError, match="gives no picture"):
        opened(device)
    assert device.closed


def test_a_slow_first_picture_is_waited_for(opened):
    opened(FakeDevice(script="xxx."))


@pytest.mark.parametrize(("width", "height", "name"), [(640, 480, "YUYV"), (1280, 720, "MJPG")])
def test_compressed_pictures_are_asked_for_where_raw_ones_do_not_fit_usb_2(opened, width, height, name):
    device = FakeDevice()
    opened(device, width=width, height=height, fps=30.0)
    assert device.asked == [(name, width, height, 30.0)]


def test_compressed_pictures_are_tried_where_raw_ones_come_too_slowly(opened, caplog):
    device = FakeDevice({"YUYV": Mode("YUYV", 640, 480, 1280, 15.0)})
    opened(device)
    assert [asked[0] for asked in device.asked] == ["YUYV", "MJPG"]
    assert caplog.text == ""


def test_another_size_than_asked_for_is_logged(opened, caplog):
    larger = Mode("MJPG", 1280, 720, 0, 30.0)
    opened(FakeDevice({"YUYV": larger, "MJPG": larger}))
    assert "gives 1280x720" in caplog.text


def test_a_pixel_format_that_nobody_knows_is_refused(opened):
    odd = Mode("pBAA", 640, 480, 0, 30.0)
    with pytest.raises(CameraError, match="'pBAA', which is not supported"):
        opened(FakeDevice({"YUYV": odd, "MJPG": odd}))


def test_frames_are_stamped_by_the_driver_where_its_clock_is_ours(opened):
    device = FakeDevice()
    source = opened(device)
    device.stamp_ns = 9_950_000_000
    assert source.grab() == 9_950_000_000
    device.stamp_ns = 5_000_000
    assert source.grab() == 10_000_000_000


def as_format(fourcc: str, picture: np.ndarray) -> bytes:
    """A picture in RGB as a camera gives it."""
    if fourcc in ("MJPG", "JPEG"):
        return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    planar = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
    luma, chroma = planar[:HEIGHT], planar[HEIGHT:].reshape(2, -1)
    return {
        "YUYV": lambda: cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_YUYV),
        "UYVY": lambda: cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_UYVY),
        "YU12": lambda: planar,
        "YV12": lambda: np.concatenate([luma.ravel(), chroma[1], chroma[0]]),
        "NV12": lambda: np.concatenate([luma.ravel(), np.stack([chroma[0], chroma[1]], 1).ravel()]),
        "NV21": lambda: np.concatenate([luma.ravel(), np.stack([chroma[1], chroma[0]], 1).ravel()]),
        "RGB3": lambda: picture,
        "BGR3": lambda: picture[..., ::-1],
        "GREY": lambda: grey,
        "Y16 ": lambda: grey.astype("<u2") * 256 + 77,
    }[fourcc]().tobytes()


def source_of(opened, fourcc: str, buffer: bytes, stride: int = 0) -> V4l2Source:
    mode = Mode(fourcc, WIDTH, HEIGHT, stride, 30.0)
    source = opened(FakeDevice({"YUYV": mode, "MJPG": mode}, buffer=buffer), width=64, height=64)
    assert source.grab() is not None
    return source


@pytest.mark.parametrize("fourcc", [*v4l2._RAW, *v4l2._COMPRESSED])
def test_pixels_are_rgb_whatever_the_format(opened, fourcc):
    pixels = source_of(opened, fourcc, as_format(fourcc, RED)).read()
    assert (pixels.shape, pixels.dtype) == (RED.shape, np.uint8)
    expected = (60, 60, 60) if fourcc in ("GREY", "Y16 ") else (200, 0, 0)
    assert np.abs(pixels.astype(int) - expected).max() <= 12


@pytest.mark.parametrize("fourcc", [*v4l2._RAW, *v4l2._COMPRESSED])
@pytest.mark.parametrize("share", [0.0, 0.33, 0.5, 0.99])
def test_an_empty_or_cut_buffer_is_a_damaged_frame(opened, fourcc, share):
    whole = as_format(fourcc, np.random.default_rng(1).integers(0, 255, RED.shape, np.uint8))
    source = source_of(opened, fourcc, whole[: int(len(whole) * share)])
    with pytest.raises(FrameError):
        source.read()


def test_rows_may_be_padded(opened):
    rows = np.frombuffer(as_format("YUYV", RED), np.uint8).reshape(HEIGHT, -1)
    padded = np.pad(rows, ((0, 0), (0, 16))).tobytes()
    for buffer in (padded, padded[:-16]):
        assert np.abs(source_of(opened, "YUYV", buffer, stride=2 * WIDTH + 16).read().astype(int) - RED).max() <= 12


def jpeg() -> bytes:
    picture = np.random.default_rng(2).integers(0, 255, (120, 160, 3), np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2] + b"\xff\xd9",
        lambda data: data[: len(data) // 2] + bytes(len(data) // 2),
        lambda data: data[: len(data) // 2] + data[len(data) * 3 // 4 :],
        lambda data: data[:300],
        lambda data: bytes(len(data)),
        lambda data: b"\xff\xd8" + b"\xff\xda" + b"\xff\xd9",
    ],
    ids=["cut and ended", "rest of it zeros", "a hole", "header only", "zeros", "markers only"],
)
def test_a_damaged_jpeg_is_a_damaged_frame_and_says_nothing(opened, spoil, capfd):
    with pytest.raises(FrameError):
        source_of(opened, "MJPG", spoil(jpeg())).read()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("spoil", [lambda data: data + bytes(500), lambda data: data[:-2] + b"ab\xff\xd9"])
def test_a_jpeg_with_bytes_too_many_is_a_good_frame(opened, spoil, capfd):
    assert source_of(opened, "MJPG", spoil(jpeg())).read().shape == (120, 160, 3)
    assert capfd.readouterr() == ("", "")


def test_nothing_for_now_is_no_frame_and_no_error(opened):
    source = opened(FakeDevice(script=".x."))
    assert source.grab() is None
    assert source.grab() is not None


def test_a_camera_that_is_unplugged_is_gone(opened, path):
    source = opened(FakeDevice(script=".!"))
    with pytest.raises(CameraError, match="is gone"):
        source.grab()
    source = opened(FakeDevice(script=".x"))
    Path(path).unlink()
    with pytest.raises(CameraError, match="is gone"):
        source.grab()


def test_a_jpeg_without_huffman_tables_is_a_good_frame(opened, capfd):
    """Many USB cameras leave out the usual ones, as the AVI format allows."""
    data, kept, at = jpeg(), b"\xff\xd8", 2
    while data[at + 1] != 0xDA:  # segments up to the start of the scan
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        kept += b"" if data[at + 1] == 0xC4 else data[at:end]
        at = end
    assert len(kept) < at
    pixels = source_of(opened, "MJPG", kept + data[at:]).read()
    assert np.array_equal(pixels, source_of(opened, "MJPG", data).read())
    assert capfd.readouterr() == ("", "")
