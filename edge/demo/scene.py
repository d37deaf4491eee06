"""Drawn people in a drawn shop, whose expressions follow known scripts: for demonstrations and tests.

The same seed and time give the same picture.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.demo.backdrop import paint_backdrop, paint_counter
from edge.demo.cast import CAST, DESIGN_HEIGHT, DESIGN_WIDTH, Part, Place
from edge.demo.expression import Portrait
from edge.demo.portrait import HEIGHT, MIDDLE, WIDTH
from edge.values import UInt8Array

_FACE_Y, _FACE_HALF_WIDTH, _FACE_HALF_HEIGHT = 166.0, 63.0, 87.0  # of a portrait, in its own units
_COUNTER_BELOW = 186.0  # the counter's edge below the middle of the lowest face, pixels of the design picture


class SceneFace(NamedTuple):
    """The truth about one drawn face."""

    actor: int  # its number in the cast, from 0; not a track id
    valence: float  # −1..1
    arousal: float
    box_px: tuple[float, float, float, float]  # (x1, y1, x2, y2) from hairline to chin, pixels of the picture
    visible: bool  # the whole box lies in the picture


class Scene:
    """Draws pictures of `width` × `height` pixels; `seed` sets where scripts begin and how people sway and blink."""

    def __init__(self, width: int, height: int, *, seed: int = 0) -> None:
        self._width, self._height = width, height
        self._zoom = min(width / DESIGN_WIDTH, height / DESIGN_HEIGHT)
        self._parts = [Part(actor, np.random.default_rng((seed, number))) for number, actor in enumerate(CAST)]
        self._portraits = [Portrait(actor.look) for actor in CAST]
        self._back_to_front = sorted(range(len(CAST)), key=lambda number: CAST[number].scale)
        self._backdrop = paint_backdrop(width, height, seed)
        lowest = self._to_picture(0, max(actor.y for actor in CAST))[1]
        self._counter_y = min(round(lowest + _COUNTER_BELOW * self._zoom), height)
        self._counter = paint_counter(width, height, self._counter_y)

    def truth(self, t_s: float) -> tuple[SceneFace, ...]:
        """The truth about everyone, in the picture or not, at `t_s` seconds from the first frame."""
        return tuple(self._face(number, t_s) for number in range(len(self._parts)))

    def draw(self, t_s: float) -> UInt8Array:
        """The picture at `t_s` seconds from the first frame: uint8 (H, W, 3), RGB."""
        picture = self._backdrop.copy()
        for number in self._back_to_front:
            self._lay(picture, number, t_s)
        picture[self._counter_y :] = self._counter
        return np.asarray(cv2.convertScaleAbs(picture, alpha=1 + 0.07 * math.sin(2 * math.pi * t_s / 23)), np.uint8)

    def _to_picture(self, x: float, y: float) -> tuple[float, float]:
        return (
            self._width / 2 + (x - DESIGN_WIDTH / 2) * self._zoom,
            self._height / 2 + (y - DESIGN_HEIGHT / 2) * self._zoom,
        )

    def _matrix(self, place: Place) -> NDArray[np.float64]:
        """From a portrait's units to pixels of the picture, float64 (2, 3)."""
        x, y = self._to_picture(place.x, place.y)
        cos, sin = (place.scale * self._zoom * turn for turn in (math.cos(place.roll), math.sin(place.roll)))
        return np.array(
            [[cos, -sin, x - cos * MIDDLE + sin * _FACE_Y], [sin, cos, y - sin * MIDDLE - cos * _FACE_Y]], np.float64
        )

    def _lay(self, picture: UInt8Array, number: int, t_s: float) -> None:
        """Lays a portrait into a picture, in place."""
        part = self._parts[number]
        matrix = self._matrix(part.place(t_s))
        corners = np.array([[0, 0, 1], [WIDTH, 0, 1], [0, HEIGHT, 1], [WIDTH, HEIGHT, 1]]) @ matrix.T
        left, top = (int(edge) for edge in np.maximum(np.floor(corners.min(axis=0)), 0))
        right, bottom = (int(edge) for edge in np.minimum(np.ceil(corners.max(axis=0)), (self._width, self._counter_y)))
        if left >= right or top >= bottom:
            return
        layer = self._portraits[number].draw(part.pose(t_s))
        shifted, size = matrix - np.array([[0, 0, left], [0, 0, top]]), (right - left, bottom - top)
        pixels = cv2.warpAffine(layer.pixels, shifted, size, flags=cv2.INTER_LINEAR)
        uncovered = cv2.bitwise_not(cv2.warpAffine(layer.cover, shifted, size, flags=cv2.INTER_LINEAR))
        under = picture[top:bottom, left:right]
        # under × uncovered / 255, rounded: three times as fast as `cv2.multiply` with a scale.
        product: NDArray[np.uint16] = np.multiply(under, cv2.merge([uncovered] * 3), dtype=np.uint16)
        product += product >> 8
        product += 128
        product >>= 8
        under[:] = cv2.add(product.astype(np.uint8), pixels)

    def _face(self, number: int, t_s: float) -> SceneFace:
        part = self._parts[number]
        place = part.place(t_s)
        valence, arousal = part.expression(t_s)
        (x, y), scale = self._to_picture(place.x, place.y), place.scale * self._zoom
        cos, sin = math.cos(place.roll), math.sin(place.roll)
        half_x = scale * math.hypot(_FACE_HALF_WIDTH * cos, _FACE_HALF_HEIGHT * sin)
        half_y = scale * math.hypot(_FACE_HALF_WIDTH * sin, _FACE_HALF_HEIGHT * cos)
        box = (x - half_x, y - half_y, x + half_x, y + half_y)
        inside = box[0] >= 0 and box[1] >= 0 and box[2] <= self._width and box[3] <= self._height
        return SceneFace(actor=number, valence=valence, arousal=arousal, box_px=box, visible=inside)
