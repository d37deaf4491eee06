"""The one crop: what the network sees on the device, in training, in calibration and in evaluation."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edge.errors import FrameError
from edge.geometry import CropRule, Square, face_square, square_to_crop
from edge.values import Float32Array, UInt8Array, check_picture

_FAR_PX = 1e6  # no face lies so far outside of a frame or is so large
_GREY = (127, 127, 127, 127)  # zero after normalization: outside of the frame says nothing


def align_face(pixels: UInt8Array, landmarks_px: Float32Array, size: int, rule: CropRule) -> UInt8Array:
    """Cuts the aligned square of a face out of a frame.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        landmarks_px: float32 (5, 2), as in `Detection`.
        size: side of the crop, pixels.
        rule: the bundle's crop rule.

    Returns:
        uint8 (size, size, 3), RGB; grey where the square reaches outside of the frame.

    Raises:
        FrameError: no such picture, or landmarks that are not finite or far away.
    """
    return cut_square(pixels, face_square(landmarks_px, rule), size)


def cut_square(pixels: UInt8Array, square: Square, size: int, out: UInt8Array | None = None) -> UInt8Array:
    """Cuts a turned square out of a frame; arguments and result as in `align_face`, `out` to be written into.

    Where the face is at least twice as large as the crop, the region is first averaged down by a whole factor:
    sampling it directly would alias, and a close face would look unlike a far one.
    """
    check_picture(pixels)
    if not all(abs(number) < _FAR_PX for number in square):  # also for what is not a number
        raise FrameError(f"a face nowhere near the frame: {square}")
    factor = max(1, min(int(square.side // size), *pixels.shape[:2]))
    pixels, (left, top) = _region(pixels, square, factor)
    if factor >= 2:
        smaller = (pixels.shape[1] // factor, pixels.shape[0] // factor)
        pixels = np.asarray(cv2.resize(pixels, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    middle = (factor - 1) / 2  # of the pixels that became one
    matrix = square_to_crop(
        Square(
            (square.center_x - left - middle) / factor,
            (square.center_y - top - middle) / factor,
            square.side / factor,
            square.roll,
        ),
        size,
    )
    # Four channels, since OpenCV 5.0 has vector code for them and none for three: half the time, the same values.
    crop = cv2.warpAffine(
        cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA), matrix, (size, size),
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=_GREY,
    )  # fmt: skip
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGBA2RGB, dst=out), np.uint8)


def _region(pixels: UInt8Array, square: Square, factor: int) -> tuple[UInt8Array, tuple[int, int]]:
    """The upright part of the frame that holds the square, its sides whole multiples of `factor`, and its origin."""
    height, width = pixels.shape[:2]
    # Half of the square's extent, or for averaging that of its farthest turn: there the region's corner decides which
    # pixels become one, and a face must not shimmer as it turns.
    extent = 0.7072 if factor > 1 else (abs(math.cos(square.roll)) + abs(math.sin(square.roll))) / 2
    reach = square.side * extent + 2 * factor
    x1 = min(max(int(square.center_x - reach), 0), width - factor)
    y1 = min(max(int(square.center_y - reach), 0), height - factor)
    x2 = min(max(int(square.center_x + reach), x1 + factor), width)
    y2 = min(max(int(square.center_y + reach), y1 + factor), height)
    x2 -= (x2 - x1) % factor
    y2 -= (y2 - y1) % factor
    return pixels[y1:y2, x1:x2], (x1, y1)
