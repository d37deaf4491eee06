"""What a training is at the end of an epoch: weights, their moving average, the optimizer, and what was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.networks.keras_runtime import tf


@dataclass(slots=True, kw_only=True)
class TrainingState:
    """Owned by one training loop.

    Attributes:
        average: variables that follow the model's weights, in their order.
        history: one record an epoch.
    """

    average: list[Any]
    history: list[dict[str, float]]
    _manager: Any
    _log: Path

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history)

    def follow(self, weights: Sequence[Any], updates: Any, decay: float) -> None:
        """Moves the average towards the weights after an update; in the first updates faster, to forget the start."""
        made = tf.cast(updates, tf.float32)
        decay = tf.minimum(decay, (1 + made) / (10 + made))
        for average, weight in zip(self.average, weights, strict=True):
            average.assign(decay * average + (1 - decay) * weight)

    def save(self, record: dict[str, float]) -> None:
        """Closes an epoch; the log is written last, so an epoch counts once its checkpoint is whole."""
        self.history.append(record)
        self._manager.save(checkpoint_number=self.epoch)
        partial = self._log.with_suffix(".partial")
        partial.write_text(json.dumps(self.history))
        partial.replace(self._log)


def restore_or_start(folder: Path, model: Any, optimizer: Any) -> TrainingState:
    """Goes on from the newest whole checkpoint of a folder, or starts one."""
    folder.mkdir(parents=True, exist_ok=True)
    optimizer.build(model.trainable_variables)
    average = [tf.Variable(weight, trainable=False) for weight in model.weights]
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, average=average)
    manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=2, checkpoint_name="epoch")
    log = folder / "history.json"
    history: list[dict[str, float]] = json.loads(log.read_text()) if log.is_file() else []
    newest = folder / f"epoch-{len(history)}"
    if history and newest.with_suffix(".index").is_file():
        checkpoint.restore(str(newest)).assert_existing_objects_matched()
    else:
        history = []
    return TrainingState(average=average, history=history, _manager=manager, _log=log)
