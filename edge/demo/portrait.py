"""A drawn person whose brows, eyes and mouth follow valence and arousal. Nobody is portrayed."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import UInt8Array

WIDTH, HEIGHT = 280, 500  # of the canvas on which a person is drawn, pixels
MIDDLE, FACE_Y = 140, 166  # of the face on it
FACE_HALF_WIDTH, FACE_HALF_HEIGHT = 63, 87
_EYE_X, _EYE_Y, _MOUTH_Y = 29, 142, 208
_FEATURES = slice(100, 270)  # rows with brows, eyes and mouth
_WHITE, _TEETH, _MOUTH, _BLACK = (232, 228, 224), (238, 234, 226), (52, 24, 24), (16, 12, 12)
_BITS = 4  # sub-pixel bits of OpenCV's fixed-point coordinates

Color = tuple[float, float, float]
Points = NDArray[np.float64]

_ALONG = np.linspace(-1, 1, 17)
_CIRCLE = np.stack([np.cos(np.pi * _ALONG), np.sin(np.pi * _ALONG)], axis=1)
# Light and shadow on a face from the front left: x from the middle, y, radii, strength; pairs lie on both sides.
_PAIRS = (
    (29, 140, 19, 11, -0.14), (12, 136, 8, 12, -0.12), (34, 172, 18, 11, 0.08), (11, 172, 5, 14, -0.12),
    (15, 184, 4, 7, -0.14), (50, 205, 16, 26, -0.14),
)  # fmt: skip
_SINGLE = (
    (-14, 108, 34, 17, 0.06), (0, 84, 64, 10, -0.16), (-2, 152, 5, 24, 0.12), (-2, 178, 7, 6, 0.16),
    (1, 191, 15, 4, -0.3), (0, 226, 15, 5, -0.14), (0, 262, 46, 16, -0.36), (70, 170, 30, 80, -0.22),
)  # fmt: skip


class Look(NamedTuple):
    """Colours are RGB, 0-255; `hair_y` is the row down to which the hair falls."""

    skin: Color
    hair: Color
    lips: Color
    clothes: Color
    hair_y: int


class Portrait:
    """One person; what does not move is drawn once."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._still = _draw_still(look)

    def draw(self, valence: float, arousal: float, blink: float = 0.0) -> UInt8Array:
        """The person with an expression, valence and arousal −1..1, eyes open at `blink` 0 and shut at 1.

        Returns:
            uint8 (HEIGHT, WIDTH, 4): RGB times the cover, and the cover, 0-255.
        """
        picture = self._still.copy()
        smile, frown = max(valence, 0.0), max(-valence, 0.0)
        alert, calm = max(arousal, 0.0), max(-arousal, 0.0)
        for side in (-1, 1):
            self._draw_eye(picture, side, (1 + 0.4 * alert - 0.3 * calm - 0.25 * smile) * (1 - blink))
            self._draw_brow(picture, side, lift=7 * alert * (1 - frown) - 2 * calm, drop=7 * frown)
        self._draw_mouth(picture, smile, frown, opening=smile * (0.3 + 0.5 * alert) + 0.5 * alert * (1 - frown) ** 2)
        part = picture[_FEATURES]
        part[:] = cv2.GaussianBlur(part, (0, 0), 0.7)
        return picture

    def _draw_eye(self, picture: UInt8Array, side: int, opening: float) -> None:
        x = MIDDLE + side * _EYE_X
        upper, lower = _arc(x, 15, _EYE_Y, _EYE_Y - 9 * opening), _arc(x, 15, _EYE_Y, _EYE_Y + 6 * opening)
        _fill(picture, _between(_arc(x, 16, _EYE_Y, _EYE_Y - 9 * opening - 6), upper), _dim(self._look.skin, 0.74))
        _fill(picture, _between(upper, lower), _WHITE)
        for radius, color in ((7, _dim(self._look.hair, 0.8)), (3, _BLACK)):
            disc = radius * _CIRCLE + (x, _EYE_Y - 1)  # what of it lies between the lids
            disc[:, 1] = np.clip(disc[:, 1], *(np.interp(disc[:, 0], *lid.T) for lid in (upper, lower)))
            _fill(picture, disc, color)
        _stroke(picture, upper, _BLACK, 2)

    def _draw_brow(self, picture: UInt8Array, side: int, lift: float, drop: float) -> None:
        """`drop` lowers the inner end and draws it to the middle."""
        x, y = MIDDLE + side * (_EYE_X + 1 - drop / 4), _EYE_Y - 19 - lift
        upper, lower = _arc(x, 19, y, y - 7), _arc(x, 19, y, y - 1)
        slope = drop * np.clip(side * (x - upper[:, 0]) / 19, -0.2, 1)
        upper[:, 1] += slope
        lower[:, 1] += slope
        _fill(picture, _between(upper, lower), _dim(self._look.hair, 0.8))

    def _draw_mouth(self, picture: UInt8Array, smile: float, frown: float, opening: float) -> None:
        half, ends_y = 25 + 9 * smile - 5 * opening * (1 - smile), _MOUTH_Y - 9 * smile + 7 * frown
        top, bottom = _MOUTH_Y + 1.5 * smile - 2 * frown, _MOUTH_Y + 2 * smile - 2 * frown + 22 * opening
        upper, lower = _arc(MIDDLE, half, ends_y, top), _arc(MIDDLE, half, ends_y, bottom)
        _fill(picture, _between(_arc(MIDDLE, half, ends_y, top - 6), upper), _dim(self._look.lips, 0.85))
        _fill(picture, _between(lower, _arc(MIDDLE, half, ends_y, bottom + 7)), self._look.lips)
        _fill(picture, _between(upper, lower), _MOUTH)
        teeth = np.minimum(upper + np.array([0, 4 + 6 * smile]), lower)
        _fill(picture, _between(upper, teeth), _TEETH)
        _stroke(picture, upper, _dim(self._look.lips, 0.4), 1)


def _draw_still(look: Look) -> UInt8Array:
    """Hair, clothes, neck and a face without features, on a transparent canvas."""
    canvas = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    cv2.ellipse(canvas, (MIDDLE, 130), (80, 88), 0, 0, 360, (*_dim(look.hair, 0.8), 255), -1, cv2.LINE_AA)
    cv2.rectangle(canvas, (60, 130), (220, look.hair_y), (*_dim(look.hair, 0.8), 255), -1)
    cv2.ellipse(canvas, (MIDDLE, 430), (130, 135), 0, 0, 360, (*look.clothes, 255), -1, cv2.LINE_AA)
    cv2.rectangle(canvas, (10, 430), (270, HEIGHT), (*look.clothes, 255), -1)
    cv2.ellipse(canvas, (MIDDLE, 290), (42, 28), 0, 0, 360, (*_dim(look.skin, 0.85), 255), -1, cv2.LINE_AA)
    cv2.rectangle(canvas, (105, 200), (175, 290), (*_dim(look.skin, 0.85), 255), -1)
    cv2.ellipse(canvas, (MIDDLE, 146), (64, 70), 0, 0, 360, (*look.skin, 255), -1, cv2.LINE_AA)
    cv2.ellipse(canvas, (MIDDLE, 170), (61, 83), 0, 0, 360, (*look.skin, 255), -1, cv2.LINE_AA)
    cv2.ellipse(canvas, (MIDDLE, 96), (72, 50), 0, 180, 360, (*look.hair, 255), -1, cv2.LINE_AA)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    light = np.ones((HEIGHT, WIDTH), np.float32)
    for offset, row, rx, ry, strength in (*_PAIRS, *((-spot[0], *spot[1:]) for spot in _PAIRS), *_SINGLE):
        light += strength * np.exp(-(((x - MIDDLE - offset) / rx) ** 2) - ((y - row) / ry) ** 2)
    canvas[..., :3] = np.clip(np.rint(canvas[..., :3] * light[..., None]), 0, 255)
    return canvas


def _arc(x: float, half: float, ends_y: float, middle_y: float) -> Points:
    """A parabola around column `x`, from left to right: float64 (N, 2)."""
    return np.stack([x + half * _ALONG, middle_y + (ends_y - middle_y) * _ALONG**2], axis=1)


def _between(one: Points, other: Points) -> Points:
    """The outline of what lies between two lines."""
    return np.concatenate([one, other[::-1]])


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.rint(points * (1 << _BITS)).astype(np.int32)


def _fill(picture: UInt8Array, outline: Points, color: Color) -> None:
    cv2.fillPoly(picture, [_fixed(outline)], (*color, 255), cv2.LINE_AA, _BITS)


def _stroke(picture: UInt8Array, line: Points, color: Color, width: int) -> None:
    cv2.polylines(picture, [_fixed(line)], False, (*color, 255), width, cv2.LINE_AA, _BITS)


def _dim(color: Color, factor: float) -> Color:
    return (color[0] * factor, color[1] * factor, color[2] * factor)
