"""Finding and cutting faces: with the device's functions, and honest where none is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from convert.augment.augmentation import Augmentation, render
from convert.errors import DataError
from convert.faces.finder import FaceFinder, cut_face, read_picture
from edge.face.crop import align_face
from edge.geometry import CropRule, face_square

RULE = CropRule()


def test_a_tight_crop_is_found_and_its_landmarks_lie_on_it(
    finder: FaceFinder, draw_face: Callable[..., np.ndarray]
) -> None:
    rng = np.random.default_rng(0)
    found = [finder.find(draw_face(rng, 0.3, 0.3)) for _ in range(12)]
    seen = [face for face in found if face is not None]
    assert len(seen) >= 9
    for face in seen:
        mouth = face.landmarks_px[3:].mean(axis=0)
        assert abs(mouth[0] - 112) < 30
        assert 120 < mouth[1] < 200


def test_the_central_face_wins_over_one_at_the_edge(finder: FaceFinder, draw_face: Callable[..., np.ndarray]) -> None:
    rng = np.random.default_rng(2)
    for _ in range(10):
        face = draw_face(rng, 0.3, 0.3)
        if finder.find(face) is None:
            continue
        wide = np.full((224, 672, 3), 120, np.uint8)
        wide[:, 224:448] = face
        wide[:, :224] = face
        found = finder.find(wide)
        assert found is not None
        assert abs(found.center_px[0] - 336) < 40
        return
    pytest.fail("no drawn face was found")


def test_noise_has_no_face_and_is_scored_whole(finder: FaceFinder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    assert finder.find(noise) is None
    whole = cut_face(noise, None, 48, RULE)
    assert np.array_equal(whole, cv2.resize(noise, (48, 48), interpolation=cv2.INTER_AREA))


def test_training_without_augmentation_sees_exactly_the_devices_crop() -> None:
    rng = np.random.default_rng(4)
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (224, 224, 3), dtype=np.uint8), (9, 9), 0)
    landmarks = np.array([[80, 90], [140, 96], [110, 120], [90, 158], [126, 162]], np.float32)
    device = align_face(pixels, landmarks, 112, RULE)
    assert np.array_equal(render(pixels, face_square(landmarks, RULE), Augmentation(), 112), device)


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"labels\.csv:7: .*a\.png: not a picture"):
        read_picture(tmp_path / "a.png", "labels.csv:7")
    with pytest.raises(DataError, match=r"b\.png: cannot be read"):
        read_picture(tmp_path / "b.png")
