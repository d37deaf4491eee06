"""The backbone's training: Adam on a cosine, CCC + squared error + blendshapes, and a moving average of the weights.

One checkpoint an epoch holds weights, average and optimizer; since an epoch's pictures depend on seed and epoch
alone, a run that was interrupted ends as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convert.errors import TrainingError
from convert.networks.backbone import build_backbone
from convert.networks.keras_runtime import keras, seed_everything, tf
from convert.networks.widen import widen
from convert.progress import Progress
from convert.train.checkpoint import TrainingState, restore_or_start
from convert.train.examples import AUXILIARY, Example, batches, epoch_examples
from convert.train.losses import covered_loss
from convert.train.own_labels import share_labels
from convert.train.recipe import BackboneRecipe
from convert.train.validation import Validation, measure
from edge.affect.backbone import PIXEL_SCALE, PIXEL_ZERO
from edge.values import Float32Array, UInt8Array

_WARMUP_SHARE = 0.03


def train_backbone(
    examples: Sequence[Example],
    made: Sequence[Example],
    validations: Sequence[Validation],
    recipe: BackboneRecipe,
    *,
    folder: Path,
    seed: int,
    progress: Progress,
    start: list[Float32Array] | None = None,
    stop_after: int | None = None,
) -> tuple[list[Any], list[dict[str, float]]]:
    """Trains, or goes on where `folder` has a checkpoint.

    Args:
        examples: what to learn from.
        made: more of it, of which each epoch takes a part.
        validations: measured each few epochs; decide nothing.
        recipe: of the backbone.
        folder: for checkpoints.
        seed: of weights, order and augmentations.
        progress: told of each epoch.
        start: weights to begin with instead of random ones, of this network or of a narrower one (`widen`).
        stop_after: leave after this epoch, as an interruption would.

    Returns:
        The averaged weights in Keras's order, and one record an epoch.

    Raises:
        TrainingError: `start` is of another network, or the loss is no number any more.
    """
    seed_everything(seed)
    model = build_backbone(recipe, blendshapes=len(AUXILIARY))
    if start is not None:
        model.set_weights(widen(start, model, seed))
    averaged = build_backbone(recipe, blendshapes=len(AUXILIARY))
    averaged.set_weights(model.get_weights())
    steps = len(epoch_examples(examples, made, recipe.made_share, 0)) // recipe.batch
    optimizer = keras.optimizers.Adam(_schedule(recipe, steps), clipnorm=1.0)
    state = restore_or_start(folder, model, optimizer)
    step = _make_step(model, optimizer, state, recipe, seed)
    if start is not None and recipe.own_share and state.epoch < recipe.epochs:
        examples, made = (
            share_labels(faces, lambda images: run_backbone(averaged, images)["va"], recipe.own_share, recipe.size)
            for faces in (examples, made)
        )
    for epoch in range(state.epoch, recipe.epochs):
        began = time.monotonic()
        taken = epoch_examples(examples, made, recipe.made_share, epoch)
        losses = [
            step(*map(tf.constant, batch))
            for batch in batches(
                taken, size=recipe.size, batch=recipe.batch, seed=seed, epoch=epoch, covered=recipe.covered
            )
        ]
        loss = float(np.mean([float(value) for value in losses]))
        if not np.isfinite(loss):
            raise TrainingError(f"the loss became {loss} in epoch {epoch + 1}; lower the learning rate")
        record = {"epoch": epoch + 1.0, "seconds": round(time.monotonic() - began, 2), "loss": loss}
        if epoch % 5 == 4 or epoch + 1 == recipe.epochs:
            averaged.set_weights([value.numpy() for value in state.average])
            record |= measure(validations, lambda images: run_backbone(averaged, images)["va"])
        state.save(record)
        progress.advance(record)
        if stop_after is not None and epoch + 1 >= stop_after:
            break
    return [value.numpy() for value in state.average], state.history


def run_backbone(model: Any, images: UInt8Array) -> dict[str, Float32Array]:
    """The model's outputs for uint8 (N, S, S, 3) RGB crops, without training noise."""
    outs = [model(normalize(tf.constant(images[at : at + 64])), training=False) for at in range(0, len(images), 64)]
    return {key: np.concatenate([out[key].numpy() for out in outs]) for key in outs[0]}


def normalize(images: Any) -> Any:
    """uint8 pixels to what the network sees; the device's int8 input holds the same values without loss."""
    return (tf.cast(images, tf.float32) - float(PIXEL_ZERO)) * PIXEL_SCALE


def _make_step(
    model: Any, optimizer: Any, state: TrainingState, recipe: BackboneRecipe, seed: int
) -> Callable[..., Any]:
    body = keras.Model(model.input, model.get_layer("embedding").input)
    embed, read_va, read_shapes = (model.get_layer(name) for name in ("embedding", "va", "blendshapes"))

    @tf.function  # type: ignore[untyped-decorator]
    def step(images: Any, va: Any, shapes: Any, weight: Any, covered: Any) -> Any:
        # Not Keras's dropout: the state of its generator cannot be saved, so a resumed run would draw other masks.
        mask_seed = tf.stack([tf.constant(seed, tf.int64), tf.cast(optimizer.iterations, tf.int64)])
        with tf.GradientTape() as tape:
            features = body(normalize(images), training=True)
            features = tf.nn.experimental.stateless_dropout(features, recipe.dropout, mask_seed, rng_alg="philox")
            embedding = embed(features)
            answer = read_va(embedding)
            loss = covered_loss(va, answer, weight, covered)
            loss += recipe.blendshape_weight * tf.reduce_mean(tf.abs(read_shapes(embedding) - shapes)) * 4
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        state.follow(model.weights, optimizer.iterations, recipe.average)
        return loss

    return step


def _schedule(recipe: BackboneRecipe, steps: int) -> Any:
    total = max(recipe.epochs * steps, 1)
    warmup = max(int(_WARMUP_SHARE * total), 1)
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate * 0.05,
        total - warmup,
        alpha=0.0,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup,
    )


def fit_embedding(weights: list[Float32Array], images: UInt8Array, recipe: BackboneRecipe) -> list[Float32Array]:
    """Scales the embedding to span about −1..1 without changing any answer.

    So one step of its int8 grid is as fine as one of `va`, and one golden tolerance fits both.

    Args:
        weights: of the network.
        images: uint8 (N, S, S, 3), RGB; their largest value becomes 1.
        recipe: of the network.
    """
    model = build_backbone(recipe, blendshapes=len(AUXILIARY))
    model.set_weights(weights)
    scale_embedding(model, images)
    return [np.asarray(weight, np.float32) for weight in model.get_weights()]


def scale_embedding(model: Any, images: UInt8Array) -> float:
    """Does that to a model; returns what its embedding was divided by."""
    largest = float(np.abs(run_backbone(model, images)["embedding"]).max())
    for name in ("embedding", "va", "blendshapes"):
        layer = model.get_layer(name)
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel / largest, bias / largest] if name == "embedding" else [kernel * largest, bias])
    return largest


def readout(weights: list[Float32Array], recipe: BackboneRecipe) -> tuple[Float32Array, Float32Array]:
    """Kernel (D, 2) and bias (2,) of the `va` layer."""
    model = build_backbone(recipe, blendshapes=len(AUXILIARY))
    model.set_weights(weights)
    kernel, bias = model.get_layer("va").get_weights()
    return kernel, bias
