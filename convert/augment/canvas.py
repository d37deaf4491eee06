"""The canvas on which occluders are painted: premultiplied RGBA above the crop's resolution, in units of its side."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = Sequence[float] | NDArray[np.floating]
Points = Sequence[Sequence[float]] | NDArray[np.floating]
_SCALE = 2
_SHIFT = 4


class Canvas:
    """One thing being painted; points are (x, y) in units of the crop's side about the thing's own middle.

    Args:
        size: side of the crop, pixels.
        reach: half the side of the canvas, in units of the crop's side.
        rgb: of the material, 0-255.
        rng: of the details.
    """

    def __init__(self, size: int, reach: float, rgb: Rgb, rng: np.random.Generator) -> None:
        self.rgb, self.rng = np.array(rgb, np.float64), rng
        self._reach, self._out = reach, round(2 * reach * size)
        self._unit = _SCALE * self._out / (2 * reach)
        self._pixels = np.zeros((self._out * _SCALE, self._out * _SCALE, 4), np.uint8)

    def fill(self, points: Points, rgb: Rgb, alpha: float = 1.0) -> None:
        """Fills a polygon (N, 2); what was there before is replaced, also where `alpha` is below 1."""
        cv2.fillPoly(self._pixels, [self._fixed(points)], _premultiplied(rgb, alpha), cv2.LINE_AA, _SHIFT)

    def stroke(self, points: Points, width: float, rgb: Rgb, *, closed: bool = False) -> None:
        """Draws a line through points (N, 2), `width` in units of the side, with round ends."""
        thickness = max(1, round(width * self._unit))
        cv2.polylines(
            self._pixels, [self._fixed(points)], closed, _premultiplied(rgb, 1.0), thickness, cv2.LINE_AA, _SHIFT
        )

    def soften(self, width: float) -> None:
        """Blurs what is painted so far; `width` in units of the side."""
        cv2.GaussianBlur(self._pixels, (0, 0), width * self._unit / 3, dst=self._pixels)

    def finish(self, *, slope: float = 0.2, grain: float = 0.03) -> NDArray[np.uint8]:
        """What was painted, uint8 (P, P, 4), premultiplied RGBA at the crop's resolution.

        Args:
            slope: how much lighter one side is, in a direction drawn.
            grain: standard deviation of the material's texture, relative.
        """
        small = cv2.resize(self._pixels, (self._out, self._out), interpolation=cv2.INTER_AREA).astype(np.float32)
        angle, at = self.rng.uniform(0, 2 * np.pi), np.linspace(-1, 1, self._out, dtype=np.float32)
        light = 1 + np.float32(slope) * (np.float32(np.cos(angle)) * at[None] + np.float32(np.sin(angle)) * at[:, None])
        noise = cv2.GaussianBlur(self.rng.standard_normal(light.shape, np.float32), (0, 0), 1.2)
        light = light * (1 + noise * np.float32(grain / noise.std()))
        small[:, :, :3] = np.minimum(small[:, :, :3] * light[:, :, None], small[:, :, 3:])
        return np.asarray(np.clip(np.rint(small), 0, 255), np.uint8)

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        pixels = (np.asarray(points, np.float64) + self._reach) * self._unit - 0.5
        return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)


def _premultiplied(rgb: Rgb, alpha: float) -> tuple[float, float, float, float]:
    red, green, blue = (np.clip(np.asarray(rgb, np.float64), 0, 255) * alpha).tolist()
    return red, green, blue, 255.0 * alpha


def smooth(points: Points, *, closed: bool = True) -> NDArray[np.float64]:
    """A Catmull-Rom curve through points (N, 2), five points a piece."""
    knots = np.asarray(points, np.float64)
    ends = (knots[-1:], knots[:2]) if closed else (knots[:1], knots[-1:])
    padded = np.concatenate([ends[0], knots, ends[1]])
    a, b, c, d = (padded[n : len(padded) - 3 + n, None] for n in range(4))
    t = (np.arange(5) / 5)[None, :, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    flat = curve.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, knots[-1:]])


def ellipse(x: float, y: float, half_width: float, half_height: float, power: float = 2.0) -> NDArray[np.float64]:
    """A superellipse as a polygon (24, 2); a `power` above 2 makes it squarer."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    cos, sin = np.cos(turn), np.sin(turn)
    round_x, round_y = (np.sign(each) * np.abs(each) ** (2 / power) for each in (cos, sin))
    return np.stack([x + half_width * round_x, y + half_height * round_y], axis=1)
