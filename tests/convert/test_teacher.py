"""The teacher: it never sees whom it labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from convert.errors import DataError
from convert.faces.finder import FaceFinder, read_picture
from convert.faces.table import make_faces
from convert.metrics import TARGETS, ccc
from convert.teacher.landmarker import BLENDSHAPES, FaceLandmarker
from convert.teacher.trees import crossfit, fit_teacher, label_faces, measure_teacher
from convert.train.targets import AUXILIARY, MIRRORED_SHAPES

SHARED = Path(__file__).resolve().parents[3] / "shared"

TREES = 20


class Described:
    """Stands for `Pictures`: what the landmarker says of N faces."""

    def __init__(self, count: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.blendshapes = rng.uniform(0, 1, (count, 52)).astype(np.float32)
        self.rotation = rng.normal(size=(count, 3)).astype(np.float32)


def rated(va: np.ndarray, **columns: object) -> pd.DataFrame:
    names = [f"x/{n}.png" for n in range(len(va))]
    given = {"id": names, "picture": names, "subject": names, "source": "x", "split": "train", "rater": "people"}
    return make_faces(given | {"valence": va[:, 0], "arousal": va[:, 1]} | columns)


def test_a_rating_of_little_weight_teaches_little() -> None:
    pictures = Described(60)
    pictures.blendshapes[:] = pictures.rotation[:] = 0  # all look the same
    va = np.where(np.arange(60)[:, None] % 2, 0.8, -0.8) * np.ones((60, 2))
    doubted = rated(va, weight=np.where(np.arange(60) % 2, 1.0, 0.01))
    plain, weighed = (
        fit_teacher(faces, pictures, trees=TREES).predict(pictures.blendshapes[:1], pictures.rotation[:1])
        for faces in (rated(va), doubted)
    )
    assert plain[0, 0] == pytest.approx(0, abs=1e-6)
    assert weighed[0, 0] > 0.75


def test_ratings_of_dev_and_test_change_no_label() -> None:
    va = np.random.default_rng(0).uniform(-1, 1, (80, 2))
    split = np.array(["train", "dev", "train", "test"] * 20)
    before = crossfit(rated(va, split=split), Described(80), trees=TREES)
    va[split != "train"] *= -1
    assert np.array_equal(before, crossfit(rated(va, split=split), Described(80), trees=TREES))


def test_a_rating_does_not_reach_its_own_label() -> None:
    va = np.random.default_rng(1).uniform(-0.5, 0.5, (40, 2))
    before = crossfit(rated(va), Described(40), trees=TREES)
    va[7] = (1.0, -1.0)
    assert np.array_equal(before[7], crossfit(rated(va), Described(40), trees=TREES)[7])


def test_what_only_tells_who_it_is_tells_no_cross_fitted_teacher_anything() -> None:
    rng = np.random.default_rng(2)
    who = np.arange(400) % 40  # ten faces each, rated alike
    pictures = Described(400)
    pictures.blendshapes[:] = rng.uniform(0, 1, (40, 52))[who] + rng.normal(0, 0.001, (400, 52))
    pictures.rotation[:] = 0
    va = rng.uniform(-1, 1, (40, 2))[who]
    said = crossfit(rated(va, subject=[f"x/{n}" for n in who]), pictures, trees=TREES)
    assert ccc(va[:, 0], said[:, 0]) < 0.2
    alone = crossfit(rated(va), pictures, trees=TREES)  # each face its own subject: identity gives it away
    assert ccc(va[:, 0], alone[:, 0]) > 0.9


def test_only_what_nobody_rated_is_labelled() -> None:
    va = np.random.default_rng(3).uniform(-1, 1, (60, 2))
    va[40:] = np.nan
    faces = rated(va, rater=["people"] * 40 + [""] * 20)
    labelled = label_faces(faces, Described(60), trees=TREES)
    assert np.array_equal(labelled["valence"][:40], faces["valence"][:40])
    assert labelled["valence"].notna().all()
    assert labelled["rater"].tolist() == ["people"] * 40 + ["teacher"] * 20


def test_the_report_is_by_source_and_leaves_out_the_test_split() -> None:
    va = np.random.default_rng(4).uniform(-1, 1, (80, 2))
    faces = rated(va, split=["train", "train", "dev", "test"] * 20, source=["a"] * 40 + ["b"] * 40)
    report = measure_teacher(faces, crossfit(faces, Described(80), trees=TREES))
    assert set(report["split"]) == {"train", "dev"}
    assert report.groupby(["split", "source", "target"])["n"].sum().to_dict() == {
        (split, source, target): 20 if split == "train" else 10
        for split in ("train", "dev")
        for source in "ab"
        for target in TARGETS
    }


def test_too_few_subjects_to_teach_by_are_named() -> None:
    with pytest.raises(DataError, match="at least 10 subjects, got 3"):
        fit_teacher(rated(np.zeros((30, 2)), subject=[f"x/{n % 3}" for n in range(30)]), Described(30))


def test_mirroring_a_face_swaps_left_and_right() -> None:
    names = [BLENDSHAPES[n] for n in AUXILIARY]
    assert len(BLENDSHAPES) == 52
    for n, name in enumerate(names):
        mirrored = names[MIRRORED_SHAPES[n]]
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
    folder = SHARED / "data" / "diffusionfer"
    table = pd.read_csv(folder / "labels.csv")
    landmarker = FaceLandmarker(SHARED / "models" / "face_landmarker.task")
    smile = BLENDSHAPES.index("mouthSmileLeft")

    def mean_smile(expression: str) -> float:
        found = []
        for image in table["image"][table["expression"] == expression][:6]:
            pixels = read_picture(folder / image)
            face = finder.find(pixels)
            assert face is not None
            found.append(landmarker.describe(pixels, face.landmarks_px).blendshapes[smile])
        return float(np.mean(found))

    assert mean_smile("happy") > mean_smile("angry") + 0.3
