"""Pictures to search: clips as they are, and a hall of 1920 × 1080 made of many clips side by side, none enlarged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.values import UInt8Array

STEP_S = 0.1
HALL = (1920, 1080)
_TILE = (480, 270)  # of the hall, pixels
_LARGEST_PX = 105.0  # a face in the hall
_SIDES = (1.0, 0.75, 0.55)  # of a tile's clip, in turn: people stand at several distances
_HALL_STEPS = 60


def read_steps(clip: Path) -> Iterator[UInt8Array]:
    """One frame of each step of 0.1 s: uint8 (H, W, 3), RGB."""
    video = cv2.VideoCapture(str(clip))
    rate, index, last = video.get(cv2.CAP_PROP_FPS) or 30.0, 0, -1
    try:
        while video.grab():
            step, index = int(index / rate / STEP_S), index + 1
            if step != last:
                last = step
                yield np.asarray(cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB), np.uint8)
    finally:
        video.release()


def make_hall(clips: Sequence[Path], face_px: Sequence[float]) -> Iterator[UInt8Array]:
    """The hall, step by step: each clip in tiles of its own, forth and back, at most as large as it is.

    Args:
        clips: at least one.
        face_px: the size of the faces in each clip; 0 where there are none.
    """
    played = [list(read_steps(clip))[:_HALL_STEPS] for clip in clips]
    columns, rows = HALL[0] // _TILE[0], HALL[1] // _TILE[1]
    for step in range(_HALL_STEPS):
        hall = np.full((HALL[1], HALL[0], 3), 96, np.uint8)
        for tile in range(columns * rows):
            frames = played[tile % len(clips)]
            at = step % max(2 * len(frames) - 2, 1)
            picture = frames[min(at, 2 * len(frames) - 2 - at)]
            height, width = picture.shape[:2]
            side = _SIDES[(tile // len(clips) + tile) % len(_SIDES)]
            largest = _LARGEST_PX / max(face_px[tile % len(clips)], 1.0)
            scale = side * min(1.0, _TILE[0] / width, _TILE[1] / height, largest)
            size = max(1, int(width * scale)), max(1, int(height * scale))
            x, y = tile % columns * _TILE[0], tile // columns * _TILE[1]
            hall[y : y + size[1], x : x + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        yield hall
