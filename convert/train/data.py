"""From the face table to what a training takes: labelled faces, dev sets, and crops to calibrate on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from convert.augment.augmentation import draw_augmentation
from convert.errors import DataError
from convert.train.batches import TrainingFaces, cut_crop, cut_crops
from convert.train.recipe import Labels
from convert.train.targets import AUXILIARY, POINTS
from edge.values import Float32Array, UInt8Array

_FEWEST = 10  # faces of a set that is measured by itself


class Part(NamedTuple):
    """Faces of one kind.

    Attributes:
        faces: a face table of N rows.
        pictures: of these rows, `convert.faces.pictures.Pictures` or what the studio made.
        teacher: float32 (N, 2), the teacher's answers; None where there is no teacher.
        extra: whether an epoch takes only a part of them: the studio's stills, or in `fit` the kit's faces.
    """

    faces: pd.DataFrame
    pictures: Any
    teacher: Float32Array | None = None
    extra: bool = False

    def take(self, rows: NDArray[Any]) -> Part:
        """Some of the rows: bool (N,)."""
        teacher = None if self.teacher is None else self.teacher[rows]
        return Part(self.faces[rows].reset_index(drop=True), self.pictures.take(rows), teacher, self.extra)

    def of(self, split: str) -> Part:
        """The rows of one split."""
        return self.take(self.faces["split"].to_numpy() == split)


class _Joined(Sequence[UInt8Array]):
    """Loose pictures of several parts, one after the other."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, row: Any) -> Any:
        part = int(np.searchsorted(self._ends, row, side="right"))
        return self._parts[part][row - (int(self._ends[part - 1]) if part else 0)]


def training_faces(parts: Sequence[Part], labels: Labels) -> TrainingFaces:
    """The rows of split `train` that have a label, joined.

    Raises:
        DataError: there are none.
    """
    taken = []
    for part in (part.of("train") for part in parts):
        va, weight = label(part, labels)
        known = np.asarray(np.isfinite(va).all(axis=1))
        taken.append((part.take(known), va[known], weight[known]))
    names = pd.concat([part.faces["expression"] for part, _, _ in taken], ignore_index=True)
    if names.empty:
        raise DataError("no face to learn from has a rating, or a teacher that labels it")
    codes = pd.Categorical(names.where(names != "")).codes
    return TrainingFaces(
        loose=_Joined([part.pictures.loose for part, _, _ in taken]),
        va=np.concatenate([va for _, va, _ in taken]),
        weight=np.concatenate([weight for _, _, weight in taken]),
        expression=np.asarray(codes, np.int32),
        blendshapes=np.concatenate([part.pictures.blendshapes[:, AUXILIARY] for part, _, _ in taken]),
        points=np.concatenate([part.pictures.points[:, POINTS] for part, _, _ in taken]),
        extra=np.concatenate([np.full(len(part.faces), part.extra) for part, _, _ in taken]),
        portrait=np.concatenate([~part.faces["loose"].to_numpy(bool) for part, _, _ in taken]),
    )


def label(part: Part, labels: Labels) -> tuple[Float32Array, Float32Array]:
    """Valence and arousal float32 (N, 2), NaN where nobody says, and weights float32 (N,)."""
    rated = ratings(part.faces)
    has_rating = is_rated(part.faces)
    teacher = rated if part.teacher is None else part.teacher
    mixed = labels.rating_share * rated + (1 - labels.rating_share) * teacher
    unrated = labels.extra if part.extra else labels.unrated
    weight = np.where(has_rating, part.faces["weight"].to_numpy(np.float32), unrated)
    return np.where(has_rating[:, None], mixed, teacher).astype(np.float32), weight.astype(np.float32)


def ratings(faces: pd.DataFrame) -> Float32Array:
    """Valence and arousal of N rows: float32 (N, 2), NaN where nobody rated."""
    return faces[["valence", "arousal"]].to_numpy(np.float32)


def is_rated(faces: pd.DataFrame) -> NDArray[np.bool_]:
    """Which of N rows a rater rated: bool (N,)."""
    return np.asarray(faces["valence"].notna() & faces["arousal"].notna(), bool)


def dev_sets(parts: Sequence[Part], size: int) -> list[tuple[str, UInt8Array, Float32Array]]:
    """Rated faces of split `dev`: all together without a name, then each source of several by its name.

    Returns:
        Of each set its name, device crops uint8 (N, S, S, 3), RGB, and ratings float32 (N, 2).
    """
    rated = [dev.take(is_rated(dev.faces)) for dev in (part.of("dev") for part in parts)]
    rated = [part for part in rated if len(part.faces)]
    if not rated:
        return []
    images = np.concatenate([cut_crops(part.pictures.loose, size) for part in rated])
    va = np.concatenate([ratings(part.faces) for part in rated])
    sources = np.concatenate([part.faces["source"].to_numpy(str) for part in rated])
    names = [name for name in np.unique(sources) if np.sum(sources == name) >= _FEWEST]
    apart = [(name, images[sources == name], va[sources == name]) for name in names]
    return [("", images, va), *(apart if len(names) > 1 else [])]


def calibration_crops(parts: Sequence[Part], count: int, size: int, seed: int) -> UInt8Array:
    """Device crops of training faces to calibrate on, half of them augmented: uint8 (M, S, S, 3), RGB.

    Args:
        parts: of which split `train` is taken.
        count: M, where there are as many faces; of fewer, each is taken as often as needed.
        size: side of a crop, pixels.
        seed: picks.
    """
    loose = _Joined([part.of("train").pictures.loose for part in parts])
    rng = np.random.default_rng([seed, 1])
    picks = np.concatenate([rng.permutation(len(loose)) for _ in range(-(-count // len(loose)))])[:count]
    crops = [
        cut_crop(loose[int(pick)], size, draw_augmentation(rng) if number % 2 else None)
        for number, pick in enumerate(picks)
    ]
    return np.stack(crops)
