"""Skin of another tone: training's way and the evidence's, on a drawn face whose colours are known."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from convert.augment.augmentation import Augmentation, draw_augmentation, photograph
from convert.augment.skin import DARKEST, LIGHTEST, retone
from convert.predict import other_skin
from convert.predict.other_skin import TONES, measure_other_skin, paint_skin, tell_finding, to_section
from convert.predict.skin_tone import tone_bin
from edge.values import Float32Array, UInt8Array

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


def test_each_painted_tone_lies_in_its_own_bin() -> None:
    for tone, (light, _, yellow) in TONES.items():
        assert tone_bin(math.degrees(math.atan2(light - 50, yellow))) == tone


@pytest.mark.parametrize("tone", TONES)
def test_painted_cheeks_have_the_tone_and_eyes_and_wall_stay(tone: str) -> None:
    painted = paint_skin(face(), TONES[tone])
    lab = cv2.cvtColor((part(painted, CHEEK) / 255).astype(np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2LAB).ravel()
    assert lab == pytest.approx(np.array(TONES[tone]), abs=1.5)
    assert np.abs(part(painted, EYE) - part(face(), EYE)).max() < 25
    assert np.array_equal(painted[WALL], face()[WALL])


def test_a_network_that_reads_the_tone_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.stack([face(), face((120, 85, 65)), face((230, 190, 160))])
    rated = np.array([[0.1, 0.2], [0.3, -0.2], [-0.4, 0.5]], np.float32)

    def brightness(_: object, crops: UInt8Array) -> Float32Array:
        return np.stack([crops.mean(axis=(1, 2, 3)) / 255, np.full(len(crops), 0.5)], axis=1).astype(np.float32)

    monkeypatch.setattr(other_skin, "answer_frames", brightness)
    results = measure_other_skin(cast("Any", SimpleNamespace(backbone=None)), images, rated)
    shifts = [result.shift["valence"].value for result in results]
    assert shifts == sorted(shifts, reverse=True)
    assert results[-1].shift["valence"].high < 0
    assert {result.shift["arousal"] for result in results} == {(0.0, 0.0, 0.0)}
    assert "largest mean shift -0." in tell_finding(results)
    assert "(dark)" in tell_finding(results)
    assert to_section(results).count("| dark |") == 2
