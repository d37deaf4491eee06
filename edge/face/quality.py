"""The quality gate: which faces say enough to be scored. Others are followed, not scored, and counted by reason."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config import FaceConfig
from edge.errors import FrameError
from edge.geometry import yaw_degrees
from edge.values import Detection, Float32Array, Quality, UInt8Array, check_picture

_SMALLEST_PX = 8  # a crop with less has no middle
_REFERENCE_SIZE = 112  # crop side for which the blur scales below are given, pixels


class QualityGate:
    """Measures faces and rejects those beyond the limits; its numbers are those that it judges by.

    Args:
        limits: `min_face_px`, `max_yaw_deg`, `min_light` and `min_sharpness`.
    """

    def __init__(self, limits: FaceConfig) -> None:
        self._limits = limits

    def judge_pose(self, detection: Detection) -> Quality:
        """By the landmarks alone; cheap, so it comes before the crop is cut."""
        size_px, yaw_deg = detection.size_px, abs(yaw_degrees(detection.landmarks_px))
        small, turned = size_px < self._limits.min_face_px, yaw_deg > self._limits.max_yaw_deg
        return Quality(size_px=size_px, yaw_deg=yaw_deg, rejection="small" if small else "turned" if turned else None)

    def judge_crop(self, pose: Quality, crop: UInt8Array) -> Quality:
        """By the picture, after `judge_pose` let the face pass; `crop` is uint8 (S, S, 3), RGB.

        Raises:
            FrameError: it is not.
        """
        check_picture(crop)
        if crop.shape[0] != crop.shape[1] or crop.shape[0] < _SMALLEST_PX:
            raise FrameError(f"a crop is a square of at least {_SMALLEST_PX} pixels, got {crop.shape}")
        luma = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.uint8)
        light, contrast = _spread(_middle(luma))
        detail = _share(_detail(luma), contrast)
        dark, blurred = light < self._limits.min_light, detail < self._limits.min_sharpness
        return Quality(
            size_px=pose.size_px,
            yaw_deg=pose.yaw_deg,
            light=light,
            sharpness=detail,
            rejection="dark" if dark else "blurred" if blurred else None,
        )


def sharpness(luma: UInt8Array | Float32Array) -> float:
    """Share of a crop's contrast that lies in fine detail (1 to 2.5 pixels at 112): 0.2–0.3 for a sharp face.

    Relative to the face's own contrast, so that dim light does not read as blur; a band instead of the usual
    Laplacian, whose value on a smooth face is mostly rounding noise. 0.06 is a Gaussian blur of about 5 pixels at
    112, a face of some 20 pixels.

    Args:
        luma: (S, S), 0–255, uint8 or float32.

    Returns:
        0 for a flat picture, otherwise the ratio of standard deviations.
    """
    return _share(_detail(luma), _spread(_middle(luma))[1])


def _share(detail: float, contrast: float) -> float:
    return detail / contrast if contrast > 1.0 else 0.0


def _detail(luma: UInt8Array | Float32Array) -> float:
    """Standard deviation of the fine detail in the middle."""
    scale = luma.shape[0] / _REFERENCE_SIZE
    edge = _edge(luma)
    wide, narrow = _kernel(2.5 * scale), _kernel(scale)
    # No more is blurred than what the middle sees of its surroundings: of the second blur, and of both.
    near = min(len(narrow) // 2, edge)
    far = min(len(wide) // 2 + near, edge)
    seen = luma[edge - far : luma.shape[0] - edge + far, edge - far : luma.shape[1] - edge + far].astype(np.float32)
    within = slice(far - near, luma.shape[0] - 2 * edge + far + near)
    coarse = cv2.sepFilter2D(seen, -1, wide, wide)
    fine = cv2.subtract(seen[within, within], coarse[within, within])
    fine = np.asarray(cv2.sepFilter2D(fine, -1, narrow, narrow), np.float32)
    return _spread(fine[near:-near, near:-near])[1]


def _spread(values: NDArray[Any]) -> tuple[float, float]:
    """Mean and standard deviation."""
    mean, deviation = cv2.meanStdDev(values)
    return float(mean[0, 0]), float(deviation[0, 0])


@cache
def _kernel(sigma: float) -> Float32Array:
    """`cv2.GaussianBlur`'s own for float32, kept: it computes them anew at each call, bit by bit."""
    return np.asarray(cv2.getGaussianKernel(round(8 * sigma + 1) | 1, sigma, cv2.CV_32F), np.float32)


def _middle(luma: UInt8Array | Float32Array) -> UInt8Array | Float32Array:
    edge = _edge(luma)
    return luma[edge:-edge, edge:-edge]


def _edge(luma: UInt8Array | Float32Array) -> int:
    """The border that is not judged, pixels."""
    return luma.shape[0] * 18 // 100
