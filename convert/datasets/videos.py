"""Video files of a data set: finding them by name, their rate, and single frames of them in order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from convert.errors import DataError
from edge.values import UInt8Array

_ENDINGS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg"})
_USUAL_RATE = 30.0
_DEPTH = 6


def walk_folders(root: Path, *, leave: Iterable[str] = ()) -> Iterator[Path]:
    """`root` and the folders below it, sorted; not those named in `leave`, which may hold millions of pictures."""
    left = {name.lower() for name in leave}
    for folder, inner, _ in os.walk(root):
        here = Path(folder)
        deep = len(here.relative_to(root).parts)
        inner[:] = sorted(name for name in inner if name.lower() not in left) if deep < _DEPTH else []
        yield here


def index_videos(root: Path, *, leave: Iterable[str] = ()) -> dict[str, Path]:
    """The videos below a folder by their name without its ending; of two with one name the first."""
    found: dict[str, Path] = {}
    for folder in walk_folders(root, leave=leave):
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in _ENDINGS and path.is_file():
                found.setdefault(path.stem, path)
    return found


def frame_rate(path: Path) -> float:
    """Frames a second; 30 where the file does not say.

    Raises:
        DataError: the file is no video that OpenCV reads.
    """
    rate, _ = measure_video(path)
    return rate


def measure_video(path: Path) -> tuple[float, int]:
    """Frames a second, and how many frames the file says it has (0 where it does not say).

    Raises:
        DataError: the file is no video that OpenCV reads.
    """
    video = _open(path)
    rate, count = float(video.get(cv2.CAP_PROP_FPS)), int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    video.release()
    return rate if 0 < rate < 1000 else _USUAL_RATE, max(count, 0)


def read_video(path: Path, wanted: Iterable[int]) -> Iterator[tuple[int, UInt8Array]]:
    """Single frames, decoded on the way; ends early where the video does.

    Args:
        path: the file.
        wanted: numbers of frames from 0, rising.

    Yields:
        The number and uint8 (H, W, 3), RGB.

    Raises:
        DataError: the file is no video that OpenCV reads.
    """
    video = _open(path)
    at = -1
    try:
        for number in wanted:
            while at < number:
                if not video.grab():
                    return
                at += 1
            read, frame = video.retrieve()
            if read:
                yield number, np.ascontiguousarray(frame[:, :, ::-1], np.uint8)
    finally:
        video.release()


def _open(path: Path) -> cv2.VideoCapture:
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise DataError(f"{path}: not a video that can be read")
    return video
