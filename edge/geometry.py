"""Plane geometry on boxes and landmarks: overlap, letterboxing, and the aligned square of a face.

Owns no state and touches no pixels. Points are (x, y) in pixels of the frame, x to the right, y down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.values import Float32Array

# Arithmetic on a handful of points is done on Python's own numbers: a NumPy call costs more than all of it.

RIGHT_EYE, LEFT_EYE, NOSE, RIGHT_MOUTH, LEFT_MOUTH = range(5)


class CropRule(NamedTuple):
    """How the square around a face is laid; a bundle's manifest names the values it was trained with.

    Attributes:
        eye_mouth: side of the square in units of the distance between the eyes' middle and the mouth.
        eye_eye: side in units of the distance between the eyes; the larger of the two wins, so that a turned
            face, whose eyes draw together, keeps its size.
        eye_weight: where between mouth (0) and eyes (1) the centre lies.
    """

    eye_mouth: float = 3.0
    eye_eye: float = 2.6
    eye_weight: float = 0.45


class Square(NamedTuple):
    """A turned square: centre (x, y) and side in pixels, roll in radians (positive turns x towards y)."""

    center_x: float
    center_y: float
    side: float
    roll: float


class Letterbox(NamedTuple):
    """A frame scaled to fit a square, with its top-left corner at (left, top) of the square; all in square pixels."""

    scale: float
    left: int
    top: int
    width: int
    height: int

    def to_frame(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Maps (..., 2) points of the square back into pixels of the frame."""
        return (points - np.array([self.left, self.top], dtype=points.dtype)) / points.dtype.type(self.scale)


def letterbox(width: int, height: int, side: int) -> Letterbox:
    """Fits a frame of `width` × `height` pixels centred into a square of `side` pixels without distortion."""
    scale = side / max(width, height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    return Letterbox(scale, (side - w) // 2, (side - h) // 2, w, h)


def box_iou(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes (x1, y1, x2, y2)."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared)


def face_square(landmarks_px: Float32Array, rule: CropRule) -> Square:
    """Lays the aligned square of a face from its eyes and mouth.

    Args:
        landmarks_px: float32 (5, 2) as in `Detection`.
        rule: the bundle's crop rule.

    Returns:
        The square; its side is at least one pixel.
    """
    (right_x, right_y), (left_x, left_y), _, *corners = landmarks_px.tolist()
    eyes_x, eyes_y = (right_x + left_x) / 2, (right_y + left_y) / 2
    mouth_x, mouth_y = _middle(*corners)
    across_x, across_y = left_x - right_x, left_y - right_y
    weight = rule.eye_weight
    side = max(
        rule.eye_mouth * math.hypot(mouth_x - eyes_x, mouth_y - eyes_y),
        rule.eye_eye * math.hypot(across_x, across_y),
        1.0,
    )
    return Square(
        weight * eyes_x + (1 - weight) * mouth_x,
        weight * eyes_y + (1 - weight) * mouth_y,
        side,
        math.atan2(across_y, across_x),
    )


def _middle(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2


def square_to_crop(square: Square, size: int) -> NDArray[np.float64]:
    """The similarity that maps pixels of the frame into a crop of `size` × `size` pixels.

    Pixel centres lie at whole numbers on both sides, as `cv2.warpAffine` has them.

    Returns:
        float64 (2, 3), to be applied to (x, y, 1).
    """
    scale = size / square.side
    cos, sin = scale * math.cos(square.roll), scale * math.sin(square.roll)
    half = (size - 1) / 2
    return np.array(
        [
            [cos, sin, half - cos * square.center_x - sin * square.center_y],
            [-sin, cos, half + sin * square.center_x - cos * square.center_y],
        ]
    )


def roll_radians(landmarks_px: Float32Array) -> float:
    """How far the line from eye to eye is tilted, radians; positive turns x towards y."""
    (right_x, right_y), (left_x, left_y), *_ = landmarks_px.tolist()
    return math.atan2(left_y - right_y, left_x - right_x)


def yaw_degrees(landmarks_px: Float32Array) -> float:
    """How far a face is turned sideways, estimated from the landmarks of one picture.

    The nose tip stands out from the plane of the eyes by about 0.6 of the distance between eyes and mouth
    (a mean adult face), so turning the head moves it sideways by the sine of the yaw. Robust against roll;
    good to about ten degrees. Returns degrees, −90..90, positive towards the person's left.
    """
    right, left, (nose_x, nose_y), *corners = landmarks_px.tolist()
    eyes_x, eyes_y = _middle(right, left)
    mouth_x, mouth_y = _middle(*corners)
    down_x, down_y = mouth_x - eyes_x, mouth_y - eyes_y
    height = math.hypot(down_x, down_y)
    if height < 1e-3:
        return 0.0
    aside_x, aside_y = nose_x - (eyes_x + mouth_x) / 2, nose_y - (eyes_y + mouth_y) / 2
    sine = (aside_x * down_y - aside_y * down_x) / (0.6 * height * height)
    return math.degrees(math.asin(min(max(sine, -1.0), 1.0)))
