"""Raspberry Pi cameras (CSI), through picamera2, which exists only on those boards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from edge.camera.live import capture_time
from edge.clock import Clock
from edge.config import CameraConfig
from edge.errors import CameraError, FrameError, one_line
from edge.values import UInt8Array

# libcamera names formats as DRM does, from the highest byte down, so the array's order is the reverse of the name:
# "BGR888" lies as R, G, B in memory. See raspberrypi/picamera2, JpegEncoder.FORMAT_TABLE, and its issue 848
# (read November 2026).
_RGB_IN_MEMORY = {"BGR888": (0, 1, 2), "RGB888": (2, 1, 0), "XBGR8888": (0, 1, 2), "XRGB8888": (2, 1, 0)}
_WANTED_FORMAT = "BGR888"
_WAIT_S = 1.0
_BUFFERS = 4


class PicameraSource:
    """The first camera that libcamera lists. A `Source`.

    Args:
        config: `width`, `height`, `fps`.
        clock: whose monotonic time frames carry where the sensor's stamps are not usable.

    Raises:
        CameraError: picamera2 is not installed, no camera is connected, or it is in use.
    """

    def __init__(self, config: CameraConfig, clock: Clock) -> None:
        self._clock = clock
        self._job: Any = None
        self._request: Any = None
        self._camera = _open()
        try:
            with _errors("cannot start the camera", "check camera.width, height and fps"):
                self._order = self._start(config)
        except CameraError:
            self._camera.close()
            raise

    def _start(self, config: CameraConfig) -> tuple[int, int, int]:
        frame_us = round(1e6 / config.fps)
        self._camera.configure(
            self._camera.create_video_configuration(
                main={"size": (config.width, config.height), "format": _WANTED_FORMAT},
                controls={"FrameDurationLimits": (frame_us, frame_us)},
                buffer_count=_BUFFERS,
            )
        )
        given = self._camera.camera_configuration()["main"]["format"]
        if given not in _RGB_IN_MEMORY:
            raise CameraError(f"picamera2: gives {given} pictures, which are not supported", "update picamera2")
        self._camera.start()
        return _RGB_IN_MEMORY[given]

    def grab(self) -> int | None:
        self._give_back()
        with _errors("the camera stopped", "check its ribbon cable"):
            # The job is kept when the wait times out: with a new one, the old request would never be released.
            if self._job is None:
                self._job = self._camera.capture_request(wait=False)
            try:
                self._request = self._job.get_result(timeout=_WAIT_S)
            except TimeoutError:
                return None
            self._job = None
            stamp_ns = int(self._request.get_metadata().get("SensorTimestamp", 0))
        return capture_time(stamp_ns, self._clock.monotonic_ns())

    def read(self) -> UInt8Array:
        try:
            array = self._request.make_array("main")
        except Exception as error:  # as in `_errors`
            raise FrameError(f"picamera2: a frame could not be read ({one_line(str(error))})") from error
        finally:
            self._give_back()
        if array.ndim != 3 or array.dtype != np.uint8:
            raise FrameError(f"picamera2: a frame came as {array.dtype} {array.shape}")
        return np.ascontiguousarray(array[:, :, self._order])

    def close(self) -> None:
        self._give_back()
        self._camera.stop()
        self._camera.close()

    def _give_back(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.release()


def _open() -> Any:
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")  # it writes to stderr by itself
    package = "on Raspberry Pi OS `sudo apt install python3-picamera2`, in a virtual environment --system-site-packages"
    with _errors("not importable", f"{package}; or use camera.backend 'v4l2'"):
        module = import_module("picamera2")
    with _errors("cannot open the camera", "another program may use it"):
        if not module.Picamera2.global_camera_info():
            raise CameraError("picamera2: no camera found", "check its cable, then `rpicam-hello --list-cameras`")
        return module.Picamera2()


@contextmanager
def _errors(what: str, fix: str) -> Iterator[None]:
    """Turns picamera2's errors, of any type, into a `CameraError`."""
    try:
        yield
    except CameraError:
        raise
    except Exception as error:
        raise CameraError(f"picamera2: {what} ({one_line(str(error)) or type(error).__name__})", fix) from error
