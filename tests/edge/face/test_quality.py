"""Which faces are scored."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.face.quality import QualityGate, Rejection, sharpness
from edge.values import Detection

GATE = QualityGate(min_face_px=24, max_yaw_deg=55, min_light=20, min_sharpness=0.06)


def detection(size: float = 60, nose: float = 0.0) -> Detection:
    landmarks = np.array([[-15, -12], [15, -12], [nose, 4], [0, 16], [-28, -8], [28, -8]], np.float32)
    return Detection(box_px=(0, 0, size, size), score=0.9, landmarks_px=landmarks)


def texture() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1, (112, 112, 3)).astype(np.float32)
    smooth = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (1, 2, 4, 8, 12))
    return np.clip(120 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def test_ordinary_face_passes() -> None:
    assert GATE.judge_pose(detection()) is None
    assert GATE.judge_crop(texture()) is None


def test_small_face_is_rejected() -> None:
    assert GATE.judge_pose(detection(size=23)) is Rejection.SMALL


@pytest.mark.parametrize("nose", [-16, 16])
def test_profile_is_rejected(nose: float) -> None:
    assert GATE.judge_pose(detection(nose=nose)) is Rejection.TURNED


def test_dark_crop_is_rejected() -> None:
    assert GATE.judge_crop(texture() // 10) is Rejection.DARK


def test_blurred_crop_is_rejected() -> None:
    assert GATE.judge_crop(cv2.GaussianBlur(texture(), (0, 0), 10)) is Rejection.BLURRED


def test_dim_light_alone_does_not_read_as_blur() -> None:
    luma = cv2.cvtColor(texture(), cv2.COLOR_RGB2GRAY).astype(np.float32)
    assert sharpness(luma / 4) == pytest.approx(sharpness(luma), rel=0.01)


def test_more_blur_is_never_sharper() -> None:
    luma = cv2.cvtColor(texture(), cv2.COLOR_RGB2GRAY).astype(np.float32)
    values = [sharpness(cv2.GaussianBlur(luma, (0, 0), s)) for s in (0.5, 1, 2, 3, 5, 8)]
    assert values == sorted(values, reverse=True)


def test_flat_crop_has_no_sharpness() -> None:
    assert sharpness(np.full((112, 112), 90, np.float32)) == 0.0
