"""Frames of a local video file: in order, upright, with square pixels and the file's own times.

Refuses what OpenCV would get wrong without an error: interlaced pictures, unknown codecs, addresses.
"""

from __future__ import annotations

import math
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.clock import NS
from edge.errors import CameraError, FrameError, one_line
from edge.mp4_header import UPRIGHT, Matrix, Mp4, read_mp4
from edge.stderr import native_stderr
from edge.values import MAX_SIDE_PX, UInt8Array

_SHORTEST_STEP_NS = 1000
_LONGEST_GAP_NS = 3600 * NS
_LONGEST_GAP_UNKNOWN_NS = 10 * NS  # where the file does not say how long it lasts
_END_AFTER_MISSES = 300  # failed reads in a row that mean the end where the file does not say how long it is
_WIDEST = 4.0  # ratio of a pixel's sides; beyond, the file is broken
_STREAMS = (".mjpg", ".mjpeg")  # OpenCV takes them for still pictures
_TURNS: dict[int, Matrix] = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
_LOCAL_ONLY = "protocol_whitelist;file"  # a playlist must not make FFmpeg open an address
_CODECS = {"av01": "AV1", "hev1": "HEVC", "hvc1": "HEVC", "vp90": "VP9"}


class Timeline:
    """Makes a file's time stamps move forward.

    A stamp that is missing, stands still, goes back or leaps is replaced by one frame period after the last. From the
    second such stamp in a row, time goes on.

    Args:
        fps: frames a second of the file.
        longest_gap_ns: between two frames; a longer one is a broken stamp.
    """

    def __init__(self, fps: float, longest_gap_ns: float = _LONGEST_GAP_UNKNOWN_NS) -> None:
        self._period_ns = NS / fps
        self._longest_ns = longest_gap_ns
        self._offset_ns: float | None = None  # from a stamp to its time; None before the first valid one
        self._last_ns: float | None = None
        self._doubted = False

    def place(self, position_ms: float, skipped: int) -> int:
        """Nanoseconds of the next frame since the first, by its stamp and the number of damaged frames before it."""
        stamp_ns = position_ms * 1e6
        by_count = self._period_ns * (1 + skipped)
        if self._last_ns is None:
            # OpenCV gives the decoding time, which may be negative, where a first frame's stamp is 0.
            stamp_ns = max(stamp_ns, 0.0)
            placed = stamp_ns if skipped and 0 < stamp_ns <= self._longest_ns else self._period_ns * skipped
            good = False
        else:
            placed = self._last_ns + by_count
            step = math.inf if self._offset_ns is None else stamp_ns + self._offset_ns - self._last_ns
            good = _SHORTEST_STEP_NS <= step <= max(self._longest_ns, 2 * by_count)
            if good:
                placed = self._last_ns + step
        if not good and (self._doubted or self._offset_ns is None):
            self._offset_ns = placed - stamp_ns if math.isfinite(stamp_ns) else None
        self._doubted = not good and self._last_ns is not None
        self._last_ns = placed
        return round(placed)


class VideoFile:
    """A video file, read once.

    Iterating gives (index, nanoseconds since the first frame) of each frame that can be decoded; `read` gives the last
    one's picture. A damaged frame leaves a gap in the index, unless the decoder conceals it.

    Args:
        path: a regular file.
        fps: frames a second, for a file that does not name its rate.

    Attributes:
        fps: frames a second, on average.
        length: frames in all, maybe the container's estimate; None if the file does not say.
        index: of the next frame, damaged ones included.
        failed: damaged frames so far.

    Raises:
        CameraError: not a regular file, unreadable, no video in it; when read: interlaced, or nothing can be decoded.
    """

    def __init__(self, path: str | Path, fps: float = 30.0) -> None:
        self._path = _regular_file(str(path))
        mp4 = read_mp4(self._path)
        self._capture = self._open(mp4)
        suffix = self._path.suffix.lower()
        get = self._capture.get
        named, count = get(cv2.CAP_PROP_FPS), get(cv2.CAP_PROP_FRAME_COUNT)
        self.fps = named if 0.1 <= named <= 1000 else fps
        self.length = int(count) if 0 < count < 1e9 else None
        if self.length in (None, 1) and suffix not in _STREAMS and cv2.haveImageReader(str(self._path)):
            self.close()
            raise CameraError(f"{self._path}: a still picture", "give the path of a video file")
        lasts_ns = _LONGEST_GAP_UNKNOWN_NS if self.length is None else self.length / self.fps * NS
        self._timeline = Timeline(self.fps, min(lasts_ns, _LONGEST_GAP_NS))
        # Only an AVI and an MP4 that was cut must have as many frames as they say: other containers estimate the
        # count, and an intact MP4 may hide frames by an edit list.
        self._exact = self.length is not None and (suffix == ".avi" or (mp4 is not None and mp4.cut))
        self._matrix = (mp4 and mp4.matrix) or _TURNS.get(int(get(cv2.CAP_PROP_ORIENTATION_META)), UPRIGHT)
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # it does not know mirrored pictures
        self._stretch = _stretch(get(cv2.CAP_PROP_SAR_NUM), get(cv2.CAP_PROP_SAR_DEN))
        self.index = self.failed = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        misses = 0
        # The count may be too low: one more try.
        while misses < (self._missing() + 1 if self._exact else _END_AFTER_MISSES):
            # A damaged frame makes one `grab` fail and the next one succeed; at the end of the file all fail.
            # OpenCV 5.0.0 and 4.11.0 behave alike (November 2026).
            with native_stderr():
                good = self._capture.grab()
            if not good:
                misses += 1
                continue
            time_ns = self._timeline.place(self._capture.get(cv2.CAP_PROP_POS_MSEC), misses)
            self.failed += misses
            self.index += misses + 1
            misses = 0
            yield self.index - 1, time_ns
        if not self.index:
            fourcc = int(self._capture.get(cv2.CAP_PROP_FOURCC))
            letters = fourcc.to_bytes(8, "little", signed=True)[:4].decode("latin-1")
            codec = _CODECS.get(letters.lower(), one_line(letters) or "unknown")
            raise CameraError(f"{self._path}: no frame of it can be decoded, its codec is {codec}", self._cure())
        missing = self._missing()
        self.failed += missing
        self.index += missing

    def read(self) -> UInt8Array:
        """The picture of the last frame, once: uint8 (H, W, 3), RGB.

        Raises:
            FrameError: it is damaged.
            CameraError: it is interlaced.
        """
        with native_stderr() as native:
            good, pixels = self._capture.retrieve()
        if " -> fmt:" in native.text or "interlaced" in native.text:
            # OpenCV 5.0.0.93 reports success and gives zeros or old memory.
            raise CameraError(
                f"{self._path}: its pictures are interlaced, which OpenCV {cv2.__version__} cannot convert",
                self._cure("-vf yadif "),
            )
        if not good or pixels is None or pixels.ndim != 3 or max(pixels.shape) > MAX_SIDE_PX:
            raise FrameError(f"{self._path}: frame {self.index - 1} could not be decoded")
        return _shown(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8), self._stretch, self._matrix)

    def close(self) -> None:
        """Closes the file."""
        self._capture.release()

    def _missing(self) -> int:
        """Frames that must still come by the file's own count."""
        return max((self.length or 0) - self.index, 0) if self._exact else 0

    def _cure(self, filters: str = "") -> str:
        new = self._path.with_name(f"{self._path.stem}-h264.mp4")
        old, new_name = shlex.quote(str(self._path)), shlex.quote(str(new))
        return f"convert it: ffmpeg -i {old} {filters}-c:v libx264 -crf 16 -pix_fmt yuv420p -an {new_name}"

    def _open(self, mp4: Mp4 | None) -> cv2.VideoCapture:
        # OpenCV 5.0 has it in `cv2.utils.logging`, 4.11 only as `cv2.setLogLevel` (both tried in November 2026).
        getattr(cv2.utils, "logging", cv2).setLogLevel(0)  # LOG_LEVEL_SILENT
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = _LOCAL_ONLY
        # One decoding thread: with several, what is made of a damaged file may differ from run to run.
        with native_stderr():
            capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        if not capture.isOpened():
            if mp4 is not None and mp4.matrix is None:
                said = "an MP4 file without its index, as when a recording breaks off"
                raise CameraError(f"{self._path}: {said}", "record it again")
            raise CameraError(f"{self._path}: not a video that OpenCV can read", self._cure())
        width, height = (capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if max(width, height) > MAX_SIDE_PX:  # before a frame of it is decoded, which may take a gigabyte
            capture.release()
            said = f"{width:.0f}x{height:.0f}, at most {MAX_SIDE_PX} pixels a side"
            raise CameraError(f"{self._path}: {said}", "scale it")
        return capture


def _stretch(wide: float, tall: float) -> tuple[float, float]:
    """Factors of width and height that make pixels square."""
    ratio = wide / tall if wide > 0 and tall > 0 else 1.0
    return (max(ratio, 1.0), max(1 / ratio, 1.0)) if 1 / _WIDEST <= ratio <= _WIDEST else (1.0, 1.0)


def _shown(pixels: UInt8Array, stretch: tuple[float, float], matrix: Matrix) -> UInt8Array:
    """Makes pixels square and the picture upright."""
    if stretch != (1.0, 1.0):
        width, height = (round(side * by) for side, by in zip(pixels.shape[1::-1], stretch, strict=True))
        fit = min(1.0, MAX_SIDE_PX / max(width, height))
        size = max(1, round(width * fit)), max(1, round(height * fit))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    a, b, c, d = matrix
    if a == 0:
        pixels = np.asarray(cv2.transpose(pixels), np.uint8)
    mirrored, upside_down = a + c < 0, b + d < 0
    if mirrored or upside_down:
        pixels = np.asarray(cv2.flip(pixels, -1 if mirrored and upside_down else int(mirrored)), np.uint8)
    return pixels


def _regular_file(name: str) -> Path:
    fix = "give the path of a video file"
    if "://" in name:
        raise CameraError(f"{name}: an address, not a file; network video is refused", "copy the file to this machine")
    if "\0" in name:
        raise CameraError(f"{name!r}: no file has such a name", fix)
    path = Path(name).absolute()
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CameraError(f"{path}: not a regular file", fix)
        with path.open("rb") as file:
            empty = not file.read(1)
    except CameraError:
        raise
    except OSError as error:
        raise CameraError(f"{path}: cannot be read ({error.strerror})", fix) from error
    if empty:
        raise CameraError(f"{path}: the file is empty", fix)
    return path
