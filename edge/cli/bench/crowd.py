"""A camera that sees a given number of drawn faces all the time, so that the load is the one that was asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from edge.camera import Camera, no_events
from edge.clock import NS, FileClock
from edge.demo.cast import CAST
from edge.demo.portrait import FACE_Y, MIDDLE, Portrait
from edge.values import Frame, UInt8Array

MOST = 25  # faces
_WIDTH, _HEIGHT, _GREY = 640, 480, 128
_HALF = 125  # of the square around a face that is cut from a portrait
_EXPRESSIONS = ((0.1, -0.1), (0.9, 0.5), (0.6, 0.1), (-0.5, 0.3))  # valence, arousal
_SWAY = 0.06  # of a face's square


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


def draw_crowd(faces: int, *, count: int = 24) -> list[UInt8Array]:
    """`count` pictures of so many faces in a grid, swaying a little: uint8 (480, 640, 3), RGB."""
    if not 1 <= faces <= MOST:
        raise ValueError(f"{faces} faces: 1 to {MOST} fit")
    columns = math.ceil(math.sqrt(faces * _WIDTH / _HEIGHT))
    width, height = _WIDTH // columns, _HEIGHT // math.ceil(faces / columns)
    side = min(width, height, 220)
    portraits = _portraits(side)
    pictures = []
    for number in range(count):
        picture = np.full((_HEIGHT, _WIDTH, 3), _GREY, np.uint8)
        for face in range(faces):
            shift = round(_SWAY * side * math.sin(math.pi * number / count + face))
            left = (face % columns) * width + (width - side) // 2
            top = (face // columns) * height + (height - side) // 2
            left = min(max(left + shift, 0), _WIDTH - side)
            picture[top : top + side, left : left + side] = portraits[(face + number // 6) % len(portraits)]
        pictures.append(picture)
    return pictures


def _portraits(side: int) -> list[UInt8Array]:
    """Squares with a face in the middle, of each person and expression: uint8 (side, side, 3), RGB."""
    squares = []
    for portrait in [Portrait(actor.look) for actor in CAST]:
        for valence, arousal in _EXPRESSIONS:
            person = portrait.draw(valence, arousal)[FACE_Y - _HALF : FACE_Y + _HALF, MIDDLE - _HALF : MIDDLE + _HALF]
            square = person[..., :3] + _GREY * (person[..., 3:] == 0)
            squares.append(np.asarray(cv2.resize(square.astype(np.uint8), (side, side), interpolation=cv2.INTER_AREA)))
    return squares
