"""What a network was trained and measured on before, where it is at hand: to rehearse, calibrate and judge by."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from convert.errors import DataError
from convert.faces.collection import data_root
from convert.faces.finder import LabelledFace, cut_faces
from convert.finetune.verdict import JudgedSet
from convert.train.backbone import run_backbone
from convert.train.examples import AUXILIARY, Example
from convert.train.material import VALIDATION_DATA, Pictures
from convert.train.recipe import Recipe
from edge.geometry import CropRule, face_square
from edge.values import Float32Array


def find_old_data(data: Path | None) -> Path | None:
    """The root of the old data, or None where it is not at hand."""
    try:
        return data_root(data) if data is not None else None
    except DataError:
        return None


def old_validation(pictures: Pictures) -> JudgedSet:
    """The held-out rated faces, which no training saw.

    Raises:
        DataError: there are none.
    """
    if len(pictures.rated) < 2:
        raise DataError("the old data has no held-out faces with ratings to judge by; give another --data")
    groups = [face.cluster for face in pictures.held]
    return JudgedSet(data=VALIDATION_DATA, images=pictures.images, rated=pictures.rated, groups=groups)


def rehearse(pictures: Pictures, weights: list[Float32Array], recipe: Recipe) -> list[Example]:
    """The old training faces, labelled with what the network says of them now.

    Asked for its own answers rather than for the raters', it has nothing to learn there, only nothing to forget
    (Li & Hoiem 2016, "Learning without forgetting"), and no teacher is needed for faces that nobody rated.
    """
    from convert.networks.backbone import build_backbone

    faces = [face for face in pictures.faces if not face.validation]
    model = build_backbone(recipe.backbone, blendshapes=len(AUXILIARY))
    model.set_weights(weights)
    answers = run_backbone(model, cut_faces(faces, recipe.backbone.size))["va"] if faces else np.zeros((0, 2))
    return [make_example(face, va) for face, va in zip(faces, answers, strict=True)]


def make_example(face: LabelledFace, va: Float32Array) -> Example:
    """A face to learn from; its blendshapes are not known, and not asked for."""
    return Example(
        name=face.name,
        pixels=face.pixels,
        square=face_square(face.landmarks_px, CropRule()),
        va=np.clip(va, -1, 1).astype(np.float32),
        blendshapes=np.zeros(len(AUXILIARY), np.float32),
        weight=face.weight,
    )
