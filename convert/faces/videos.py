"""Video files of a data set: finding them by name, their rate, and single frames of them in order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.errors import DataError
from edge.errors import CameraError, FrameError
from edge.values import UInt8Array
from edge.video_file import VideoFile

Float64Array = NDArray[np.float64]

_ENDINGS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg"})
_DEPTH = 6


def walk_folders(root: Path, *, leave: Iterable[str] = ()) -> Iterator[Path]:
    """`root` and the folders below it, sorted; not those named in `leave`, which may hold millions of pictures."""
    left = {name.lower() for name in leave}
    for folder, inner, _ in os.walk(root):
        here = Path(folder)
        deep = len(here.relative_to(root).parts)
        inner[:] = sorted(name for name in inner if name.lower() not in left) if deep < _DEPTH else []
        yield here


def first_file(paths: Iterable[Path]) -> str:
    """The first that is a file, or the first of all where none is."""
    candidates = list(paths)
    return str(next((path for path in candidates if path.is_file()), candidates[0]))


def index_videos(root: Path, *, leave: Iterable[str] = ()) -> dict[str, Path]:
    """The videos below a folder by their name without its ending; of two with one name the first."""
    found: dict[str, Path] = {}
    for folder in walk_folders(root, leave=leave):
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in _ENDINGS and path.is_file():
                found.setdefault(path.stem, path)
    return found


def measure_video(path: Path) -> tuple[float, int]:
    """Frames a second on average (30 where the file does not say), and how many the file says it has (0 likewise).

    Raises:
        DataError: the file is no video that can be read.
    """
    with _opened(path) as video:
        return video.fps, video.length or 0


def frame_times(path: Path) -> Float64Array:
    """When each frame is shown, seconds since the first: float64 (frames,), rising.

    Reads the whole file: only its time stamps tell where the rate varies.

    Raises:
        DataError: the file is no video that can be read.
    """
    with _opened(path) as video:
        times = {index: time_ns / 1e9 for index, time_ns in video}
    return np.interp(np.arange(max(times) + 1), list(times), list(times.values()))  # damaged ones lie between


def frame_at(times: Float64Array, time_s: float) -> int:
    """The number of the frame that is shown at a time: the last one begun by then, half a usual frame early or late.

    Args:
        times: as `frame_times` gives them.
        time_s: seconds since the first frame; after the last frame's time the number is one that the video has not.
    """
    period_s = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    if time_s > times[-1] + 1.5 * period_s:
        return len(times)
    return max(int(np.searchsorted(times, time_s + period_s / 2, "right")) - 1, 0)


def read_video(path: Path, wanted: Iterable[int]) -> Iterator[tuple[int, UInt8Array]]:
    """Single frames, upright and with square pixels, decoded on the way; ends early where the video does.

    Args:
        path: the file.
        wanted: numbers of frames from 0, rising; damaged ones are left out.

    Yields:
        The number and uint8 (H, W, 3), RGB.

    Raises:
        DataError: the file is no video that can be read.
    """
    with _opened(path) as video:
        numbers = iter(wanted)
        number = next(numbers, None)
        for index, _ in video:
            while number is not None and number < index:
                number = next(numbers, None)
            if number is None:
                return
            if number == index:
                with suppress(FrameError):
                    yield number, video.read()


@contextmanager
def _opened(path: Path) -> Iterator[VideoFile]:
    try:
        video = VideoFile(path)
        try:
            yield video
        finally:
            video.close()
    except CameraError as error:
        raise DataError(error.message, error.fix) from error
