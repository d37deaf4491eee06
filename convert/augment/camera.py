"""What a camera and its coding do to a picture float32 or uint8 (S, S, 3), RGB, 0-255."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import UInt8Array

Values = NDArray[np.float32]


def blur_motion(values: Values, length: float, angle: float) -> Values:
    """Motion of `length` pixels in a direction (radians)."""
    side = int(np.ceil(length)) | 1
    kernel = np.zeros((side, side), np.float32)
    half = (side - 1) / 2
    step = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    start, end = np.rint(half - step).astype(int), np.rint(half + step).astype(int)
    cv2.line(kernel, tuple(map(int, start)), tuple(map(int, end)), 1.0)
    return np.asarray(cv2.filter2D(values, -1, kernel / kernel.sum()), np.float32)


def flicker(values: Values, depth: float, bands: float, phase: float) -> Values:
    """Bands of light from top to bottom, as a rolling shutter sees a lamp that pulses."""
    rows = np.linspace(0, 2 * np.pi * bands, len(values), dtype=np.float32)
    return np.asarray(values * (1 + depth * np.sin(rows + np.float32(phase)))[:, None, None], np.float32)


def sharpen(values: Values, amount: float) -> Values:
    """Unsharp masking, with the halos that it leaves."""
    clipped = np.clip(values, 0, 255)
    return np.asarray(clipped + amount * (clipped - cv2.GaussianBlur(clipped, (0, 0), 1.0)), np.float32)


def tone(values: Values, strength: float) -> Values:
    """A tone curve: above 0 an S (contrast in the middle), below 0 its opposite; black and white stay."""
    x = np.clip(values, 0, 255) / np.float32(255)
    return np.asarray(255 * (x + np.float32(strength) * (x * x * (3 - 2 * x) - x)), np.float32)


def code_jpeg(pixels: UInt8Array, quality: int) -> UInt8Array:
    """To JPEG and back, colour at half the resolution."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def code_video(pixels: UInt8Array, quality: int, rng: np.random.Generator) -> UInt8Array:
    """Nearly what a video codec leaves of a frame.

    An approximation, since OpenCV brings no H.264 encoder and none works in memory: a key frame a moment ago, coded
    coarsely on a grid of blocks elsewhere and smoothed where blocks meet, predicts this one; of what is left over,
    only what survives still coarser coding is added.
    """
    size = pixels.shape[0]
    x, y = rng.uniform(-1.5, 1.5, 2).tolist()
    matrix = np.array([[1, 0, x], [0, 1, y]])
    moved: dict[str, Any] = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    before = np.asarray(cv2.warpAffine(pixels, matrix, (size, size), **moved), np.uint8)
    key = _deblocked(code_jpeg(before, quality))
    matrix[:, 2] *= -1
    predicted = cv2.warpAffine(key, matrix, (size, size), **moved).astype(np.int16)
    rest = np.clip((pixels.astype(np.int16) - predicted) // 2 + 128, 0, 255).astype(np.uint8)
    left = code_jpeg(rest, max(quality // 2, 4)).astype(np.int16) - 128
    return np.clip(predicted + 2 * left, 0, 255).astype(np.uint8)


def _deblocked(pixels: UInt8Array) -> UInt8Array:
    smooth = cv2.blur(pixels, (3, 3))
    at = np.arange(pixels.shape[0]) % 8
    edge = (at == 0) | (at == 7)
    return np.where((edge[:, None] | edge[None])[..., None], smooth, pixels)
