"""USB and other Video4Linux cameras."""

from __future__ import annotations

import errno
import logging
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from edge.camera.live import capture_time
from edge.camera.v4l2_ioctl import Mode, VideoDevice
from edge.clock import Clock
from edge.config import CameraConfig
from edge.errors import CameraError, FrameError
from edge.stderr import native_stderr
from edge.values import UInt8Array

log = logging.getLogger(__name__)

_WAIT_S = 1.0
_START_S = 10.0  # a camera may take seconds for its first picture
# USB 2 carries about 24 MB/s of video. More needs compressed pictures; raw ones cost less to decode.
_RAW_BYTES_PER_S = 20_000_000
# Uncompressed formats: bytes a pixel in a row, rows in the buffer for one of the picture, OpenCV's conversion.
_RAW = {
    "YUYV": (2, 1.0, cv2.COLOR_YUV2RGB_YUYV),
    "UYVY": (2, 1.0, cv2.COLOR_YUV2RGB_UYVY),
    "NV12": (1, 1.5, cv2.COLOR_YUV2RGB_NV12),
    "NV21": (1, 1.5, cv2.COLOR_YUV2RGB_NV21),
    "YU12": (1, 1.5, cv2.COLOR_YUV2RGB_I420),
    "YV12": (1, 1.5, cv2.COLOR_YUV2RGB_YV12),
    "BGR3": (3, 1.0, cv2.COLOR_BGR2RGB),
    "RGB3": (3, 1.0, None),
    "GREY": (1, 1.0, cv2.COLOR_GRAY2RGB),
    "Y16 ": (2, 1.0, None),  # see `_decode`
}
_COMPRESSED = ("MJPG", "JPEG")
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
# libjpeg fills what it misses with grey, and warns. A few bytes too many before the end are normal.
_DAMAGE = re.compile(r"Corrupt JPEG data: (?!\d{1,2} extraneous)|Premature end")


class V4l2Source:
    """One `/dev/video*` device. A `Source`.

    Args:
        config: `device`, `width`, `height`, `fps`; the driver may give others, which is logged.
        clock: whose monotonic time frames carry where the driver's stamps are not usable.

    Raises:
        CameraError: missing, not permitted, busy, or without pictures; says what to do.
    """

    def __init__(self, config: CameraConfig, clock: Clock) -> None:
        self._name, self._clock = config.device, clock
        with _errors(self._name):
            if not stat.S_ISCHR(Path(self._name).stat().st_mode):
                raise CameraError(f"{self._name}: not a camera device", "set camera.device, for instance /dev/video0")
            self._device = VideoDevice(self._name)
            try:
                self._mode = self._start(config)
            except OSError:  # also a CameraError
                self._device.close()
                raise

    def grab(self) -> int | None:
        try:
            came = self._device.wait(_WAIT_S)
        except OSError as error:
            raise CameraError(f"{self._name}: the camera is gone ({error.strerror}); was it unplugged?") from error
        if came:
            return capture_time(self._device.stamp_ns, self._clock.monotonic_ns())
        if not Path(self._name).exists():
            raise CameraError(f"{self._name}: the camera is gone; was it unplugged?")
        return None

    def read(self) -> UInt8Array:
        try:
            pixels = _decode(self._device.read(), self._mode)
        except cv2.error as error:
            raise FrameError(f"{self._name}: a frame could not be decoded") from error
        if pixels is None:
            raise FrameError(f"{self._name}: a frame came damaged")
        return pixels

    def close(self) -> None:
        self._device.close()

    def _start(self, config: CameraConfig) -> Mode:
        """Starts in the mode nearest to the configured one, and waits for the first picture."""
        if not self._device.captures():
            raise CameraError(f"{self._name}: a node without pictures", "try the next /dev/video")
        size = (config.width, config.height)
        raw = 2 * config.width * config.height * config.fps <= _RAW_BYTES_PER_S
        for fourcc in ("YUYV", "MJPG") if raw else ("MJPG",):
            mode = self._device.set_mode(fourcc, *size, config.fps)
            if (mode.width, mode.height) == size and not 0 < mode.fps < 0.9 * config.fps:
                break
        else:
            log.warning(
                "%s: asked for %dx%d at %g fps, the driver gives %dx%d at %g",
                self._name, *size, config.fps, mode.width, mode.height, mode.fps,
            )  # fmt: skip
        if mode.fourcc not in (*_RAW, *_COMPRESSED):
            raise CameraError(f"{self._name}: gives pictures as {mode.fourcc!r}, which is not supported")
        self._device.start()
        deadline_s = time.monotonic() + _START_S
        while not self._device.wait(_WAIT_S):
            if time.monotonic() > deadline_s:
                raise CameraError(f"{self._name}: opens but gives no picture", "check its cable and its power")
        return mode


def _decode(data: bytes, mode: Mode) -> UInt8Array | None:
    """A buffer as RGB; None if it is empty, cut or damaged."""
    if mode.fourcc in _COMPRESSED:
        if data.rfind(_END_OF_IMAGE) <= data.find(_START_OF_SCAN):
            return None
        with native_stderr() as native:
            decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None or _DAMAGE.search(native.text):
            return None
        return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
    depth, rows, conversion = _RAW[mode.fourcc]
    width, height = mode.width * depth, int(mode.height * rows)
    stride = max(mode.stride, width) if rows == 1 else width
    if len(data) < stride * (height - 1) + width:
        return None
    lines = np.frombuffer(data.ljust(stride * height, b"\0"), np.uint8)[: stride * height].reshape(height, stride)
    picture = np.ascontiguousarray(lines[:, :width]).reshape(height, -1, depth)
    if mode.fourcc == "Y16 ":
        picture, conversion = np.ascontiguousarray(picture[:, :, 1:]), cv2.COLOR_GRAY2RGB  # the upper byte
    return picture if conversion is None else np.asarray(cv2.cvtColor(picture, conversion), np.uint8)


@contextmanager
def _errors(name: str) -> Iterator[None]:
    """Turns the system's errors into a `CameraError` with a fix."""
    try:
        yield
    except CameraError:
        raise
    except OSError as error:
        said, fix = {
            errno.ENOENT: ("no such device", "plug the camera in, or set camera.device to one that /dev/video* lists"),
            errno.EACCES: ("permission denied", "`sudo usermod -aG video USER` (the group video), then log in anew"),
            errno.EBUSY: ("busy", f"find who uses it with `fuser -v {name}`"),
            errno.ENOTTY: ("cannot be opened as a camera", "set camera.device; `v4l2-ctl --list-devices` names them"),
        }.get(error.errno or 0, (f"cannot be opened ({error.strerror})", "check camera.device"))
        raise CameraError(f"{name}: {said}", fix) from error
