"""The teacher: trees from the landmarker's blendshapes and head rotation to valence and arousal.

Extremely randomized trees (Geurts, Ernst & Wehenkel 2006), fitted on the rated faces of split `train`. They label only
faces that nobody rated. Where a rated face needs their answer, the trees saw nobody of its subject (cross-fitting).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from convert.errors import DataError
from convert.faces.pictures import Pictures
from convert.metrics import TARGETS, agreement
from edge.values import Float32Array

FOLDS = 10
TREES = 300


class Teacher:
    """Fitted trees.

    Args:
        blendshapes, rotation: float32 (N, 52) and (N, 3), as in `Pictures`.
        va: float32 (N, 2), ratings, −1..1.
        weight: float32 (N,), above 0; None weighs all alike.
        trees, seed: how many, and what decides them.
    """

    def __init__(
        self,
        blendshapes: Float32Array,
        rotation: Float32Array,
        va: ArrayLike,
        weight: ArrayLike | None = None,
        *,
        trees: int = TREES,
        seed: int = 0,
    ) -> None:
        self._trees = _forest(trees, seed)
        self._trees.fit(np.hstack([blendshapes, rotation]), va, sample_weight=weight)

    def use_one_thread(self) -> None:
        """Predicts on one thread from now on; for a face at a time that is faster than sharing the trees out."""
        self._trees.set_params(n_jobs=1)

    def predict(self, blendshapes: Float32Array, rotation: Float32Array) -> Float32Array:
        """Valence and arousal of N faces: float32 (N, 2), −1..1."""
        said = self._trees.predict(np.hstack([blendshapes, rotation]))
        return np.asarray(np.clip(said, -1, 1), np.float32)


def fit_teacher(faces: pd.DataFrame, pictures: Pictures, *, trees: int = TREES, seed: int = 0) -> Teacher:
    """Fits on the rated faces of split `train`.

    Args:
        faces, pictures: as `find_faces` gives them.
        trees, seed: how many, and what decides them.

    Raises:
        DataError: the rated training faces are of fewer than ten subjects.
    """
    return _teach(faces, pictures, _fitted(faces), trees, seed)


def crossfit(faces: pd.DataFrame, pictures: Pictures, *, trees: int = TREES, seed: int = 0) -> Float32Array:
    """What trees that saw nobody of a face's subject say of it: float32 (N, 2), −1..1.

    Faces of split `train` in ten folds by subject; all others by trees fitted on the whole of `train`. Arguments and
    errors as of `fit_teacher`.
    """
    from sklearn.model_selection import GroupKFold

    fit = _fitted(faces)
    said = fit_teacher(faces, pictures, trees=trees, seed=seed).predict(pictures.blendshapes, pictures.rotation)
    train = np.flatnonzero(faces["split"] == "train")
    folds = GroupKFold(FOLDS).split(train, groups=faces["subject"].to_numpy()[train])
    for number, (_, out) in enumerate(folds):
        own = train[out]
        rest = fit.copy()
        rest[own] = False
        taught = _teach(faces, pictures, rest, trees, seed + number)
        said[own] = taught.predict(pictures.blendshapes[own], pictures.rotation[own])
    return said


def label_faces(faces: pd.DataFrame, pictures: Pictures, *, trees: int = TREES, seed: int = 0) -> pd.DataFrame:
    """The faces with the teacher's labels where nobody rated (`rater` is `teacher` there). As `fit_teacher`."""
    unrated = faces["valence"].isna().to_numpy()
    if not unrated.any():
        return faces
    said = crossfit(faces, pictures, trees=trees, seed=seed)[unrated]
    labelled = faces.copy()
    labelled.loc[unrated, list(TARGETS)] = said
    labelled.loc[unrated, "rater"] = "teacher"
    return labelled


def measure_teacher(faces: pd.DataFrame, said: Float32Array) -> pd.DataFrame:
    """How far the teacher agrees with who rated, by split, source and target; split `test` is left out.

    Args:
        faces: a face table.
        said: as `crossfit` gives it.
    """
    rows = []
    rated = faces["valence"].notna() & faces["split"].ne("test")
    for (split, source, rater), part in faces[rated].groupby(["split", "source", "rater"]):
        for column, target in enumerate(TARGETS):
            found = agreement(part[target], said[part.index, column], groups=part["subject"])
            rows.append({"split": split, "source": source, "rater": rater, "target": target, **found._asdict()})
    return pd.DataFrame(rows)


def _fitted(faces: pd.DataFrame) -> NDArray[np.bool_]:
    fit = (faces["split"].eq("train") & faces["valence"].notna()).to_numpy()
    subjects = faces.loc[fit, "subject"].nunique()
    if subjects < FOLDS:
        raise DataError(f"the teacher needs rated training faces of at least {FOLDS} subjects, got {subjects}")
    return fit


def _teach(faces: pd.DataFrame, pictures: Pictures, rows: NDArray[np.bool_], trees: int, seed: int) -> Teacher:
    va, weight = faces.loc[rows, list(TARGETS)].to_numpy(), faces.loc[rows, "weight"].to_numpy()
    return Teacher(pictures.blendshapes[rows], pictures.rotation[rows], va, weight, trees=trees, seed=seed)


def _forest(trees: int, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(trees, min_samples_leaf=2, max_features=0.5, random_state=seed, n_jobs=-1)
