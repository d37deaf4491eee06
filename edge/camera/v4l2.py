"""USB and other Video4Linux cameras, through OpenCV."""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from edge.camera.capture import open_capture, to_rgb
from edge.camera.live import Picture, capture_time
from edge.clock import NS, Clock
from edge.config import CameraConfig
from edge.errors import CameraError, FrameError

log = logging.getLogger(__name__)

_GONE_AFTER_S = 5.0  # reads that fail for so long mean that the device is gone, whatever the driver says
_RETRY_S = 0.05
# USB 2 carries about 24 MB/s of video. Above, only compressed pictures fit; below, raw ones cost less to decode.
_RAW_BYTES_PER_S = 20_000_000


class V4l2Source:
    """One `/dev/video*` device.

    Args:
        config: `device`, `width`, `height`, `fps`; the driver may give others, which is logged.
        clock: whose monotonic time frames carry where the driver's stamps are not usable.
        wanted: whether a frame taken at that nanosecond is to be decoded; None for all.

    Raises:
        CameraError: missing, not permitted, busy, or without pictures; says what to do.
    """

    def __init__(self, config: CameraConfig, clock: Clock, wanted: Callable[[int], bool] | None = None) -> None:
        self.name = config.device
        self._clock = clock
        self._wanted = wanted
        _check_device(config.device)
        self._capture = open_capture(config.device, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise CameraError(
                f"{self.name}: cannot be opened as a camera; another program may use it (`fuser -v {self.name}`), "
                "or it is a node without pictures: try the next /dev/video"
            )
        self._configure(config)
        self._seen_ns = time.monotonic_ns()
        if not self._capture.grab():
            self._capture.release()
            raise CameraError(
                f"{self.name}: opens but gives no picture; another program may use it (`fuser -v {self.name}`), "
                "or it is a node without pictures: try the next /dev/video"
            )

    def read(self) -> Picture | None:
        """See `Source.read`."""
        if not self._capture.grab():
            self._miss()
            return None
        now_ns = self._clock.monotonic_ns()
        stamp_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        captured_ns = capture_time(round(stamp_ms * 1e6) if np.isfinite(stamp_ms) else 0, now_ns)
        if self._wanted is not None and not self._wanted(captured_ns):
            self._seen_ns = time.monotonic_ns()
            return Picture(None, captured_ns)
        good, pixels = self._capture.retrieve()
        self._seen_ns = time.monotonic_ns()
        if not good or pixels is None or pixels.ndim != 3:
            raise FrameError(f"{self.name}: a frame could not be decoded")
        return Picture(to_rgb(pixels), captured_ns)

    def close(self) -> None:
        """See `Source.close`."""
        self._capture.release()

    def _miss(self) -> None:
        if not Path(self.name).exists():
            raise CameraError(f"{self.name}: the camera is gone; was it unplugged?")
        if time.monotonic_ns() - self._seen_ns > _GONE_AFTER_S * NS:
            raise CameraError(f"{self.name}: gave no frame for {_GONE_AFTER_S:g} s; check its cable and its power")
        time.sleep(_RETRY_S)

    def _configure(self, config: CameraConfig) -> None:
        raw = 2 * config.width * config.height * config.fps <= _RAW_BYTES_PER_S
        for fourcc in ("YUYV", "MJPG") if raw else ("MJPG",):
            # The pixel format first: sizes and rates depend on it. One buffer: no frame must grow old in a queue.
            self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc))
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
            self._capture.set(cv2.CAP_PROP_FPS, config.fps)
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
            height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
            fps = self._capture.get(cv2.CAP_PROP_FPS)
            as_asked = (width, height) == (config.width, config.height) and not 0 < fps < 0.9 * config.fps
            if as_asked:
                return
        log.warning(
            "%s: asked for %dx%d at %g fps, the driver gives %dx%d at %g",
            self.name, config.width, config.height, config.fps, width, height, fps,
        )  # fmt: skip


def _check_device(name: str) -> None:
    """What can be said before OpenCV tries, since it does not say why it failed."""
    try:
        if not stat.S_ISCHR(Path(name).stat().st_mode):
            raise CameraError(f"{name}: not a camera device; set camera.device, for instance to /dev/video0")
        os.close(os.open(name, os.O_RDWR | os.O_NONBLOCK))
    except FileNotFoundError:
        raise CameraError(
            f"{name}: no such device; plug the camera in, or set camera.device to one that /dev/video* lists"
        ) from None
    except PermissionError:
        raise CameraError(
            f"{name}: permission denied; add this user to the group video (`sudo usermod -aG video USER`), log in anew"
        ) from None
    except CameraError:
        raise
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise CameraError(f"{name}: busy; find who uses it with `fuser -v {name}`") from None
        raise CameraError(f"{name}: cannot be opened ({error.strerror}); check camera.device") from error
