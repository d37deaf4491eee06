"""Trees from blendshapes and head rotation to valence and arousal, and the labels they give.

Extremely randomized trees (Geurts, Ernst & Wehenkel 2006). The held-out part never takes part in a fit; a face that
did is labelled by trees that did not see it (cross-fitting), or the teacher would only repeat the rater.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.datasets.faces import LabelledFace
from convert.errors import DataError
from convert.metrics import Agreement, agreement
from convert.teacher.landmarker import FaceShape
from edge.types import Float32Array

_FOLDS = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TeacherLabels:
    """What the teacher says of each face, by name.

    Attributes:
        names: N names as in `LabelledFace`.
        va: float32 (N, 2), −1..1.
        blendshapes: float32 (N, 52), 0..1.
    """

    names: tuple[str, ...]
    va: Float32Array
    blendshapes: Float32Array

    def save(self, path: Path) -> None:
        """Writes an `.npz`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, names=np.array(self.names), va=self.va, blendshapes=self.blendshapes)

    @classmethod
    def load(cls, path: Path) -> TeacherLabels:
        """Reads what `save` wrote.

        Raises:
            DataError: the file is missing or not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(
                    names=tuple(str(name) for name in file["names"]), va=file["va"], blendshapes=file["blendshapes"]
                )
        except FileNotFoundError:
            raise DataError(f"{path}: no teacher labels; run `python -m convert teacher` first") from None
        except (KeyError, ValueError, OSError) as error:
            raise DataError(f"{path}: not teacher labels ({error})") from error


def fit_teacher(
    faces: Sequence[LabelledFace], shapes: Sequence[FaceShape], *, trees: int = 300, seed: int = 0
) -> tuple[TeacherLabels, dict[str, dict[str, Agreement]]]:
    """Fits on the rated training faces and labels all.

    Args:
        faces, shapes: N faces and what the landmarker says of each.
        trees: how many.
        seed: of trees and folds.

    Returns:
        The labels, and the agreement with the raters: `crossfit` over the training part, `validation` over the
        held-out part where there is one; each by target.

    Raises:
        DataError: fewer rated training faces than folds.
    """
    features = np.stack([np.concatenate([shape.blendshapes, shape.rotation]) for shape in shapes])
    rated = np.array([face.rated or (np.nan, np.nan) for face in faces], np.float32)
    has_rating = np.isfinite(rated[:, 0])
    held = np.array([face.validation for face in faces])
    fit = np.flatnonzero(has_rating & ~held)
    if fit.size < _FOLDS:
        raise DataError(f"the teacher needs at least {_FOLDS} rated faces outside of the held-out part, got {fit.size}")
    va = np.asarray(_trees(trees, seed).fit(features[fit], rated[fit]).predict(features), np.float32)
    va[fit] = _crossfit(features[fit], rated[fit], trees, seed)
    parts = {"crossfit": fit, "validation": np.flatnonzero(has_rating & held)}
    report = {
        part: {
            target: agreement(rated[rows, column], va[rows, column])
            for column, target in enumerate(("valence", "arousal"))
        }
        for part, rows in parts.items()
        if rows.size
    }
    names = tuple(face.name for face in faces)
    return TeacherLabels(names=names, va=va, blendshapes=np.stack([shape.blendshapes for shape in shapes])), report


def _crossfit(features: NDArray[Any], rated: NDArray[Any], trees: int, seed: int) -> NDArray[np.float32]:
    fold = np.random.default_rng(seed).permutation(np.arange(len(rated)) % _FOLDS)
    va = np.empty_like(rated)
    for number in range(_FOLDS):
        out = fold == number
        va[out] = _trees(trees, seed + number).fit(features[~out], rated[~out]).predict(features[out])
    return va


def _trees(count: int, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(count, min_samples_leaf=2, max_features=0.5, random_state=seed, n_jobs=-1)
