"""The head's training: truncated back-propagation through time with a state that is carried on, and random resets.

A head whose state is reset at every batch learns answers that hold for the length of a batch; on a device the state
lives as long as its track. So rows keep their state from one sequence into the next, and some start anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convert.errors import TrainingError
from convert.metrics import ccc
from convert.networks.keras_runtime import keras, seed_everything, tf
from convert.networks.lstm_head import LstmHead
from convert.progress import Progress
from convert.train.checkpoint import TrainingState, restore_or_start
from convert.train.losses import affect_loss
from convert.train.recipe import HeadRecipe
from convert.train.sequences import Sequences
from edge.values import Float32Array

_AVERAGE = 0.99
_INPUT_NOISE = 0.5  # in standard deviations of the embedding: with less, the memory learns the training faces by heart


def train_head(
    sequences: Sequences,
    readout: tuple[Float32Array, Float32Array],
    recipe: HeadRecipe,
    *,
    held: Mapping[str, Sequences],
    folder: Path,
    seed: int,
    progress: Progress,
    start: list[Any] | None = None,
    stop_after: int | None = None,
) -> tuple[list[Any], list[dict[str, float]]]:
    """Trains, or goes on where `folder` has a checkpoint.

    Args:
        sequences: to learn from.
        readout: kernel (D, 2) and bias (2,) of the backbone's own `va`, which the head averages.
        recipe: of the head.
        held: held-out sequences by a short name (none for the first); measured where warm, decide nothing.
        folder: for checkpoints.
        seed: of weights, order and resets.
        progress: told of each epoch.
        start: weights of a head to begin with, in Keras's order, instead of random ones and `readout`.
        stop_after: leave after this epoch, as an interruption would.

    Returns:
        The averaged weights in Keras's order, and one record an epoch.

    Raises:
        TrainingError: there are fewer sequences than one batch, or the loss is no number any more.
    """
    count, length, width = sequences.embeddings.shape
    if count < recipe.batch:
        raise TrainingError(f"{count} sequences are fewer than one batch of {recipe.batch}")
    seed_everything(seed)
    head = LstmHead(width, recipe)
    head.start_from(sequences.embeddings.reshape(-1, width), *readout)
    if start is not None:
        head.set_weights(start)
    updates = recipe.epochs * (count // recipe.batch) * -(-length // recipe.truncate)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(recipe.learning_rate, max(updates, 1)), clipnorm=1.0
    )
    state = restore_or_start(folder, head, optimizer)
    step = _make_step(head, optimizer, state)
    averaged = LstmHead(width, recipe)
    for epoch in range(state.epoch, recipe.epochs):
        began = time.monotonic()
        loss = _run_epoch(sequences, recipe, step, np.random.default_rng([seed, epoch]))
        if not np.isfinite(loss):
            raise TrainingError(f"the head's loss became {loss} in epoch {epoch + 1}; lower the learning rate")
        record = {"epoch": epoch + 1.0, "seconds": round(time.monotonic() - began, 2), "loss": loss}
        _settle(averaged, state, recipe)
        for name, part in held.items():
            answers = averaged(tf.constant(part.embeddings)).numpy()
            warm = slice(recipe.warmup_steps, None)
            for target, column in (("valence", 0), ("arousal", 1)):
                key = f"{name}_{target}_ccc" if name else f"{target}_ccc"
                record[key] = ccc(part.va[:, warm, column].ravel(), answers[:, warm, column].ravel())
        state.save(record)
        progress.advance(record)
        if stop_after is not None and epoch + 1 >= stop_after:
            break
    _settle(averaged, state, recipe)
    return averaged.get_weights(), state.history


def _settle(head: LstmHead, state: TrainingState, recipe: HeadRecipe) -> None:
    """Makes of a head what a training that ended now would give."""
    head.set_weights([value.numpy() for value in state.average])
    head.keep_of_corrections(recipe.correction)


def _run_epoch(sequences: Sequences, recipe: HeadRecipe, step: Callable[..., Any], rng: np.random.Generator) -> float:
    count, length, _ = sequences.embeddings.shape
    order = rng.permutation(count)
    h = c = np.zeros((recipe.batch, recipe.units), np.float32)
    losses = []
    for at in range(0, count - recipe.batch + 1, recipe.batch):
        rows = order[at : at + recipe.batch]
        keep = (rng.random((recipe.batch, 1)) >= recipe.reset_share).astype(np.float32)
        h, c = h * keep, c * keep
        for start in range(0, length, recipe.truncate):
            end = min(start + recipe.truncate, length)
            age = np.broadcast_to(np.arange(start, end), (recipe.batch, end - start))
            # Cold answers are not counted on the device; they are asked for all the same, only less.
            weight = np.where(age < recipe.warmup_steps, 0.5, 1.0).astype(np.float32)
            loss, h, c = step(
                tf.constant(sequences.embeddings[rows, start:end]),
                tf.constant(sequences.va[rows, start:end]),
                tf.constant(weight),
                tf.constant(h),
                tf.constant(c),
                tf.constant(rng.integers(2**31, size=2), tf.int32),
            )
            losses.append(float(loss))
            h, c = h.numpy(), c.numpy()
    return float(np.mean(losses))


def _make_step(head: LstmHead, optimizer: Any, state: TrainingState) -> Callable[..., Any]:
    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(embeddings: Any, va: Any, weight: Any, h: Any, c: Any, seed: Any) -> Any:
        noise = tf.random.stateless_normal(tf.shape(embeddings), seed) * _INPUT_NOISE * head.spread
        with tf.GradientTape() as tape:
            answer, next_h, next_c = head.unroll(embeddings + noise, h, c)
            flat = tf.reshape(va, (-1, 2)), tf.reshape(answer, (-1, 2)), tf.reshape(weight, (-1,))
            loss = affect_loss(*flat)
        gradients = head.keep_averages(tape.gradient(loss, head.trainable_variables))
        optimizer.apply_gradients(zip(gradients, head.trainable_variables, strict=True))
        state.follow(head.weights, optimizer.iterations, _AVERAGE)
        return loss, next_h, next_c

    return step
