"""Backbone and LSTM trained as one model on short sequences of pictures, each from a zero state.

As Hasani & Mahoor 2017 do. The other way of this repository, backbone first and then a head that carries its state from
one sequence into the next, is what the shipped bundle is made by: a state that is never older than a training sequence
says nothing about hours of streaming, so compare the two in `evidence` before one made here is shipped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convert.errors import TrainingError
from convert.networks.inception_resnet_lstm import InceptionResNetLstm
from convert.networks.keras_runtime import keras, seed_everything, tf
from convert.progress import Progress
from convert.train.backbone import normalize, run_backbone, scale_embedding
from convert.train.checkpoint import TrainingState, restore_or_start
from convert.train.examples import AUXILIARY
from convert.train.losses import affect_loss
from convert.train.recipe import Recipe
from convert.train.sequences import Scene, hold_missing, take_in_store
from convert.train.validation import Validation, measure
from edge.values import Float32Array, UInt8Array


class Trained(NamedTuple):
    """Averaged weights of both parts, each in Keras's order, and one record an epoch."""

    backbone: list[Float32Array]
    head: list[Float32Array]
    history: list[dict[str, float]]


def train_end_to_end(
    draw_scenes: Callable[[int], Sequence[Callable[[], Scene]]],
    validations: Sequence[Validation],
    recipe: Recipe,
    *,
    calibration: UInt8Array,
    folder: Path,
    seed: int,
    progress: Progress,
    stop_after: int | None = None,
) -> Trained:
    """Trains, or goes on where `folder` has a checkpoint.

    Args:
        draw_scenes: the scenes of an epoch, by its number; as many in each, `recipe.head.truncate` steps long.
        validations: measured each few epochs on the backbone's own answer; decide nothing.
        recipe: epochs and learning rate are the backbone's; a batch holds about its `batch` pictures.
        calibration: uint8 (N, S, S, 3), RGB; the embedding is scaled to span −1..1 on them.
        folder: for checkpoints.
        seed: of weights, order and augmentations.
        progress: told of each epoch.
        stop_after: leave after this epoch, as an interruption would.

    Raises:
        TrainingError: there are fewer scenes than one batch, or the loss is no number any more.
    """
    batch = max(recipe.backbone.batch // recipe.head.truncate, 2)
    count = len(draw_scenes(0))
    if count < batch:
        raise TrainingError(f"{count} sequences are fewer than one batch of {batch}")
    seed_everything(seed)
    model = InceptionResNetLstm(recipe, blendshapes=len(AUXILIARY))
    updates = recipe.backbone.epochs * (count // batch)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(recipe.backbone.learning_rate, max(updates, 1)), clipnorm=1.0
    )
    state = restore_or_start(folder, model, optimizer)
    step = _make_step(model, optimizer, state, recipe)
    averaged = InceptionResNetLstm(recipe, blendshapes=len(AUXILIARY))
    for epoch in range(state.epoch, recipe.backbone.epochs):
        began = time.monotonic()
        clips = _photograph(draw_scenes(epoch), batch, recipe, np.random.default_rng([seed, epoch]))
        loss = float(np.mean([float(step(*map(tf.constant, clip))) for clip in clips]))
        if not np.isfinite(loss):
            raise TrainingError(f"the loss became {loss} in epoch {epoch + 1}; lower the learning rate")
        record = {"epoch": epoch + 1.0, "seconds": round(time.monotonic() - began, 2), "loss": loss}
        if epoch % 5 == 4 or epoch + 1 == recipe.backbone.epochs:
            averaged.set_weights([value.numpy() for value in state.average])
            record |= measure(validations, lambda images: run_backbone(averaged.backbone, images)["va"])
        state.save(record)
        progress.advance(record)
        if stop_after is not None and epoch + 1 >= stop_after:
            break
    averaged.set_weights([value.numpy() for value in state.average])
    largest = scale_embedding(averaged.backbone, calibration)
    for constant in (averaged.head.center, averaged.head.spread):
        constant.assign(constant / largest)  # so the LSTM sees what it was trained on
    return Trained(averaged.backbone.get_weights(), averaged.head.get_weights(), state.history)


def _photograph(
    scenes: Sequence[Callable[[], Scene]], batch: int, recipe: Recipe, rng: np.random.Generator
) -> Iterator[tuple[UInt8Array, Float32Array]]:
    """Whole batches of sequences: uint8 (B, T, S, S, 3) RGB and float32 (B, T, 2)."""
    order = rng.permutation(len(scenes))
    for at in range(0, len(order) - batch + 1, batch):
        images, labels = [], []
        for number in order[at : at + batch]:
            scene = scenes[int(number)]()
            images.append(np.stack(hold_missing(list(take_in_store(scene, rng, recipe.backbone.size)))))
            labels.append(scene.va)
        yield np.stack(images), np.stack(labels).astype(np.float32)


def _make_step(
    model: InceptionResNetLstm, optimizer: Any, state: TrainingState, recipe: Recipe
) -> Callable[[Any, Any], Any]:
    # The auxiliary output belongs to faces with blendshapes, which sequences have not.
    idle = {id(weight) for weight in model.backbone.get_layer("blendshapes").trainable_weights}
    learning = [weight for weight in model.trainable_variables if id(weight) not in idle]

    @tf.function  # type: ignore[untyped-decorator]
    def step(images: Any, va: Any) -> Any:
        with tf.GradientTape() as tape:
            answers = model(normalize(images), training=True)
            target = tf.reshape(va, (-1, 2))
            loss = 0.0
            for name in ("va", "frame"):
                answer = tf.reshape(answers[name], (-1, 2))
                loss += affect_loss(target, answer)
        gradients = tape.gradient(loss, learning)
        optimizer.apply_gradients(zip(gradients, learning, strict=True))
        state.follow(model.weights, optimizer.iterations, recipe.backbone.average)
        return loss

    return step
