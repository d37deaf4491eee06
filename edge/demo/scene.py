"""Drawn people in a drawn shop, whose expressions follow known scripts: for demonstrations and tests.

The same seed and time give the same picture.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.demo.cast import CAST, DESIGN_HEIGHT, DESIGN_WIDTH, Part
from edge.demo.portrait import FACE_HALF_HEIGHT, FACE_HALF_WIDTH, FACE_Y, HEIGHT, MIDDLE, WIDTH, Portrait
from edge.values import UInt8Array

_COUNTER_Y = 436  # the counter's edge in the design picture
_WALL, _WOOD = (206, 198, 184), (140, 102, 70)


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
        self._counter_y = min(round(self._height / 2 + (_COUNTER_Y - DESIGN_HEIGHT / 2) * self._zoom), height)
        self._shop = _draw_shop(width, height, seed)

    def truth(self, t_s: float) -> tuple[SceneFace, ...]:
        """The truth about everyone, in the picture or not, at `t_s` seconds from the first frame."""
        return tuple(self._face(number, t_s) for number in range(len(self._parts)))

    def draw(self, t_s: float) -> UInt8Array:
        """The picture at `t_s` seconds from the first frame: uint8 (H, W, 3), RGB."""
        picture = self._shop.copy()
        for number in self._back_to_front:
            self._lay(picture, number, t_s)
        picture[self._counter_y :] = _WOOD
        return np.asarray(cv2.convertScaleAbs(picture, alpha=1 + 0.07 * math.sin(2 * math.pi * t_s / 23)), np.uint8)

    def _matrix(self, part: Part, t_s: float) -> NDArray[np.float64]:
        """From a portrait's pixels to those of the picture, float64 (2, 3)."""
        place = part.place(t_s)
        x = self._width / 2 + (place.x - DESIGN_WIDTH / 2) * self._zoom
        y = self._height / 2 + (place.y - DESIGN_HEIGHT / 2) * self._zoom
        matrix = cv2.getRotationMatrix2D((MIDDLE, FACE_Y), -math.degrees(place.roll), place.scale * self._zoom)
        matrix[:, 2] += np.array([x - MIDDLE, y - FACE_Y])
        return np.asarray(matrix, np.float64)

    def _lay(self, picture: UInt8Array, number: int, t_s: float) -> None:
        """Lays a person into a picture, in place."""
        part = self._parts[number]
        matrix = self._matrix(part, t_s)
        corners = np.array([[0, 0, 1], [WIDTH, 0, 1], [0, HEIGHT, 1], [WIDTH, HEIGHT, 1]]) @ matrix.T
        left, top = (int(edge) for edge in np.maximum(np.floor(corners.min(axis=0)), 0))
        right, bottom = (int(edge) for edge in np.minimum(np.ceil(corners.max(axis=0)), (self._width, self._counter_y)))
        if left >= right or top >= bottom:
            return
        drawn = self._portraits[number].draw(*part.expression(t_s), part.blink(t_s))
        person = cv2.warpAffine(drawn, matrix - [[0, 0, left], [0, 0, top]], (right - left, bottom - top))
        under, uncovered = picture[top:bottom, left:right], cv2.merge([cv2.bitwise_not(person[..., 3])] * 3)
        under[:] = cv2.add(cv2.multiply(under, uncovered, scale=1 / 255), cv2.cvtColor(person, cv2.COLOR_RGBA2RGB))

    def _face(self, number: int, t_s: float) -> SceneFace:
        part = self._parts[number]
        matrix = self._matrix(part, t_s)
        x, y = matrix @ (MIDDLE, FACE_Y, 1)
        half_x, half_y = np.hypot(*(matrix[:, :2] * (FACE_HALF_WIDTH, FACE_HALF_HEIGHT)).T)
        box = (float(x - half_x), float(y - half_y), float(x + half_x), float(y + half_y))
        visible = box[0] >= 0 and box[1] >= 0 and box[2] <= self._width and box[3] <= self._height
        return SceneFace(number, *part.expression(t_s), box_px=box, visible=visible)


def _draw_shop(width: int, height: int, seed: int) -> UInt8Array:
    """A blurred wall with shelves of goods: uint8 (height, width, 3), RGB."""
    random = np.random.default_rng((seed, 7))
    wall = np.full((height, width, 3), _WALL, np.uint8)
    for shelf in range(height // 6, height, height // 4):
        for x in range(0, width, max(height // 16, 1)):
            wide, tall = (random.uniform(0.02, 0.06, 2) * height).astype(int)
            color = random.uniform(70, 200, 3)
            cv2.rectangle(wall, (x, shelf - 2 * tall), (x + wide, shelf), color.tolist(), -1)
        cv2.rectangle(wall, (0, shelf), (width, shelf + height // 60), _WOOD, -1)
    return np.asarray(cv2.GaussianBlur(wall, (0, 0), height / 75), np.uint8)
