"""The phases of a recipe, one after the other, in a run's folder; each goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from convert.train.data import Part, training_faces
from convert.train.recipe import Recipe
from convert.train.run import Run, load_weights, save_weights
from convert.train.sequences import Sequences
from convert.train.targets import spread_of
from edge.values import Float32Array, UInt8Array

BACKBONE, AUXILIARY, HEAD = "backbone.npz", "auxiliary.npz", "head.npz"
DevSet = tuple[str, UInt8Array, Float32Array]


def train_backbone(
    run: Run,
    recipe: Recipe,
    parts: Sequence[Part],
    dev: Sequence[DevSet],
    calibration: UInt8Array,
    *,
    start: Sequence[Float32Array] | None = None,
    stop_after: int | None = None,
) -> bool:
    """Trains the backbone through its phases; writes `backbone.npz`, `auxiliary.npz` and the histories.

    Args:
        run: its folder.
        recipe: with the phases.
        parts: faces to learn from, those of split `train`.
        dev: sets to measure on, as of `dev_sets`.
        calibration: uint8 (N, S, S, 3), RGB: the embedding is scaled to span −1..1 on them.
        start: weights to begin with instead of random ones.
        stop_after: leave the first phase after this epoch, as an interruption would.

    Returns:
        Whether it ended.
    """
    from convert.train.backbone import BackboneLearner, Dev, fit_embedding, readout
    from convert.train.trainer import train

    weights, places, best = start, None, 0
    for number, phase in enumerate(recipe.backbone_phases):
        faces = training_faces(parts, phase.labels)
        learner = BackboneLearner(
            recipe.backbone,
            phase,
            faces,
            [Dev(*each) for each in dev],
            seed=recipe.seed + number,
            start=weights,
            landmarks=places,
        )
        found = train(learner, phase, folder=run.path(phase.name), stop_after=stop_after)
        run.add_history(phase.name, found.history)
        if not found.ended:
            return False
        best = max(best, found.best)
        weights, places = fit_embedding(found.weights, learner.landmarks(), calibration, recipe.backbone)
    if weights is None or places is None:
        return False
    kernel, bias = readout(weights, recipe.backbone, "blendshapes")
    np.savez(  # never exported: what the embedding says of blendshapes and landmarks
        run.path(AUXILIARY),
        blendshapes_kernel=kernel,
        blendshapes_bias=bias,
        landmarks_kernel=places[0],
        landmarks_bias=places[1],
        spread=spread_of(faces.blendshapes),
    )
    save_weights(run.path(BACKBONE), weights)
    run.note(learned=bool(best))
    return True


def train_head(
    run: Run,
    recipe: Recipe,
    sequences: Sequences,
    dev: Mapping[str, Sequences],
    *,
    start: Sequence[Float32Array] | None = None,
    stop_after: int | None = None,
) -> bool:
    """Trains the head; writes `head.npz` and its history.

    Args:
        run: its folder, with `backbone.npz`.
        recipe: with the phase.
        sequences: to learn from.
        dev: sequences to measure on, by a short name.
        start: weights to begin with instead of averages of the backbone's answers.
        stop_after: leave after this epoch, as an interruption would.

    Returns:
        Whether it ended.
    """
    from convert.train.backbone import readout
    from convert.train.head import HeadLearner
    from convert.train.trainer import train

    phase = recipe.head_phase
    own = readout(load_weights(run.path(BACKBONE)), recipe.backbone)
    learner = HeadLearner(recipe.head, phase, sequences, own, dev, seed=recipe.seed, start=start)
    found = train(learner, phase, folder=run.path(phase.name), stop_after=stop_after)
    run.add_history(phase.name, found.history)
    if found.ended:
        save_weights(run.path(HEAD), learner.settle(found.weights))
    return found.ended
