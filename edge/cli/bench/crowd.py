"""A camera that looks at a given number of drawn faces, all in view all the time: the load is what is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from edge.clock import NS, FileClock
from edge.config import CameraConfig
from edge.demo.scene import Scene
from edge.values import Frame, UInt8Array

_WIDTH, _HEIGHT = 640, 480
_MARGIN = 0.55  # of a face's box, cut with it on each side
_DRAWN = 24  # different pictures, repeated
_SWAY = 0.06  # of a cell


class Crowd:
    """A `Camera` of `frames` frames on a clock that it moves along.

    Args:
        faces: in every picture, 1 to 25.
        fps: a second, by its clock.
        frames: in all.
        clock: gives the first frame its time.
        seed: other people.
    """

    failed = 0
    dropped = 0

    def __init__(self, faces: int, *, fps: float, frames: int, clock: FileClock, seed: int = 0) -> None:
        self.length: int | None = frames
        self.ended = False
        self._period_ns = NS / fps
        self._clock = clock
        self._pictures = draw_crowd(faces, seed=seed)

    def frames(self) -> Iterator[Frame]:
        """See `Camera.frames`."""
        begun_ns = self._clock.monotonic_ns()
        for index in range(self.length or 0):
            if self.ended:
                return
            self._clock.now_ns = begun_ns + round(index * self._period_ns)
            turn = index % (2 * len(self._pictures) - 2)
            pixels = self._pictures[min(turn, 2 * len(self._pictures) - 2 - turn)].copy()
            yield Frame(pixels=pixels, captured_ns=self._clock.now_ns, index=index)

    def close(self) -> None:
        """See `Camera.close`."""
        self.ended = True

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def draw_crowd(faces: int, *, seed: int = 0, count: int = _DRAWN) -> list[UInt8Array]:
    """Pictures of so many faces in a grid, swaying a little: uint8 (480, 640, 3), RGB."""
    if not 1 <= faces <= 25:
        raise ValueError(f"{faces} faces: 1 to 25 fit")
    columns = math.ceil(math.sqrt(faces * _WIDTH / _HEIGHT))
    rows = math.ceil(faces / columns)
    width, height = _WIDTH // columns, _HEIGHT // rows
    side = min(width, height, 220)
    portraits = _portraits(side, seed)
    pictures = []
    for number in range(count):
        picture = np.full((_HEIGHT, _WIDTH, 3), 128, np.uint8)
        for face in range(faces):
            shift = round(_SWAY * side * math.sin(2 * math.pi * number / count / 2 + face))
            left = (face % columns) * width + (width - side) // 2
            top = (face // columns) * height + (height - side) // 2
            left = min(max(left + shift, 0), _WIDTH - side)
            picture[top : top + side, left : left + side] = portraits[(face + number // 6) % len(portraits)]
        pictures.append(picture)
    return pictures


def _portraits(side: int, seed: int) -> list[UInt8Array]:
    """Square cuts of the drawn scene's people, faces in the middle."""
    scene = Scene(CameraConfig(backend="scene", width=1280, height=960, pace="fast"), FileClock(), seed=seed)
    cuts = []
    for second in (2.0, 9.0, 17.0, 26.0):
        picture = scene.draw(second)
        for face in scene.truth(second):
            x1, y1, x2, y2 = face.box_px
            half = (0.5 + _MARGIN) * max(x2 - x1, y2 - y1) / 1.4
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            if not face.visible or min(x - half, y - half) < 0 or x + half > 1280 or y + half > 960:
                continue
            cut = picture[round(y - half) : round(y + half), round(x - half) : round(x + half)]
            cuts.append(np.asarray(cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA), np.uint8))
    return cuts
