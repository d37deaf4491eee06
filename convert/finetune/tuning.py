"""Training a network a little further: small steps, held to where it began, stopped by people it did not learn from.

Normalization keeps the statistics of training: a few faces under one lamp are no sample to measure them by. The best
weights are those of the epoch with the lowest loss on the stopping part; epoch 0, the start, takes part in that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convert.errors import TrainingError
from convert.finetune.layers import moving_variables
from convert.finetune.recipe import FinetuneRecipe
from convert.metrics import ccc
from convert.networks.backbone import build_backbone
from convert.networks.keras_runtime import keras, seed_everything, tf
from convert.progress import Progress
from convert.train.backbone import normalize, run_backbone
from convert.train.checkpoint import restore_or_start
from convert.train.examples import AUXILIARY, Example, batches, epoch_examples
from convert.train.losses import affect_loss
from convert.train.recipe import BackboneRecipe
from convert.train.run import load_weights, save_weights
from convert.train.validation import Validation
from edge.values import Float32Array

_BEST = "best.npz"


class Tuned(NamedTuple):
    """What came of it.

    Attributes:
        weights: of the best epoch, in Keras's order.
        best: that epoch; 0 when no epoch was better than the start.
        history: one record an epoch.
        start_loss: of the start on the stopping part.
        ended: it needs no further epoch; False after an interruption.
    """

    weights: list[Any]
    best: int
    history: list[dict[str, float]]
    start_loss: float
    ended: bool


def tune_backbone(
    start: list[Float32Array],
    examples: Sequence[Example],
    rehearsal: Sequence[Example],
    stop: Validation,
    network: BackboneRecipe,
    recipe: FinetuneRecipe,
    *,
    folder: Path,
    progress: Progress,
    stop_after: int | None = None,
) -> Tuned:
    """Trains, or goes on where `folder` has a checkpoint.

    Args:
        start: weights of the network, in Keras's order.
        examples: new faces to learn from.
        rehearsal: old ones, of which each epoch takes a part.
        stop: the stopping part.
        network: the network's recipe.
        recipe: of the fine-tuning.
        folder: for checkpoints.
        progress: told of each epoch.
        stop_after: leave after this epoch, as an interruption would.

    Raises:
        TrainingError: the loss is no number any more, or the network has nothing to unfreeze.
    """
    seed_everything(recipe.seed)
    model = build_backbone(network, blendshapes=len(AUXILIARY))
    model.set_weights(start)
    batch = min(recipe.batch, len(examples))
    steps = len(epoch_examples(examples, rehearsal, recipe.rehearsal_share, 0)) // batch
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(recipe.learning_rate, recipe.epochs * steps), clipnorm=1.0
    )
    start_loss = _measure(model, stop)["stop_loss"]
    state = restore_or_start(folder, model, optimizer)
    step = _make_step(model, optimizer, start, recipe)
    while state.epoch < recipe.epochs and not _exhausted(state.history, start_loss, recipe.patience):
        if stop_after is not None and state.epoch >= stop_after:
            break
        began, epoch = time.monotonic(), state.epoch
        taken = epoch_examples(examples, rehearsal, recipe.rehearsal_share, epoch)
        made = batches(taken, size=network.size, batch=batch, seed=recipe.seed, epoch=epoch)
        loss = float(np.mean([float(step(*map(tf.constant, (b.images, b.va, b.weight)))) for b in made]))
        if not np.isfinite(loss):
            raise TrainingError(f"the loss became {loss} in epoch {epoch + 1}; lower --learning-rate")
        record = {"epoch": epoch + 1.0, "seconds": round(time.monotonic() - began, 2), "loss": loss}
        record |= _measure(model, stop)
        if record["stop_loss"] < _lowest(state.history, start_loss):
            save_weights(folder / _BEST, model.get_weights())
        state.save(record)
        progress.advance(record)
    best = _best_epoch(state.history, start_loss)
    ended = state.epoch >= recipe.epochs or _exhausted(state.history, start_loss, recipe.patience)
    return Tuned(load_weights(folder / _BEST) if best else list(start), best, state.history, start_loss, ended)


def stopping_loss(rated: Float32Array, answers: Float32Array) -> float:
    """1 − CCC, averaged over the targets, and twice the mean squared error: the training's loss, on whole sets."""
    agreement = np.mean([ccc(rated[:, t], answers[:, t]) for t in range(rated.shape[1])])
    return float(1 - agreement + 2 * np.mean((rated - answers) ** 2))


def _measure(model: Any, stop: Validation) -> dict[str, float]:
    """On the faces and on their mirror images: twice as many answers steady a small part."""
    seen = np.concatenate([stop.images, stop.images[:, :, ::-1]])
    va, rated = run_backbone(model, seen)["va"], np.concatenate([stop.va, stop.va])
    found = {f"{target}_ccc": ccc(rated[:, t], va[:, t]) for t, target in enumerate(("valence", "arousal"))}
    return {"stop_loss": stopping_loss(rated, va), **found}


def _lowest(history: Sequence[dict[str, float]], start_loss: float) -> float:
    return min([start_loss, *(record["stop_loss"] for record in history)])


def _best_epoch(history: Sequence[dict[str, float]], start_loss: float) -> int:
    return int(np.argmin([start_loss, *(record["stop_loss"] for record in history)]))


def _exhausted(history: Sequence[dict[str, float]], start_loss: float, patience: int) -> bool:
    return len(history) - _best_epoch(history, start_loss) >= patience


def _make_step(
    model: Any, optimizer: Any, start: Sequence[Float32Array], recipe: FinetuneRecipe
) -> Callable[[Any, Any, Any], Any]:
    body = keras.Model(model.input, model.get_layer("embedding").input)
    embed, read_va = model.get_layer("embedding"), model.get_layer("va")
    moving = moving_variables(model, recipe.unfreeze)
    began = {variable.name: tf.constant(value) for variable, value in zip(model.weights, start, strict=True)}
    anchors = [began[variable.name] for variable in moving]

    @tf.function  # type: ignore[untyped-decorator]
    def step(images: Any, va: Any, weight: Any) -> Any:
        # As in the backbone's training: a dropout whose masks a resumed run draws again.
        mask_seed = tf.stack([tf.constant(recipe.seed, tf.int64), tf.cast(optimizer.iterations, tf.int64)])
        with tf.GradientTape() as tape:
            features = body(normalize(images), training=False)  # normalization as on the device
            features = tf.nn.experimental.stateless_dropout(features, recipe.dropout, mask_seed, rng_alg="philox")
            answer = read_va(embed(features))
            loss = affect_loss(va, answer, weight)
            away = [tf.reduce_sum((variable - anchor) ** 2) for variable, anchor in zip(moving, anchors, strict=True)]
            loss += recipe.pull * tf.add_n(away)
        optimizer.apply_gradients(zip(tape.gradient(loss, moving), moving, strict=True))
        return loss

    return step
