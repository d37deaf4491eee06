"""The head as what the trainer trains: sequences of embeddings, with a state that is carried on and random resets.

A head whose state is reset at every batch learns answers that hold for the length of a batch; on a device the state
lives as long as its track. So rows keep their state from one sequence into the next, and some start anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from convert.errors import TrainingError
from convert.metrics import TARGETS, ccc
from convert.networks.keras_runtime import seed_everything, tf
from convert.networks.lstm_head import LstmHead
from convert.train.backbone import dev_loss
from convert.train.losses import affect_loss
from convert.train.recipe import HeadPhase, HeadRecipe, Recipe
from convert.train.sequences import Sequences
from convert.train.trainer import LOSS
from edge.values import Float32Array

Readout = tuple[Float32Array, Float32Array]
_COLD = 0.5  # weight of an answer that the device does not count yet


class HeadLearner:
    """See `convert.train.trainer.Learner`.

    Args:
        recipe: of the head.
        phase: of the training.
        sequences: to learn from.
        readout: kernel (D, 2) and bias (2,) of the backbone's own `va`, which the head averages.
        dev: sequences to measure on, where warm, by a short name (none for the first).
        seed: of weights, order, noise and resets.
        start: weights of a head to begin with, in Keras's order, instead of averages of the backbone's answers.

    Raises:
        TrainingError: there are fewer sequences than one batch.
    """

    def __init__(
        self,
        recipe: HeadRecipe,
        phase: HeadPhase,
        sequences: Sequences,
        readout: Readout,
        dev: Mapping[str, Sequences],
        *,
        seed: int,
        start: Sequence[Float32Array] | None = None,
    ) -> None:
        count, length, width = sequences.embeddings.shape
        if count < phase.batch:
            raise TrainingError(f"{count} sequences are fewer than one batch of {phase.batch}")
        seed_everything(seed)
        self._recipe, self._phase, self._sequences, self._dev, self._seed = recipe, phase, sequences, dev, seed
        self.model = LstmHead(width, recipe)
        self.model.start_from(sequences.embeddings.reshape(-1, width), *readout)
        if start is not None:
            self.model.set_weights(start)
        self.trainable = self.model.trainable_variables
        self.extra: list[Any] = []
        self.steps = (count // phase.batch) * -(-length // phase.truncate)
        self._state = [tf.Variable(tf.zeros((phase.batch, recipe.units)), trainable=False) for _ in "hc"]

    def batches(self, epoch: int) -> Iterator[tuple[Any, ...]]:
        """Parts of sequences: embeddings, va, the answers' weight, which rows keep their state, a seed for noise."""
        phase, rng = self._phase, np.random.default_rng([self._seed, epoch])
        count, length, _ = self._sequences.embeddings.shape
        order = rng.permutation(count)
        for at in range(0, count - phase.batch + 1, phase.batch):
            rows = order[at : at + phase.batch]
            keep = (rng.random((phase.batch, 1)) >= phase.reset_share).astype(np.float32) * (at > 0)
            for start in range(0, length, phase.truncate):
                age = np.arange(start, min(start + phase.truncate, length))
                weight = np.where(age < self._recipe.warmup_steps, _COLD, 1.0).astype(np.float32)
                yield (
                    self._sequences.embeddings[rows][:, age],
                    self._sequences.va[rows][:, age],
                    np.broadcast_to(weight, (phase.batch, len(age))),
                    keep.astype(np.float32) if start == 0 else np.ones_like(keep, np.float32),
                    rng.integers(2**31, size=2, dtype=np.int32),
                )

    def loss(self, update: Any, embeddings: Any, va: Any, weight: Any, keep: Any, seed: Any) -> Any:  # noqa: ARG002
        """1 − CCC and twice the squared error over all steps; carries the state on."""
        noise = tf.random.stateless_normal(tf.shape(embeddings), seed) * self._phase.noise * self.model.spread
        answer, *state = self.model.unroll(embeddings + noise, *(each * keep for each in self._state))
        for old, new in zip(self._state, state, strict=True):
            old.assign(new)
        return affect_loss(tf.reshape(va, (-1, 2)), tf.reshape(answer, (-1, 2)), tf.reshape(weight, (-1,)))

    def gradients(self, gradients: Sequence[Any]) -> Sequence[Any]:
        """Such that averages of frame answers stay averages."""
        return self.model.keep_averages(gradients)

    def measure(self, weights: Sequence[Float32Array]) -> dict[str, float]:
        """CCC where warm on each dev set, and the loss on the first."""
        model = self._settled(weights)
        record: dict[str, float] = {}
        for number, (name, part) in enumerate(self._dev.items()):
            warm = slice(self._recipe.warmup_steps, None)
            answers = model(tf.constant(part.embeddings)).numpy()[:, warm].reshape(-1, 2)
            truth = part.va[:, warm].reshape(-1, 2)
            for t, target in enumerate(TARGETS):
                record["_".join(filter(None, (name, target, "ccc")))] = ccc(truth[:, t], answers[:, t])
            if number == 0:
                record[LOSS] = dev_loss(truth, answers)
        return record

    def settle(self, weights: Sequence[Float32Array]) -> list[Float32Array]:
        """Trained weights, with the recipe's share of what the memory adds to the averages."""
        return [np.asarray(weight) for weight in self._settled(weights).get_weights()]

    def _settled(self, weights: Sequence[Float32Array]) -> LstmHead:
        model = LstmHead(self._sequences.embeddings.shape[-1], self._recipe)
        model.set_weights(list(weights))
        model.keep_of_corrections(self._recipe.correction)
        return model


def move_readout(head: Sequence[Float32Array], before: Readout, after: Readout, recipe: Recipe) -> list[Float32Array]:
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
