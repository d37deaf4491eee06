"""Skin of another tone, on a drawn face whose colours are known."""

from __future__ import annotations

import math
from typing import Any, cast

import cv2
import numpy as np
import pytest

from convert.augment.augmentation import Augmentation, draw_augmentation, photograph
from convert.augment.skin import DARKEST, LIGHTEST, retone
from edge.values import UInt8Array

SIZE = 112
EYE, CHEEK, WALL = (slice(32, 39), slice(33, 40)), (slice(52, 60), slice(36, 44)), (slice(0, 10), slice(0, 10))
TAN = (186, 133, 98)


def face(skin: tuple[int, int, int] = TAN) -> UInt8Array:
    """A disc of skin with white eyes, before a blue wall."""
    pixels = np.full((SIZE, SIZE, 3), (40, 80, 190), np.uint8)
    cv2.circle(pixels, (56, 56), 44, skin, -1)
    for x in (36, 76):
        cv2.ellipse(pixels, (x, 35), (9, 5), 0, 0, 360, (235, 235, 235), -1)
    return pixels


def part(pixels: np.ndarray, where: tuple[slice, slice]) -> np.ndarray:
    return pixels[where].reshape(-1, 3).mean(axis=0)


def test_skin_takes_the_depth_asked_for_and_nothing_else_does() -> None:
    pixels = face().astype(np.float32)
    lighter, darker = retone(pixels, 0.2), retone(pixels, 0.8)
    assert part(lighter, CHEEK).mean() > part(pixels, CHEEK).mean() + 15
    assert part(darker, CHEEK).mean() < part(pixels, CHEEK).mean() - 50
    # On the line between its ends, where melanin takes blue before red.
    red, _, blue = np.log(part(pixels, CHEEK) / part(darker, CHEEK))
    assert red / blue == pytest.approx(
        math.log(LIGHTEST[0] / DARKEST[0]) / math.log(LIGHTEST[2] / DARKEST[2]), rel=0.02
    )
    for moved in (lighter, darker):
        assert part(moved, EYE) / part(pixels, EYE) == pytest.approx(1, abs=0.15)
        assert np.abs(part(moved, WALL) - part(pixels, WALL)).max() < 1


def test_skin_of_that_depth_already_stays() -> None:
    on_line = np.exp(0.5 * (np.log(LIGHTEST) + np.log(DARKEST)))
    pixels = face(cast("Any", tuple(int(v) for v in on_line))).astype(np.float32)
    assert np.abs(retone(pixels, 0.5) - pixels).max() < 3


@pytest.mark.parametrize("level", [0, 1, 127, 255])
def test_a_picture_of_one_grey_keeps_its_range(level: int) -> None:
    for depth in (0.0, 1.0):
        moved = retone(np.full((32, 32, 3), level, np.float32), depth)
        assert moved.shape == (32, 32, 3)
        assert np.isfinite(moved).all()
        assert moved.min() >= 0
        assert moved.max() <= 255


def test_training_shows_about_half_of_the_faces_in_other_tones() -> None:
    drawn = [draw_augmentation(np.random.default_rng(seed)) for seed in range(1000)]
    assert 0.45 < np.mean([augmentation.skin is not None for augmentation in drawn]) < 0.55
    darker = photograph(face(), Augmentation(skin=0.85))
    assert np.array_equal(darker, np.rint(retone(face().astype(np.float32), 0.85)).astype(np.uint8))
