"""Plane geometry on boxes and landmarks: overlap, letterboxing, and the aligned square of a face.

Owns no state and touches no pixels. Points are (x, y) in pixels of the frame, x to the right, y down.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.types import Float32Array

RIGHT_EYE, LEFT_EYE, NOSE, MOUTH, RIGHT_EAR, LEFT_EAR = range(6)


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


def box_iou(box: NDArray[np.floating], boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over union of one box (4,) with each of (N, 4), as (x1, y1, x2, y2); returns (N,)."""
    top_left = np.maximum(box[:2], boxes[:, :2])
    bottom_right = np.minimum(box[2:], boxes[:, 2:])
    overlap = np.prod(np.clip(bottom_right - top_left, 0, None), axis=1)
    area = np.prod(np.clip(box[2:] - box[:2], 0, None))
    areas = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)
    union = area + areas - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def face_square(landmarks_px: Float32Array, rule: CropRule) -> Square:
    """Lays the aligned square of a face from its eyes and mouth.

    Args:
        landmarks_px: float32 (6, 2) as in `Detection`.
        rule: the bundle's crop rule.

    Returns:
        The square; its side is at least one pixel.
    """
    eyes = (landmarks_px[RIGHT_EYE] + landmarks_px[LEFT_EYE]) / 2
    mouth = landmarks_px[MOUTH]
    across = landmarks_px[LEFT_EYE] - landmarks_px[RIGHT_EYE]
    center = rule.eye_weight * eyes + (1 - rule.eye_weight) * mouth
    side = max(
        rule.eye_mouth * float(np.hypot(*(mouth - eyes))),
        rule.eye_eye * float(np.hypot(*across)),
        1.0,
    )
    return Square(float(center[0]), float(center[1]), side, float(np.arctan2(across[1], across[0])))


def square_to_crop(square: Square, size: int) -> NDArray[np.float64]:
    """The similarity that maps pixels of the frame into a crop of `size` × `size` pixels.

    Pixel centres lie at whole numbers on both sides, as `cv2.warpAffine` has them.

    Returns:
        float64 (2, 3), to be applied to (x, y, 1).
    """
    scale = size / square.side
    cos, sin = scale * np.cos(square.roll), scale * np.sin(square.roll)
    half = (size - 1) / 2
    return np.array(
        [
            [cos, sin, half - cos * square.center_x - sin * square.center_y],
            [-sin, cos, half + sin * square.center_x - cos * square.center_y],
        ]
    )


def yaw_degrees(landmarks_px: Float32Array) -> float:
    """How far a face is turned sideways, estimated from the landmarks of one picture.

    The nose tip stands out from the plane of the eyes by about 0.6 of the distance between eyes and mouth
    (a mean adult face), so turning the head moves it sideways by the sine of the yaw. Robust against roll;
    good to about ten degrees. Returns degrees, −90..90, positive towards the person's left.
    """
    right, left = landmarks_px[RIGHT_EYE], landmarks_px[LEFT_EYE]
    eyes, mouth = (right + left) / 2, landmarks_px[MOUTH]
    down = mouth - eyes
    height = float(np.hypot(*down))
    if height < 1e-3:
        return 0.0
    down = down / height
    across = np.array([down[1], -down[0]])
    offset = float((landmarks_px[NOSE] - (eyes + mouth) / 2) @ across) / (0.6 * height)
    return float(np.degrees(np.arcsin(np.clip(offset, -1.0, 1.0))))
