"""The moving features of a drawn face: brows, eyes, mouth, cheeks and folds, set by valence and arousal.

Pleasure raises cheeks and corners of the mouth, displeasure lowers these and the inner brows, arousal opens all.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.demo.brush import Color, Field, disc, fill, smooth, stroke
from edge.demo.portrait import EYE_X, EYE_Y, MIDDLE, MOUTH_Y, WIDTH, Bust, Layer, Look
from edge.values import UInt8Array

_JAW_TOP, _CHIN, _JAW_END = 196, 252, 306  # rows: the falling jaw stretches what is above the chin, squeezes below
_LEFT, _RIGHT = 70, 210  # columns in which folds and cheeks are shaded
_WHITE, _TEETH, _MOUTH, _TONGUE = (232, 228, 224), (238, 234, 226), (58, 22, 24), (176, 84, 84)
_TOP, _BOTTOM = 100, 262  # rows in which folds and cheeks are shaded


class Pose(NamedTuple):
    """A face at one instant."""

    valence: float  # −1..1
    arousal: float  # −1..1
    blink: float = 0.0  # 0 open to 1 shut
    gaze: tuple[float, float] = (0.0, 0.0)  # where the eyes look, (right, down), −1..1 of the picture


class _Action:
    """Strengths of what moves, 0–1 each."""

    def __init__(self, pose: Pose) -> None:
        lively = min(max(0.5 + 0.9 * pose.arousal, 0.0), 1.0)
        self.smile, self.frown = max(pose.valence, 0.0), max(-pose.valence, 0.0)
        self.alert, self.drowsy = max(pose.arousal, 0.0), max(-pose.arousal, 0.0)
        self.anger, self.sorrow = self.frown * lively, self.frown * (1 - lively)
        startle = max(self.alert - 0.2, 0.0) / 0.8
        startled = (1 - self.smile) * (1 - 0.55 * self.frown) * 0.75 * startle**1.2
        self.opening = min(self.smile * (0.28 + 0.5 * self.alert) + startled, 1.0)


class Portrait:
    """One drawn person; what does not move is painted once."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._bust = Bust(look).paint()
        self._skin = _mean(look.skin, 0.88)
        self._lid = _mean(look.skin, 0.74)
        self._line = tuple(value * factor for value, factor in zip(look.skin, (0.40, 0.29, 0.27), strict=True))
        solid = self._bust.cover[_TOP:_BOTTOM, _LEFT:_RIGHT, None] > 250
        self._smile, self._frown = (fold * solid for fold in _folds(look.skin))

    def draw(self, pose: Pose) -> Layer:
        """Draws the person as a layer."""
        action = _Action(pose)
        jaw = round(17 * action.opening)
        pixels, cover = self._bust.pixels.copy(), self._bust.cover
        if jaw:
            cover = cover.copy()
            for layer, bust in ((pixels, self._bust.pixels), (cover, self._bust.cover)):
                layer[_JAW_TOP : _CHIN + jaw] = _stretched(bust[_JAW_TOP:_CHIN], _CHIN + jaw - _JAW_TOP)
                layer[_CHIN + jaw : _JAW_END] = _stretched(bust[_CHIN:_JAW_END], _JAW_END - _CHIN - jaw)
        face = pixels[_TOP : _BOTTOM + 20]
        self._shade(face, action)
        for side in (-1, 1):
            self._eye(face, side, pose, action)
            self._brow(face, side, action)
        self._mouth(face, action, jaw)
        return Layer(pixels, cover)

    def _shade(self, face: UInt8Array, action: _Action) -> None:
        frown = max(action.frown, 0.35 * action.anger)
        amount = cv2.addWeighted(self._smile, action.smile, self._frown, frown, 0)
        region = face[: _BOTTOM - _TOP, _LEFT:_RIGHT]
        region[:] = cv2.add(region, amount, dtype=cv2.CV_8U)

    def _eye(self, face: UInt8Array, side: int, pose: Pose, action: _Action) -> None:
        wide = 0.92 + 0.42 * action.alert * (1 - 0.85 * action.smile) - 0.34 * action.drowsy
        wide -= 0.26 * action.smile + 0.16 * action.anger
        wide = max(wide * (1 - pose.blink), 0.04)
        x, y = MIDDLE + side * EYE_X * self._look.width, EYE_Y - _TOP
        up, low = 8.2 * wide, 5.2 * wide * (1 - 0.35 * action.smile) + 0.4
        inner, outer = -side * 14.5, side * 15.0
        tilt = -1.5 + 1.2 * action.sorrow
        upper = [(x + inner, y + 2.0), (x + 0.55 * inner, y - 0.72 * up + 0.6), (x, y - up),
                 (x + 0.6 * outer, y - 0.72 * up + 0.5 * tilt), (x + outer, y + tilt)]  # fmt: skip
        lower = [(x + 0.6 * outer, y + 0.72 * low + 0.4 * tilt), (x, y + low), (x + 0.55 * inner, y + 0.8 * low + 0.8)]
        top = smooth(upper, closed=False, steps=5)
        slit = np.concatenate([top, smooth([upper[-1], *lower, upper[0]], closed=False, steps=5)])
        patch, origin, ball = _patch(face, slit, 5, _WHITE)
        # The lid: skin over the ball of the eye, with its crease above.
        fill(face, np.concatenate([top, [(x + outer, y - 5), (x, y - up - 4.5), (x + inner, y - 2)]]), self._lid)
        crease = top - np.array([0, 3.6 + 1.6 * wide])
        stroke(face, crease[3:-2], self._line, 1)
        iris = (x + 4.5 * pose.gaze[0] - origin[0], y - 0.9 + 2.5 * pose.gaze[1] - origin[1])
        disc(ball, iris, 7.6, tuple(0.45 * value for value in self._look.iris))
        disc(ball, iris, 6.6, self._look.iris)
        disc(ball, iris, 3.1 + 0.5 * action.alert, (14, 12, 12))
        shadow = slit[: len(top)] - origin + np.array([0, 1.5])
        stroke(ball, shadow, (150, 140, 138), 2)
        disc(ball, (iris[0] - 2.4, iris[1] - 2.6), 1.7, (255, 255, 255))
        inside = np.zeros(patch.shape[:2], np.uint8)
        fill(inside, slit - origin, 255)
        _blend(patch, ball, inside)
        stroke(face, slit[len(top) :], self._lid, 1)
        stroke(face, top, _mean(self._look.hair, 0.35), 2)

    def _brow(self, face: UInt8Array, side: int, action: _Action) -> None:
        x, y = MIDDLE + side * EYE_X * self._look.width, EYE_Y - _TOP - 21.0
        lift = 7.5 * action.alert * (1 - action.anger) * (1 - 0.7 * action.smile) - 1.5 * action.drowsy
        inner_drop = 8.0 * action.anger - 8.5 * action.sorrow
        draw_in = 3.0 * action.anger + 1.5 * action.sorrow
        inner, outer = -side * (17 + draw_in), side * 20
        line = [(inner, 1.0 + inner_drop), (0.4 * inner, -2.2 + 0.5 * inner_drop), (0.45 * outer, -4.0),
                (outer, 2.0 + 0.2 * action.sorrow)]  # fmt: skip
        spine = smooth([(x + dx, y + dy - lift) for dx, dy in line], closed=False, steps=6)
        thick = np.interp(np.linspace(0, 1, len(spine)), [0, 0.2, 0.6, 1], [2.6, 3.4, 2.7, 0.6])[:, None]
        outline = np.concatenate([spine - (0, 1) * thick, (spine + (0, 1) * thick)[::-1]])
        patch, origin, paint = _patch(face, outline, 3, _mean(self._look.hair, 0.8))
        cover = np.zeros(patch.shape[:2], np.uint8)
        fill(cover, outline - origin, 225)
        _blend(patch, paint, cv2.GaussianBlur(cover, (0, 0), 0.8))

    def _mouth(self, face: UInt8Array, action: _Action, jaw: int) -> None:
        smile, frown, opening = action.smile, action.frown, action.opening
        y = MOUTH_Y - _TOP
        half = 24.5 + 9.5 * smile - 2.0 * action.sorrow - 5.0 * opening * (1 - smile) * (1 - action.anger)
        corner = y - 0.9 - 9.5 * smile + 7.0 * frown + 0.25 * jaw * (1 - smile)
        upper_gap = y - 0.6 + 1.5 * smile - 1.5 * frown - 0.10 * jaw + 1.2 * smile * opening
        lower_gap = upper_gap + 1.0 + 21.0 * opening + 1.5 * smile * (opening > 0)
        thick_up, thick_low = 5.6 - 1.8 * smile - 1.6 * action.anger, 7.8 - 2.0 * smile - 1.6 * action.anger
        bend = 0.5 * (corner - upper_gap)
        m, wide, slim = MIDDLE, 0.55 * half, 0.5 * half
        left, right = (m - half, corner), (m + half, corner)
        above, below = upper_gap - 0.75 * thick_up + 0.4 * bend, lower_gap + 0.8 * thick_low + 0.35 * bend
        between, under_y = upper_gap + 0.45 * bend, lower_gap + 0.5 * bend
        seam = smooth([left, (m - wide, between), (m - 4, upper_gap - 0.3), (m, upper_gap + 0.8),
                       (m + 4, upper_gap - 0.3), (m + wide, between), right], closed=False, steps=5)  # fmt: skip
        under = smooth([right, (m + wide, under_y), (m, lower_gap), (m - wide, under_y), left], closed=False)
        top = smooth([right, (m + slim, above), (m + 5, upper_gap - thick_up), (m, upper_gap - thick_up + 1.6),
                      (m - 5, upper_gap - thick_up), (m - slim, above), left], closed=False, steps=5)  # fmt: skip
        base = smooth([left, (m - wide, below), (m, lower_gap + thick_low), (m + wide, below), right], closed=False)
        lips = np.array(self._look.lips)
        fill(face, np.concatenate([seam, top]), 0.86 * lips)
        fill(face, np.concatenate([base, under]), lips)
        if opening > 0.04:
            self._cavity(face, np.concatenate([seam, under]), upper_gap, lower_gap, half, action)
        gleam = [(m - 8, lower_gap + 0.45 * thick_low), (m + 5, lower_gap + 0.45 * thick_low)]
        stroke(face, gleam, np.minimum(1.14 * lips + 14, 255), 2)
        stroke(face, seam, 0.36 * lips, 1 if opening > 0.04 else 2)
        for x, out in ((left[0], -1), (right[0], 1)):
            disc(face, (x + 0.5 * out, corner), 1.8, self._line)

    def _cavity(
        self, face: UInt8Array, gap: NDArray[np.float64], upper: float, lower: float, half: float, action: _Action
    ) -> None:
        patch, origin, paint = _patch(face, gap, 2, _MOUTH)
        inside = np.zeros(patch.shape[:2], np.uint8)
        fill(inside, gap - origin, 255)
        deep = lower - upper
        tongue = smooth([(MIDDLE + dx * half, lower + dy) for dx, dy in ((-0.5, 6), (0, -0.34 * deep), (0.5, 6))])
        fill(paint, tongue - origin, _TONGUE)
        show = min(0.62 * deep + 2.0, 4.0 + 5.0 * action.smile + 2.0 * action.anger)
        rise = 0.35 * action.smile * 9
        teeth = [(-0.86, -rise - 6), (0.86, -rise - 6), (0.84, show - 0.9 * rise), (0.4, show - 0.2 * rise), (0, show),
                 (-0.4, show - 0.2 * rise), (-0.84, show - 0.9 * rise)]  # fmt: skip
        fill(paint, np.array([(MIDDLE + dx * half, upper + dy) for dx, dy in teeth]) - origin, _TEETH)
        _blend(patch, paint, inside)


def _folds(skin: Color) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """What a full smile and a full frown add to the skin, int16 (rows, columns, 3)."""
    field = Field(WIDTH, _BOTTOM)
    smile, frown, red = (np.zeros(field.shape, np.float32) for _ in range(3))
    for side in (-1, 1):
        for step in np.linspace(0, 1, 9):  # from the wing of the nose round the corner of the mouth
            x = MIDDLE + side * (19 + 24 * step**0.8)
            smile -= 0.085 * (1 - 0.5 * step) * field.spot(x, 182 + 30 * step, 3.4, 4.5)
            frown -= 0.060 * (1 - 0.3 * step) * field.spot(x - 6 * side * step, 184 + 40 * step, 3.2, 5)
        smile += 0.15 * field.spot(MIDDLE + side * 39, 176, 15, 9) - 0.10 * field.spot(MIDDLE + side * 33, 158, 17, 2.6)
        smile -= 0.06 * field.spot(MIDDLE + side * 54, 148, 5, 7)
        red += field.spot(MIDDLE + side * 39, 179, 17, 11)
        frown -= 0.17 * field.spot(MIDDLE + side * 5.5, 127, 2.2, 8) + 0.07 * field.spot(MIDDLE + side * 27, 222, 4, 7)
    frown -= 0.08 * field.spot(MIDDLE, 229, 14, 4)
    tone = np.array(skin, np.float32) * np.array([0.9, 1.0, 1.05], np.float32)
    blush = np.array([0.03, -0.02, -0.014], np.float32) * max(skin)
    pleased = smile[..., None] * tone + red[..., None] * blush
    return _as_change(pleased), _as_change(frown[..., None] * tone)


def _as_change(shade: NDArray[np.floating]) -> NDArray[np.int16]:
    return np.asarray(np.rint(shade[_TOP:, _LEFT:_RIGHT]), np.int16)


def _stretched(rows: UInt8Array, height: int) -> UInt8Array:
    return np.asarray(cv2.resize(rows, (rows.shape[1], height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _mean(color: Color, factor: float) -> Color:
    return (color[0] * factor, color[1] * factor * 0.96, color[2] * factor * 0.94)


def _patch(
    face: UInt8Array, outline: NDArray[np.float64], margin: int, color: Color
) -> tuple[UInt8Array, tuple[int, int], UInt8Array]:
    """The part of a picture around an outline, its left upper corner, and paint of its size."""
    left, top = (max(int(edge) - margin, 0) for edge in np.floor(outline.min(axis=0)))
    right, bottom = (int(edge) + margin for edge in np.ceil(outline.max(axis=0)))
    patch = face[top:bottom, left:right]
    paint = np.empty_like(patch)
    paint[:] = np.clip(color, 0, 255)
    return patch, (left, top), paint


def _blend(under: UInt8Array, over: UInt8Array, cover: NDArray[np.integer | np.floating]) -> None:
    """Mixes `over` into `under` in place; cover is (H, W), 0–255."""
    share = np.asarray(cover, np.float32)[..., None] * np.float32(1 / 255)
    under[:] = np.rint(under + (over.astype(np.float32) - under) * share).astype(np.uint8)
