"""The bundle to begin with and its float weights, proven to be the same network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from convert.errors import DataError
from convert.faces.finder import LabelledFace
from convert.metrics import rmse
from convert.networks.backbone import build_backbone
from convert.package.trained import Trained, read_trained
from convert.predict.evaluation import Device, answer_frames
from convert.train.backbone import run_backbone
from convert.train.examples import AUXILIARY
from convert.train.recipe import Recipe
from edge.values import Float32Array, UInt8Array

_APART = 0.15  # RMS of answers; quantization moves them by about 0.02
_ASKED = 40


def read_baseline(bundle: Path | None, run: Path | None, weights: Path | None, recipe: str) -> Trained:
    """Reads a bundle with its weights, or a run; arguments and errors as of `read_trained`.

    Raises:
        DataError: weights of another layout than the recipe's network.
    """
    found = read_trained(bundle, run, weights, recipe)
    model = build_backbone(found.recipe.backbone, blendshapes=len(AUXILIARY))
    have, need = [w.shape for w in found.backbone], [tuple(w.shape) for w in model.weights]
    if have != need:
        raise DataError(
            f"{weights or run}: backbone.npz is not of recipe {found.recipe.name} ({len(have)} arrays for {len(need)}, "
            "or of other shapes); give the right --recipe or --weights"
        )
    return found


def answer_floats(weights: list[Any], images: UInt8Array, recipe: Recipe) -> Float32Array:
    """The float network's answers to N crops, cut to −1..1 as on the device: float32 (N, 2)."""
    model = build_backbone(recipe.backbone, blendshapes=len(AUXILIARY))
    model.set_weights(weights)
    return np.clip(run_backbone(model, images)["va"], -1, 1)


def check_same_network(trained: Trained, images: UInt8Array) -> None:
    """Refuses weights that the bundle was not made of: tuned ones would replace a network that they do not know.

    Args:
        trained: weights and bundle.
        images: uint8 (N, S, S, 3), RGB, some crops to ask both about.

    Raises:
        DataError: their answers differ by more than quantization explains.
    """
    asked = images[:_ASKED]
    ours = answer_frames(Device(trained.bundle).backbone, asked)
    apart = rmse(answer_floats(trained.backbone, asked, trained.recipe), ours)
    if apart > _APART:
        raise DataError(
            f"the weights are not those of the bundle {trained.bundle.manifest.name} "
            f"{trained.bundle.manifest.version}: their answers differ by {apart:.2f} (RMS); give its own --weights"
        )


def ratings_of(faces: list[LabelledFace]) -> Float32Array:
    """Ratings of faces that all have one: float32 (N, 2)."""
    return np.array([face.rated for face in faces], np.float32).reshape(-1, 2)
