"""Drawing functions: smooth outlines, soft spots, anti-aliased fills."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Float32Array, UInt8Array

Color = tuple[float, float, float]
Paint = Sequence[float] | NDArray[np.floating]
Points = Sequence[tuple[float, float]] | NDArray[np.float64]

_BITS = 4  # sub-pixel bits of OpenCV's fixed-point corners


def smooth(points: Points, *, steps: int = 6, closed: bool = True) -> NDArray[np.float64]:
    """A Catmull–Rom curve through points (N, 2), `steps` for each: float64 (M, 2). Closed, the last joins the first."""
    given = np.asarray(points, np.float64)
    if closed:
        around = np.concatenate([given[-1:], given, given[:2]])
    else:
        around = np.concatenate([2 * given[:1] - given[1:2], given, 2 * given[-1:] - given[-2:-1]])
    spans = np.stack([around[:-3], around[1:-2], around[2:-1], around[3:]])
    curve = np.einsum("sk,knd->nsd", _weights(steps), spans).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, given[-1:]])


@cache
def _weights(steps: int) -> NDArray[np.float64]:
    """Weights of four neighbouring points along a span, (steps, 4)."""
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    powers = np.concatenate([t**0, t, t**2, t**3], axis=1)
    return powers @ (0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]))


def mirrored(half: Points, middle: float) -> NDArray[np.float64]:
    """A closed outline from its right half, given from top to bottom as (offset from the middle, y)."""
    right = np.asarray(half, np.float64)
    left = right[::-1] * (-1, 1)
    keep = left[np.abs(left[:, 0]) > 1e-6]
    return np.add(np.concatenate([right, keep]), (middle, 0.0), dtype=np.float64)


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.rint(np.asarray(points, np.float64) * (1 << _BITS)).astype(np.int32)


def fill(image: UInt8Array, outline: Points, color: Paint | float) -> None:
    """Fills an outline, in place."""
    cv2.fillPoly(image, [_fixed(outline)], _scalar(color), lineType=cv2.LINE_AA, shift=_BITS)


def stroke(image: UInt8Array, line: Points, color: Paint, width: int) -> None:
    """Draws an open line, `width` in pixels, in place."""
    cv2.polylines(image, [_fixed(line)], False, _scalar(color), width, cv2.LINE_AA, _BITS)


def disc(image: UInt8Array, center: tuple[float, float], radius: float, color: Paint) -> None:
    """Draws a filled circle, in place."""
    x, y = (round(value * (1 << _BITS)) for value in center)
    cv2.circle(image, (x, y), max(round(radius * (1 << _BITS)), 1), _scalar(color), -1, cv2.LINE_AA, _BITS)


def mask(shape: tuple[int, int], outline: Points, blur: float = 0) -> Float32Array:
    """The share of each pixel that lies in an outline, float32 (H, W), 0–1; `blur` in pixels."""
    covered = np.zeros(shape, np.uint8)
    fill(covered, outline, 255)
    soft: Float32Array = np.divide(covered, 255, dtype=np.float32)
    return np.asarray(cv2.GaussianBlur(soft, (0, 0), blur), np.float32) if blur > 0 else soft


class Field:
    """Coordinates of pixels: `x` is float32 (1, W) and `y` float32 (H, 1)."""

    def __init__(self, width: int, height: int) -> None:
        self.shape = (height, width)
        self.x: Float32Array = np.arange(width, dtype=np.float32)[None, :]
        self.y: Float32Array = np.arange(height, dtype=np.float32)[:, None]

    def spot(self, x: float, y: float, rx: float, ry: float) -> Float32Array:
        """A Gaussian spot, float32 (H, W), 1 in its middle."""
        across, down = np.exp(-(((self.x - x) / rx) ** 2)), np.exp(-(((self.y - y) / ry) ** 2))
        return np.asarray(across * down, np.float32)


def _scalar(color: Paint | float) -> Sequence[float]:
    return (color,) if isinstance(color, int | float) else tuple(float(value) for value in color)
