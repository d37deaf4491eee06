"""A video file as a camera: every frame, in the file's own time, the same bytes at every run.

Owns the file's timeline and the count of its damaged frames. Refuses everything that is not a regular file.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import cv2

from edge.camera.capture import open_capture, to_rgb
from edge.camera.container import count_is_owed
from edge.camera.pace import Pace
from edge.clock import NS, Clock, FileClock
from edge.config import CameraConfig
from edge.errors import CameraError
from edge.values import MAX_SIDE_PX, Frame

_SHORTEST_STEP_NS = 1000
_LONGEST_GAP_NS = 10 * NS  # a longer step between two frames is a broken time stamp, not a pause
_END_AFTER_MISSES = 300  # failed reads in a row that mean the end where the file does not say how long it is


class Timeline:
    """File time, made to move forward always.

    A file's own stamps are used where they advance sensibly; where they are missing, stand still, go back or
    leap, time moves on by the frame period instead.

    Args:
        fps: frames a second of the file.
    """

    def __init__(self, fps: float) -> None:
        self._period_ns = NS / fps
        self._stamp_ns: float | None = None
        self._elapsed_ns: float | None = None

    def place(self, position_ms: float, skipped: int) -> int:
        """Nanoseconds of the next frame since the first one.

        Args:
            position_ms: the stamp that the file gives it.
            skipped: damaged frames between this one and the one before.
        """
        stamp_ns = position_ms * 1e6
        by_count = self._period_ns * (1 + skipped)
        if self._elapsed_ns is None:
            step = self._period_ns * skipped
            if 0 < stamp_ns <= _LONGEST_GAP_NS and skipped:
                step = stamp_ns
            self._elapsed_ns = 0.0
        elif self._stamp_ns is None:
            step = by_count
        else:
            step = stamp_ns - self._stamp_ns
            if not _SHORTEST_STEP_NS <= step <= max(_LONGEST_GAP_NS, 2 * by_count):
                step = by_count
        self._stamp_ns = stamp_ns if math.isfinite(stamp_ns) else None
        self._elapsed_ns += step
        return round(self._elapsed_ns)

    def rewind(self) -> None:
        """The file starts over; time goes on, one period after the last frame."""
        self._stamp_ns = None


class Replay:
    """Replays a file, losslessly.

    A damaged frame is counted in `failed`, leaves a gap in `Frame.index`, and the replay goes on behind it. What
    a decoder conceals by itself (part of a picture, in most formats) cannot be seen from here and is not counted.

    Args:
        config: `path`, `loop` and `pace`; `fps` is used only for a file that does not name its rate.
        clock: moved along if it is a `FileClock`.

    Raises:
        CameraError: not a regular file, unreadable, or no video in it.
    """

    dropped = 0

    def __init__(self, config: CameraConfig, clock: Clock) -> None:
        self._path = _regular_file(config.path)
        self._clock = clock if isinstance(clock, FileClock) else None
        self._counted = count_is_owed(self._path)
        self._loop = config.loop
        self._pace = Pace() if config.pace == "file" else None
        self._capture = self._open()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._timeline = Timeline(fps if 0.1 <= fps <= 1000 else config.fps)
        self.failed = 0
        self.ended = False
        self._index = 0  # of the next frame, damaged ones included
        self._pass_start = 0
        self._delivered = False

    @property
    def length(self) -> int | None:
        """See `Camera`; a container that keeps no count gives its own estimate."""
        declared = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return int(declared) if 0 < declared < 1e9 and not self._loop else None

    def frames(self) -> Iterator[Frame]:
        """See `Camera.frames`."""
        while not self.ended:
            frame = self._next()
            if frame is None:
                self._finish_pass()
                continue
            if self._pace is not None:
                self._pace.wait(frame.captured_ns)
            if self._clock is not None:
                self._clock.now_ns = frame.captured_ns
            yield frame

    def close(self) -> None:
        """See `Camera.close`."""
        self.ended = True
        self._capture.release()

    def __enter__(self) -> Replay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self) -> Frame | None:
        """The next frame that can be used, or None at the end of the file."""
        misses = 0
        while misses < self._patience():
            # A damaged frame makes one `grab` (or `retrieve`) fail and the next one succeed; at the end of the
            # file all fail. OpenCV 5.0.0 and 4.11.0 behave alike (November 2026).
            pixels = None
            if self._capture.grab():
                position_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
                good, pixels = self._capture.retrieve()
                pixels = pixels if good else None
            if pixels is None or pixels.ndim != 3 or max(pixels.shape) > MAX_SIDE_PX:
                misses += 1
                continue
            self.failed += misses
            frame = Frame(
                pixels=to_rgb(pixels),
                captured_ns=self._timeline.place(position_ms, misses),
                index=self._index + misses,
            )
            self._index = frame.index + 1
            self._delivered = True
            return frame
        return None

    def _remaining(self) -> int | None:
        """Frames that the file still owes by its own count, None where that proves nothing."""
        declared = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if not self._counted or not 0 < declared < 1e9:
            return None
        return max(int(declared) - (self._index - self._pass_start), 0)

    def _patience(self) -> int:
        remaining = self._remaining()
        # The count may be too low; one more try costs nothing.
        return _END_AFTER_MISSES if remaining is None else remaining + 1

    def _finish_pass(self) -> None:
        missing = self._remaining() or 0
        self.failed += missing
        self._index += missing
        if not self._delivered:
            raise CameraError(f"{self._path}: no frame of it can be decoded; give a video file that plays elsewhere")
        if not self._loop:
            self.ended = True
            return
        self._capture.release()
        self._capture = self._open()
        self._timeline.rewind()
        self._pass_start = self._index
        self._delivered = False  # a pass without any frame is an error, or it would loop for ever

    def _open(self) -> cv2.VideoCapture:
        # One decoding thread: with several, what is made of a damaged file may differ from run to run.
        capture = open_capture(str(self._path), cv2.CAP_FFMPEG, {cv2.CAP_PROP_N_THREADS: 1})
        if not capture.isOpened():
            raise CameraError(f"{self._path}: not a video that OpenCV can read; convert it to MP4 (H.264) or MJPEG AVI")
        width, height = (capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if max(width, height) > MAX_SIDE_PX:  # before a frame of it is decoded, which may take a gigabyte
            capture.release()
            raise CameraError(f"{self._path}: {width:.0f}x{height:.0f}, at most {MAX_SIDE_PX} pixels a side; scale it")
        return capture


def _regular_file(name: str) -> Path:
    if "://" in name:
        raise CameraError(f"{name}: an address, not a file; network video is refused, copy the file to this machine")
    path = Path(name).absolute()
    if "\0" in name:
        raise CameraError(f"{name!r}: no file has such a name; set camera.path to a video file")
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            raise CameraError(f"{path}: not a regular file; camera.path must name a video file")
        with path.open("rb") as file:
            empty = not file.read(1)
    except CameraError:
        raise
    except OSError as error:
        raise CameraError(f"{path}: cannot be read ({error.strerror}); set camera.path to a video file") from error
    if empty:
        raise CameraError(f"{path}: the file is empty; set camera.path to a video file")
    if path.suffix.lower() not in (".mjpg", ".mjpeg") and cv2.haveImageReader(str(path)):
        raise CameraError(f"{path}: a still picture; camera.path must name a video file")
    return path
