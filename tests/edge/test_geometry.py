"""The aligned square and its crop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.face.crop import align_face, cut_square
from edge.geometry import CropRule, Square, box_iou, face_square, letterbox, square_to_crop, yaw_degrees

RULE = CropRule()
UPRIGHT = np.array([[-15, -12], [15, -12], [0, 4], [-10, 16], [10, 16]], np.float32)


def turned(degrees: float, scale: float = 1.0, center: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    a = np.radians(degrees)
    rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return (UPRIGHT @ rotation.T * scale + center).astype(np.float32)


@given(st.floats(-80, 80), st.floats(0.5, 6), st.floats(50, 400), st.floats(50, 400))
def test_crop_puts_landmarks_at_the_same_place_whatever_the_pose(a: float, s: float, x: float, y: float) -> None:
    matrix = square_to_crop(face_square(turned(a, s, (x, y)), RULE), 112)
    placed = turned(a, s, (x, y)) @ matrix[:, :2].T + matrix[:, 2]
    expected = UPRIGHT @ (m := square_to_crop(face_square(UPRIGHT, RULE), 112))[:, :2].T + m[:, 2]
    assert np.allclose(placed, expected, atol=0.05)


def test_eyes_lie_level_above_the_mouth_in_the_crop() -> None:
    matrix = square_to_crop(face_square(turned(30, 2, (200, 150)), RULE), 112)
    right, left, _, *corners = turned(30, 2, (200, 150)) @ matrix[:, :2].T + matrix[:, 2]
    mouth = np.mean(corners, axis=0)
    assert right[1] == pytest.approx(left[1], abs=0.01)
    assert right[0] < left[0]
    assert mouth[1] > right[1]
    assert (right[0] + left[0]) / 2 == pytest.approx(55.5, abs=0.01)


def test_turned_face_keeps_the_size_of_its_square() -> None:
    profile = UPRIGHT * [0.3, 1]
    assert face_square(profile.astype(np.float32), RULE).side == pytest.approx(face_square(UPRIGHT, RULE).side)


def test_landmarks_on_one_point_give_a_square_of_one_pixel() -> None:
    assert face_square(np.ones((5, 2), np.float32), RULE).side == 1.0


def gradient(width: int, height: int) -> np.ndarray:
    """A picture whose red is x and green is y, scaled into a byte."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([x, y, np.full_like(x, 80)], axis=2).astype(np.uint8)


@pytest.mark.parametrize("side", [60, 112, 200, 224, 300, 500])
def test_crop_samples_the_frame_where_the_square_lies_at_every_size(side: float) -> None:
    picture = gradient(800, 800)
    crop = cut_square(picture, Square(400, 380, side, 0.3), 112)
    inverse = cv2.invertAffineTransform(square_to_crop(Square(400, 380, side, 0.3), 112))
    for u, v in [(10, 10), (56, 56), (100, 20)]:
        x, y = inverse @ [u, v, 1]
        assert crop[v, u, 0] == pytest.approx(x / 799 * 255, abs=1.5)
        assert crop[v, u, 1] == pytest.approx(y / 799 * 255, abs=1.5)


def test_close_face_is_averaged_down_and_does_not_alias() -> None:
    stripes = np.zeros((900, 900, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = cut_square(stripes, Square(450, 450, 800, 0.0), 112)
    assert np.ptp(crop[20:90, 20:90].astype(int)) < 50  # sampled directly it is 255


def test_crop_is_grey_outside_of_the_frame() -> None:
    crop = align_face(np.full((40, 40, 3), 255, np.uint8), turned(0, 1, (0, 0)), 112, RULE)
    assert tuple(crop[0, 0]) == (127, 127, 127)
    assert tuple(crop[100, 100]) == (255, 255, 255)


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.floats(-500, 500),
    st.floats(-500, 500),
    st.floats(1, 3000),
    st.floats(-4, 4),
)
def test_any_square_on_any_frame_gives_a_crop(w: int, h: int, x: float, y: float, side: float, roll: float) -> None:
    crop = cut_square(np.zeros((h, w, 3), np.uint8), Square(x, y, side, roll), 16)
    assert crop.shape == (16, 16, 3)


@given(st.integers(64, 4096), st.integers(64, 4096))
def test_letterbox_maps_corners_back_onto_the_frame(width: int, height: int) -> None:
    fit = letterbox(width, height, 192)
    assert fit.left >= 0
    assert fit.top >= 0
    assert max(fit.left + fit.width, fit.top + fit.height) <= 192
    corner = fit.to_frame(np.array([fit.left + fit.width, fit.top + fit.height], np.float64))
    assert np.allclose(corner, [width, height], atol=0.51 / fit.scale + 1e-6)


def test_iou_of_known_boxes() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6], [0, 0, 0, 0]], np.float32)
    assert np.allclose([box_iou(boxes[0], box) for box in boxes], [1, 1 / 3, 0, 0])


@pytest.mark.parametrize("roll", [0, 25, -40])
def test_yaw_is_read_from_the_nose_whatever_the_roll(roll: float) -> None:
    for yaw in (-50, -20, 0, 20, 50):
        points = UPRIGHT.copy()
        points[2, 0] = np.sin(np.radians(yaw)) * 0.6 * 28
        a = np.radians(roll)
        rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        assert yaw_degrees((points @ rotation.T).astype(np.float32)) == pytest.approx(yaw, abs=0.5)
