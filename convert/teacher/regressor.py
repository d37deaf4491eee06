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

from convert.errors import DataError
from convert.faces.finder import LabelledFace
from convert.metrics import Agreement, agreement
from convert.teacher.landmarker import FaceShape
from edge.values import Float32Array

_FOLDS = 10


@dataclass(frozen=True, slots=True, eq=False)
class TeacherLabels:
    """What the teacher says of each face, by name.

    Attributes:
        names: N names as in `LabelledFace`.
        va: float32 (N, 2), −1..1.
        blendshapes: float32 (N, 52), 0..1.
        rotation: float32 (N, 3), as in `FaceShape`.
        mesh_px: float32 (N, 478, 3), as in `FaceShape`.
    """

    names: tuple[str, ...]
    va: Float32Array
    blendshapes: Float32Array
    rotation: Float32Array
    mesh_px: Float32Array

    def shapes(self) -> dict[str, FaceShape]:
        """What the landmarker said of each face, by name."""
        rows = zip(self.blendshapes, self.rotation, self.mesh_px, strict=True)
        return {name: FaceShape(*row) for name, row in zip(self.names, rows, strict=True)}

    def va_of(self, faces: Sequence[LabelledFace]) -> Float32Array:
        """The labels of some of the faces: float32 (M, 2)."""
        rows = {name: row for row, name in enumerate(self.names)}
        return self.va[[rows[face.name] for face in faces]]

    def save(self, path: Path) -> None:
        """Writes an `.npz`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path,
            names=np.array(self.names),
            va=self.va,
            blendshapes=self.blendshapes,
            rotation=self.rotation,
            mesh_px=self.mesh_px,
        )

    @classmethod
    def load(cls, path: Path) -> TeacherLabels:
        """Reads what `save` wrote.

        Raises:
            DataError: the file is missing or not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(
                    names=tuple(str(name) for name in file["names"]),
                    **{key: file[key] for key in ("va", "blendshapes", "rotation", "mesh_px")},
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
    features, rated, held = _features(shapes), _ratings(faces), np.array([face.validation for face in faces])
    has_rating = np.isfinite(rated[:, 0])
    fit = np.flatnonzero(has_rating & ~held)
    if fit.size < _FOLDS:
        raise DataError(f"the teacher needs at least {_FOLDS} rated faces outside of the held-out part, got {fit.size}")
    va = fit_regressor(faces, shapes, trees=trees, seed=seed).predict(shapes)
    own = [faces[int(row)] for row in fit]
    va[fit] = _crossfit(features[fit], rated[fit], _weights(own), [face.cluster for face in own], trees, seed)
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
    columns = (np.stack(column) for column in zip(*shapes, strict=True))
    return TeacherLabels(names, va, *columns), report


class Regressor:
    """The fitted trees."""

    def __init__(self, trees: Any) -> None:
        self._trees = trees

    def use_one_thread(self) -> None:
        """Predicts on one thread from now on; for a face at a time that is faster than sharing the trees out."""
        self._trees.set_params(n_jobs=1)

    def predict(self, shapes: Sequence[FaceShape]) -> Float32Array:
        """Valence and arousal of each face: float32 (N, 2), −1..1."""
        return np.asarray(np.clip(self._trees.predict(_features(shapes)), -1, 1), np.float32)


def fit_regressor(
    faces: Sequence[LabelledFace], shapes: Sequence[FaceShape], *, trees: int = 300, seed: int = 0
) -> Regressor:
    """Fits on the rated training faces, for labels of new ones; arguments as of `fit_teacher`."""
    rated = _ratings(faces)
    fit = np.flatnonzero(np.isfinite(rated[:, 0]) & ~np.array([face.validation for face in faces]))
    weights = _weights([faces[int(row)] for row in fit])
    return Regressor(_trees(trees, seed).fit(_features(shapes)[fit], rated[fit], sample_weight=weights))


def _features(shapes: Sequence[FaceShape]) -> NDArray[np.float32]:
    return np.stack([np.concatenate([shape.blendshapes, shape.rotation]) for shape in shapes])


def _ratings(faces: Sequence[LabelledFace]) -> NDArray[np.float32]:
    return np.array([face.rated or (np.nan, np.nan) for face in faces], np.float32)


def _weights(faces: Sequence[LabelledFace]) -> NDArray[np.float64] | None:
    """How sure the raters were of each face; None where they were of all alike."""
    weights = np.array([face.weight for face in faces])
    return None if (weights == weights[:1]).all() else weights


def _crossfit(
    features: NDArray[Any],
    rated: NDArray[Any],
    weights: NDArray[np.float64] | None,
    groups: Sequence[str],
    trees: int,
    seed: int,
) -> NDArray[np.float32]:
    from sklearn.model_selection import GroupKFold

    va = np.empty_like(rated)
    for number, (rest, out) in enumerate(GroupKFold(_FOLDS).split(features, groups=groups)):
        kept = None if weights is None else weights[rest]
        va[out] = (
            _trees(trees, seed + number).fit(features[rest], rated[rest], sample_weight=kept).predict(features[out])
        )
    return va


def _trees(count: int, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(count, min_samples_leaf=2, max_features=0.5, random_state=seed, n_jobs=-1)
