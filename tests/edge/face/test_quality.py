"""Which faces are scored."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.config import FaceConfig
from edge.face.quality import QualityGate, sharpness
from edge.values import Detection, Quality

GATE = QualityGate(FaceConfig(min_face_px=24, max_yaw_deg=55, min_light=20, min_sharpness=0.06))


def detection(size: float = 60, nose: float = 0.0) -> Detection:
    landmarks = np.array([[-15, -12], [15, -12], [nose, 4], [-11, 16], [11, 16]], np.float32)
    return Detection(box_px=(0, 0, size, size), score=0.9, landmarks_px=landmarks)


def texture() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1, (112, 112, 3)).astype(np.float32)
    smooth = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (1, 2, 4, 8, 12))
    return np.clip(120 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def judge_crop(crop: np.ndarray) -> Quality:
    return GATE.judge_crop(Quality(size_px=60, yaw_deg=0), crop)


def test_ordinary_face_passes_with_its_numbers() -> None:
    pose = GATE.judge_pose(detection())
    assert (pose.rejection, pose.size_px, pose.yaw_deg) == (None, 60, pytest.approx(0, abs=0.1))
    quality = GATE.judge_crop(pose, texture())
    assert (quality.rejection, quality.size_px) == (None, 60)
    assert quality.light == pytest.approx(120, abs=20)
    assert quality.sharpness == pytest.approx(sharpness(cv2.cvtColor(texture(), cv2.COLOR_RGB2GRAY)))


def test_small_face_is_rejected() -> None:
    assert GATE.judge_pose(detection(size=23)).rejection == "small"


@pytest.mark.parametrize("nose", [-16, 16])
def test_profile_is_rejected(nose: float) -> None:
    assert GATE.judge_pose(detection(nose=nose)).rejection == "turned"


def test_dark_crop_is_rejected_by_the_light_that_is_told() -> None:
    quality = judge_crop(texture() // 10)
    assert quality.rejection == "dark"
    assert quality.light is not None
    assert quality.light < 20


def test_light_around_a_dark_face_does_not_pass_it() -> None:
    """Only the middle is judged: a bright background shines past the face."""
    crop = np.full((112, 112, 3), 250, np.uint8)
    crop[18:-18, 18:-18] = 6
    quality = judge_crop(crop)
    assert (quality.rejection, quality.light) == ("dark", pytest.approx(6, abs=10))
    assert crop.mean() > 100


def test_blurred_crop_is_rejected() -> None:
    assert judge_crop(cv2.GaussianBlur(texture(), (0, 0), 10)).rejection == "blurred"


def test_dim_light_alone_does_not_read_as_blur() -> None:
    luma = cv2.cvtColor(texture(), cv2.COLOR_RGB2GRAY).astype(np.float32)
    assert sharpness(luma / 4) == pytest.approx(sharpness(luma), rel=0.01)


def test_more_blur_is_never_sharper() -> None:
    luma = cv2.cvtColor(texture(), cv2.COLOR_RGB2GRAY).astype(np.float32)
    values = [sharpness(cv2.GaussianBlur(luma, (0, 0), s)) for s in (0.5, 1, 2, 3, 5, 8)]
    assert values == sorted(values, reverse=True)


def test_flat_crop_has_no_sharpness() -> None:
    assert sharpness(np.full((112, 112), 90, np.float32)) == 0.0
