"""A camera that sees a given number of drawn faces all the time, so that the load is the one that was asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from edge.camera import Camera, no_events
from edge.clock import NS, FileClock
from edge.demo.scene import Scene
from edge.values import Frame, UInt8Array

MOST = 25  # faces
_WIDTH, _HEIGHT = 640, 480
_MARGIN = 0.55  # of a face's box, cut with it on each side
_DRAWN = 24  # different pictures, repeated
_SWAY = 0.06  # of a cell


class Crowd(Camera):
    """Gives `frames` frames with `faces` faces, 1 to 25, at `fps` a second of a clock that it moves along."""

    def __init__(self, faces: int, clock: FileClock, *, fps: float, frames: int) -> None:
        self.length, self.events = frames, no_events()
        self._clock, self._fps = clock, fps
        self._pictures = draw_crowd(faces)

    def __iter__(self) -> Iterator[Frame]:
        begun_ns, last = self._clock.monotonic_ns(), len(self._pictures) - 1
        for index in range(self.length or 0):
            self._clock.now_ns = begun_ns + round(index * NS / self._fps)
            pixels = self._pictures[last - abs(last - index % (2 * last))].copy()  # to the last picture and back
            yield Frame(pixels=pixels, captured_ns=self._clock.now_ns, index=index)

    def close(self) -> None:
        self.length = 0


def draw_crowd(faces: int, *, seed: int = 0, count: int = _DRAWN) -> list[UInt8Array]:
    """Pictures of so many faces in a grid, swaying a little: uint8 (480, 640, 3), RGB."""
    if not 1 <= faces <= MOST:
        raise ValueError(f"{faces} faces: 1 to {MOST} fit")
    columns = math.ceil(math.sqrt(faces * _WIDTH / _HEIGHT))
    width, height = _WIDTH // columns, _HEIGHT // math.ceil(faces / columns)
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
    scene = Scene(1280, 960, seed=seed)
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
