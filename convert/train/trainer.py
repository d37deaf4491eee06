"""The one training loop: Adam on a cosine, a moving average of the weights, and a checkpoint an epoch.

What is trained is a `Learner`: the backbone or the head. Each epoch's batches depend on seed and epoch alone, and a
checkpoint holds weights, average and optimizer, so a training that was interrupted ends as one that was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from convert.errors import TrainingError
from convert.networks.keras_runtime import keras, tf
from convert.progress import Progress
from convert.train.recipe import Phase
from convert.train.run import load_weights, save_weights
from edge.values import Float32Array

_BEST, _LOG = "best.npz", "history.json"
LOSS = "dev_loss"


class Learner(Protocol):
    """What the trainer needs of a network, its data and its loss."""

    model: Any  # a Keras model; all of its weights are averaged and saved
    trainable: list[Any]  # the variables that may move
    extra: list[Any]  # variables beside the model that move too and are saved in checkpoints
    steps: int  # batches of an epoch

    def batches(self, epoch: int) -> Iterator[Sequence[Any]]:
        """The arrays of each step of an epoch, in the order of `loss`."""
        ...

    def loss(self, update: Any, *batch: Any) -> Any:
        """The loss of one batch, traced; `update` is the optimizer's count, int64."""
        ...

    def gradients(self, gradients: Sequence[Any]) -> Sequence[Any]:
        """The gradients of `trainable` as they are to be applied."""
        ...

    def measure(self, weights: Sequence[Float32Array]) -> dict[str, float]:
        """Figures of these weights on dev; `dev_loss` among them where training may stop early."""
        ...


class Trained(NamedTuple):
    """What a training leaves.

    Attributes:
        weights: averaged, in Keras's order; of the best epoch where the phase has `patience`.
        best: that epoch; 0 where no epoch was better than the start.
        history: the start's record, and one an epoch.
        ended: it needs no further epoch; False after an interruption.
    """

    weights: list[Float32Array]
    best: int
    history: list[dict[str, float]]
    ended: bool


def train(learner: Learner, phase: Phase, *, folder: Path, stop_after: int | None = None) -> Trained:
    """Trains, or goes on where the folder has a checkpoint.

    Args:
        learner: network, data and loss; its weights are where training starts.
        phase: of the recipe.
        folder: for checkpoints.
        stop_after: leave after this epoch, as an interruption would.

    Raises:
        TrainingError: the loss is no number any more.
    """
    optimizer = keras.optimizers.Adam(_rate(phase, learner.steps), clipnorm=phase.clipnorm)
    optimizer.build([*learner.trainable, *learner.extra])
    start = [weight.numpy() for weight in learner.model.weights]
    average = [tf.Variable(weight, trainable=False) for weight in start]
    kept = tf.train.Checkpoint(model=learner.model, extra=list(learner.extra), optimizer=optimizer, average=average)
    manager = tf.train.CheckpointManager(kept, str(folder), max_to_keep=2, checkpoint_name="epoch")
    history = _restore(folder, kept) or [{"epoch": 0.0, "seconds": 0.0, **learner.measure(start)}]
    step = _make_step(learner, optimizer, average, phase.average)
    with Progress(phase.name, phase.epochs) as progress:
        while not (ended := _ended(history, phase)):
            epoch, began = len(history) - 1, time.monotonic()
            if stop_after is not None and epoch >= stop_after:
                break
            losses = [step(*map(tf.constant, batch)) for batch in learner.batches(epoch)]
            loss = float(np.mean([float(value) for value in losses]))
            if not math.isfinite(loss):
                raise TrainingError(
                    f"{phase.name}: the loss became {loss} in epoch {epoch + 1}; lower the learning rate"
                )
            record = {"epoch": epoch + 1.0, "seconds": round(time.monotonic() - began, 2), "loss": loss}
            if (epoch + 1) % phase.measure_every == 0 or epoch + 1 == phase.epochs:
                weights = [value.numpy() for value in average]
                record |= learner.measure(weights)
                if phase.patience and record[LOSS] < history[_best(history)][LOSS]:
                    save_weights(folder / _BEST, weights)
            history.append(record)
            manager.save(checkpoint_number=epoch + 1)
            _write(folder / _LOG, json.dumps(history))  # last: an epoch counts once its checkpoint is whole
            progress.advance(record)
    best = _best(history) if phase.patience else len(history) - 1
    if not phase.patience:
        return Trained([value.numpy() for value in average], best, history, ended)
    return Trained(load_weights(folder / _BEST) if best else start, best, history, ended)


def _restore(folder: Path, kept: Any) -> list[dict[str, float]]:
    """Brings the newest whole checkpoint back; returns its history, empty where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / _LOG
    history: list[dict[str, float]] = json.loads(log.read_text()) if log.is_file() else []
    newest = folder / f"epoch-{len(history) - 1}"
    if not (history and newest.with_suffix(".index").is_file()):
        return []
    kept.restore(str(newest)).assert_existing_objects_matched()
    return history


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)


def _best(history: Sequence[dict[str, float]]) -> int:
    return int(np.argmin([record.get(LOSS, math.inf) for record in history]))


def _ended(history: Sequence[dict[str, float]], phase: Phase) -> bool:
    done = len(history) - 1
    return done >= phase.epochs or 0 < phase.patience <= done - _best(history)


def _rate(phase: Phase, steps: int) -> Any:
    total = max(phase.epochs * steps, 1)
    warmup = max(round(phase.warmup * total), 1)
    return keras.optimizers.schedules.CosineDecay(
        phase.learning_rate * 0.05, max(total - warmup, 1), warmup_target=phase.learning_rate, warmup_steps=warmup
    )


def _make_step(learner: Learner, optimizer: Any, average: Sequence[Any], decay: float) -> Any:
    moving, weights = [*learner.trainable, *learner.extra], learner.model.weights

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(*batch: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = learner.loss(optimizer.iterations, *batch)
        gradients = learner.gradients(tape.gradient(loss, moving))
        optimizer.apply_gradients((g, v) for g, v in zip(gradients, moving, strict=True) if g is not None)
        # In the first updates the average follows faster, to forget the start.
        updates = tf.cast(optimizer.iterations, tf.float32)
        share = tf.minimum(decay, (1 + updates) / (10 + updates))
        for mean, weight in zip(average, weights, strict=True):
            mean.assign_add((1 - share) * (weight - mean))
        return loss

    return step
