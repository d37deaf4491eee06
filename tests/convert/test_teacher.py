"""The teacher: cross-fitting never shows the held-out part, and labels survive their file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from convert.errors import DataError
from convert.faces.finder import FaceFinder, LabelledFace, read_picture
from convert.teacher.landmarker import BLENDSHAPES, FaceLandmarker, FaceShape
from convert.teacher.regressor import TeacherLabels, fit_regressor, fit_teacher
from convert.train.examples import _MIRRORED, AUXILIARY

SHARED = Path(__file__).resolve().parents[3] / "shared"

_MESH = np.zeros((478, 3), np.float32)


def _faces(rated: np.ndarray, held: np.ndarray) -> list[LabelledFace]:
    nothing = np.zeros((1, 1, 3), np.uint8)
    return [
        LabelledFace(
            name=f"drawn/{n}",
            source="drawn",
            validation=bool(held[n]),
            pixels=nothing,
            landmarks_px=np.zeros((5, 2), np.float32),
            rated=(float(va[0]), float(va[1])),
        )
        for n, va in enumerate(rated)
    ]


def test_a_rating_of_little_weight_teaches_little() -> None:
    shapes = [FaceShape(np.zeros(52, np.float32), np.zeros(3, np.float32), _MESH)] * 60  # all look the same
    faces = _faces(np.where(np.arange(60)[:, None] % 2, 0.8, -0.8) * np.ones((60, 2)), np.zeros(60, bool))
    doubted = [dataclasses.replace(face, weight=0.01 if n % 2 == 0 else 1.0) for n, face in enumerate(faces)]
    plain, weighed = (fit_regressor(each, shapes, trees=20).predict(shapes[:1]) for each in (faces, doubted))
    assert plain[0, 0] == pytest.approx(0, abs=1e-6)
    assert weighed[0, 0] > 0.75


def test_held_out_ratings_change_no_label() -> None:
    rng = np.random.default_rng(0)
    shapes = [
        FaceShape(rng.uniform(0, 1, 52).astype(np.float32), rng.normal(size=3).astype(np.float32), _MESH)
        for _ in range(60)
    ]
    rated = rng.uniform(-1, 1, (60, 2))
    held = np.arange(60) % 4 == 0
    labels, report = fit_teacher(_faces(rated, held), shapes, trees=5)
    rated[held] = -rated[held]
    again, _ = fit_teacher(_faces(rated, held), shapes, trees=5)
    assert np.array_equal(labels.va, again.va)
    assert report["validation"]["valence"].n == 15


def test_a_rating_does_not_reach_its_own_label() -> None:
    rng = np.random.default_rng(1)
    shapes = [
        FaceShape(rng.uniform(0, 1, 52).astype(np.float32), rng.normal(size=3).astype(np.float32), _MESH)
        for _ in range(40)
    ]
    rated = rng.uniform(-0.5, 0.5, (40, 2))
    held = np.zeros(40, bool)
    before, _ = fit_teacher(_faces(rated, held), shapes, trees=5)
    rated[7] = (1.0, -1.0)
    after, _ = fit_teacher(_faces(rated, held), shapes, trees=5)
    assert np.array_equal(before.va[7], after.va[7])


def test_labels_survive_their_file(tmp_path: Path) -> None:
    labels = TeacherLabels(
        names=("a", "b"),
        va=np.ones((2, 2), np.float32),
        blendshapes=np.zeros((2, 52), np.float32),
        rotation=np.zeros((2, 3), np.float32),
        mesh_px=np.zeros((2, 478, 3), np.float32),
    )
    labels.save(tmp_path / "labels.npz")
    again = TeacherLabels.load(tmp_path / "labels.npz")
    assert again.names == labels.names
    assert np.array_equal(again.va, labels.va)
    with pytest.raises(DataError, match="run `python -m convert teacher`"):
        TeacherLabels.load(tmp_path / "none.npz")


def test_mirroring_a_face_swaps_left_and_right() -> None:
    names = [BLENDSHAPES[n] for n in AUXILIARY]
    assert len(BLENDSHAPES) == 52
    for n, name in enumerate(names):
        mirrored = names[_MIRRORED[n]]
        assert mirrored.replace("Left", "").replace("Right", "") == name.replace("Left", "").replace("Right", "")
        assert (mirrored != name) == ("Left" in name or "Right" in name)


def test_a_task_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"face_landmarker\.task"):
        FaceLandmarker(tmp_path / "none.task")
    (tmp_path / "bad.task").write_bytes(b"PK")
    with pytest.raises(DataError, match="not a Face Landmarker task file"):
        FaceLandmarker(tmp_path / "bad.task")


@pytest.mark.skipif(
    not (SHARED / "models" / "face_landmarker.task").is_file(), reason="needs ../shared/models and data"
)
def test_a_smile_has_the_blendshapes_of_one(finder: FaceFinder) -> None:
    from convert.faces.labels_csv import read_labels

    rows = read_labels(SHARED / "data" / "diffusionfer" / "labels.csv")
    landmarker = FaceLandmarker(SHARED / "models" / "face_landmarker.task")
    smile = BLENDSHAPES.index("mouthSmileLeft")

    def mean_smile(expression: str) -> float:
        found = []
        for row in [row for row in rows if row.extra["expression"] == expression][:6]:
            pixels = read_picture(row.image)
            face = finder.find(pixels)
            assert face is not None
            found.append(landmarker.describe(pixels, face.landmarks_px).blendshapes[smile])
        return float(np.mean(found))

    assert mean_smile("happy") > mean_smile("angry") + 0.3
