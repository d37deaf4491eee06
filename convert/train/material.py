"""What a run works on: its pictures and the held-out part of them, and what the backbone learns from. Found once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convert.augment.augmentation import Augmentation, cover_mouth, draw_augmentation, render
from convert.errors import DataError
from convert.faces.collection import OWN, load_faces
from convert.faces.finder import FaceFinder, LabelledFace, cut_faces
from convert.faces.imported import read_records
from convert.teacher.regressor import TeacherLabels
from convert.train.recipe import Recipe
from edge.geometry import CropRule, Square, face_square
from edge.values import Float32Array, UInt8Array

VALIDATION_DATA = "DiffusionFER-S, held-out part"
Shown = tuple[UInt8Array, Square]
"""A picture uint8 (H, W, 3), RGB, and the square of the face in it."""


class Validation(NamedTuple):
    """Held-out crops uint8 (N, S, S, 3), RGB, and what raters or the teacher said, float32 (N, 2)."""

    name: str
    images: UInt8Array
    va: Float32Array


class Pictures:
    """The pictures of a data folder, found once, and the held-out crops. Needs no teacher.

    Args:
        root: folder of the data sets.
        recipe: of the run.
        imported: folder of the data sets that the run imported.

    Attributes:
        faces: all of them.
        held, images, rated: the rated held-out part: N faces, uint8 (N, S, S, 3) device crops and float32 (N, 2).
    """

    def __init__(self, root: Path, recipe: Recipe, *, imported: Path | None = None) -> None:
        self.faces = load_faces(root, FaceFinder(), imported)
        self.held = [face for face in self.faces if face.validation and face.rated is not None]
        self._titles = {record.kind: record.source.name for record in read_records(imported)} if imported else {}
        self.images = cut_faces(self.held, recipe.backbone.size)
        self.rated: Float32Array = np.array([face.rated for face in self.held], np.float32).reshape(-1, 2)

    def covered(self, recipe: Recipe) -> UInt8Array:
        """The held-out crops with their mouths covered as in training: uint8 (N, S, S, 3), RGB."""
        size = recipe.backbone.size
        crops = [
            render(
                face.pixels,
                face_square(face.landmarks_px, CropRule()),
                cover_mouth(Augmentation(seed=number), np.random.default_rng([recipe.seed, 3, number])),
                size,
            )
            for number, face in enumerate(self.held)
        ]
        return np.stack(crops) if crops else self.images

    def to_calibrate_on(self, recipe: Recipe) -> UInt8Array:
        """Device crops of faces outside of the held-out part, half of them augmented: uint8 (N, S, S, 3), RGB.

        Args:
            recipe: names how many, and the seed that picks them.
        """
        return calibration_crops(self.shown(), recipe)

    def shown(self) -> list[Shown]:
        """The faces outside of the held-out part, with the square of each."""
        return [(face.pixels, face_square(face.landmarks_px, CropRule())) for face in self.faces if not face.validation]

    def held_sets(self) -> dict[str, list[int]]:
        """The rated held-out part by data set: what a metric of it is called, and its rows in `held`."""
        sets: dict[str, list[int]] = {}
        for row, face in enumerate(self.held):
            title = self._titles.get(face.source)
            sets.setdefault(VALIDATION_DATA if title is None else f"{title}, held-out part", []).append(row)
        return sets


class Material(Pictures):
    """The same with what the backbone learns from.

    Args:
        root, recipe, imported: as of `Pictures`.
        teacher: labels of all their faces.
    """

    def __init__(self, root: Path, teacher: TeacherLabels, recipe: Recipe, *, imported: Path | None = None) -> None:
        super().__init__(root, recipe, imported=imported)
        _refuse_unknown(self.faces, teacher)
        self.teacher = teacher

    def teacher_labelled(self, recipe: Recipe) -> Validation:
        """The held-out faces that nobody rated, with the teacher's labels."""
        known = set(self.teacher.names)
        held = [face for face in self.faces if face.validation and face.rated is None and face.name in known]
        return Validation("sfhq", cut_faces(held, recipe.backbone.size), self.teacher.va_of(held))

    def counts(self, recipe: Recipe) -> dict[str, int]:
        """Pictures used, by data set; those that the studio made count as its own."""
        sources = [face.source for face in self.faces]
        counts = {source: sources.count(source) for source in dict.fromkeys(sources)}
        if recipe.studio.stills:
            counts |= {"ict_facekit": 0, "studio": recipe.studio.stills}
        return counts


def calibration_crops(shown: Sequence[Shown], recipe: Recipe) -> UInt8Array:
    """Device crops to calibrate on, half of them augmented: uint8 (N, S, S, 3), RGB.

    Args:
        shown: faces outside of any held-out part.
        recipe: names how many, and the seed that picks them.
    """
    rng = np.random.default_rng([recipe.seed, 1])
    picks = rng.choice(len(shown), min(recipe.calibration, len(shown)), replace=False)
    images = []
    for number, pick in enumerate(picks):
        augmentation = draw_augmentation(rng) if number % 2 else Augmentation()
        images.append(render(*shown[int(pick)], augmentation, recipe.backbone.size))
    return np.stack(images)


def _refuse_unknown(faces: Sequence[LabelledFace], teacher: TeacherLabels) -> None:
    """An imported face without a teacher's label would be left out without a word."""
    known = set(teacher.names)
    unknown = [face.name for face in faces if face.source not in OWN and face.name not in known]
    if unknown:
        raise DataError(
            f"the teacher has no label for {len(unknown)} imported faces, such as {unknown[0]}; "
            "leave out --teacher and choose a new --out, so that the run makes its own"
        )
