"""Which head goes with a backbone that moved: the old one, the old one with its readout moved along, or one refitted.

The head's answer is a linear readout of the embedding plus what its memory adds. Where the backbone's own readout
moved, the same step is due in the head's. That needs no training, and it leaves the memory as it is, which was trained
on sequences that a few pictures cannot replace. A refit starts from there and learns on faces that are held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from convert.finetune.recipe import FinetuneRecipe
from convert.metrics import TARGETS, ccc
from convert.networks.lstm_head import LstmHead
from convert.predict.evaluation import embed_crop
from convert.progress import Progress
from convert.train.examples import Example
from convert.train.head import train_head
from convert.train.head_stage import held_scene
from convert.train.recipe import Recipe
from convert.train.sequences import make_sequences, take_in_store
from edge.affect.backbone import Backbone
from edge.values import Float32Array

KEPT, MOVED, REFITTED = "kept", "moved", "refitted"
WAYS = (KEPT, MOVED, REFITTED)  # the earlier wins a tie: the less was changed, the less can be lost
MARGIN = 0.005  # of CCC that a later one has to be better by
Readout = tuple[Float32Array, Float32Array]


def move_readout(head: Sequence[Any], before: Readout, after: Readout, recipe: Recipe) -> list[Any]:
    """The head with the readout that it averages moved as far as the backbone's own.

    Args:
        head: weights, in Keras's order.
        before, after: kernel (D, 2) and bias (2,) of the backbone's `va` layer, on the raw embedding.
        recipe: of both networks.
    """
    model = LstmHead(recipe.backbone.embedding, recipe.head)
    model.set_weights(list(head))
    model.move_readout(after[0] - before[0], after[1] - before[1])
    return [np.asarray(weight) for weight in model.get_weights()]


def refit_head(
    start: Sequence[Any],
    backbone: Backbone,
    readout: Readout,
    examples: Sequence[Example],
    recipe: Recipe,
    tuning: FinetuneRecipe,
    folder: Path,
) -> list[Any]:
    """Trains a head further on what the new int8 backbone makes of faces that are held.

    Args:
        start: the head's weights, in Keras's order.
        backbone: the new int8 graph, as the device runs it.
        readout: of the new backbone.
        examples: new faces, and old ones where they are at hand.
        recipe: of both networks.
        tuning: how many sequences and epochs.
        folder: for checkpoints.
    """
    rng = np.random.default_rng([tuning.seed, 2])
    picks = rng.choice(len(examples), tuning.head_stills, replace=tuning.head_stills > len(examples))
    size, steps = recipe.backbone.size, recipe.head.steps
    scenes = [held_scene(examples[int(pick)], backbone, size, steps) for pick in picks]
    with Progress("sequences", len(scenes), every=48) as progress:
        sequences = make_sequences(
            scenes,
            partial(embed_crop, backbone),
            take_in_store,
            size=size,
            seed=tuning.seed,
            advance=progress.advance,
        )
    wanted = msgspec.structs.replace(
        recipe.head,
        epochs=tuning.head_epochs,
        batch=min(recipe.head.batch, len(scenes)),
        stills=len(scenes),
        correction=1.0,  # the start has been cut already
    )
    with Progress("head", wanted.epochs) as progress:
        weights, _ = train_head(
            sequences, readout, wanted, held={}, folder=folder, seed=tuning.seed, progress=progress, start=list(start)
        )
    return weights


def choose_head(answers: Mapping[str, Float32Array], rated: Float32Array) -> tuple[str, dict[str, float]]:
    """The way whose streamed answers agree best with the stopping part's raters, and what each reached.

    Args:
        answers: float32 (N, 2) by way, in the order of `WAYS`.
        rated: float32 (N, 2).
    """
    reached = {way: mean_ccc(rated, found) for way, found in answers.items()}
    best = next(iter(reached))
    for way, value in reached.items():
        if value > reached[best] + MARGIN:
            best = way
    return best, reached


def mean_ccc(rated: Float32Array, answers: Float32Array) -> float:
    """CCC averaged over the targets."""
    return float(np.mean([ccc(rated[:, t], answers[:, t]) for t in range(len(TARGETS))]))
