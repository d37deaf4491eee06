"""The streaming head: one LSTM step for all faces due, its state an argument and a result.

The answer is a linear readout of the embedding plus one of the LSTM's output, cut to −1..1. Cells are clipped, in
training as in the graph: unclipped, they drift over hours of streaming to where nothing learned holds.

A head begins as what it has to beat: exponential averages of the backbone's own answers, each written into cells of
the LSTM. One more cell counts the age of the track, so that a young average weighs all pictures alike and the first
answer is the first picture's. Training then moves the averages' gates, away from a covered face, towards a changing
one; they stay averages, as input and forget gate keep adding up to one (Greff et al. 2017, coupled gates). The other
cells learn what to add to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.networks.keras_runtime import keras, tf
from convert.train.recipe import HeadRecipe

# Of the newest picture in an average; as many as there are units for. The first is the answer, all are for the gates.
_RATES = (0.3, 0.5, 0.15, 0.08)
_OPEN = 4.0  # a gate's input that opens it
_SCALE = 0.3  # of an answer within a cell, where tanh is still nearly straight


class ClippedLSTMCell(keras.layers.LSTMCell):  # type: ignore[misc]
    """Keras's LSTM cell (Hochreiter & Schmidhuber 1997) whose cell state stays within ± `cell_clip`."""

    def __init__(self, units: int, cell_clip: float, **options: Any) -> None:
        super().__init__(units, **options)
        self.cell_clip = cell_clip

    def call(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        """One step: inputs (N, D), states [h, c] each (N, units); returns h and [h, c]."""
        h, c = states
        gates = tf.matmul(inputs, self.kernel) + tf.matmul(h, self.recurrent_kernel) + self.bias
        i, f, g, o = tf.split(gates, 4, axis=-1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        c = tf.clip_by_value(c, -self.cell_clip, self.cell_clip)
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, [h, c]


class LstmHead(keras.Model):  # type: ignore[misc]
    """The head.

    Args:
        embedding: its length D.
        recipe: units and clip.

    The embedding is first standardized by constants (`center`, `spread`) measured on training embeddings.
    """

    def __init__(self, embedding: int, recipe: HeadRecipe) -> None:
        super().__init__(name="lstm_head")
        self.units = recipe.units
        self.center = self.add_weight("center", (embedding,), trainable=False)
        self.spread = self.add_weight("spread", (embedding,), initializer="ones", trainable=False)
        self.cell = ClippedLSTMCell(recipe.units, recipe.cell_clip, name="cell")
        self.picture = keras.layers.Dense(2, kernel_initializer="zeros", name="picture")
        self.memory = keras.layers.Dense(2, use_bias=False, kernel_initializer="zeros", name="memory")
        zero = tf.zeros((1, recipe.units))
        self.step(tf.zeros((1, embedding)), zero, zero)

    def step(self, embedding: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
        """One step of the grid: (N, D), (N, units), (N, units) to the answer before the cut (N, 2), next h and c."""
        x = (embedding - self.center) / self.spread
        out, (h, c) = self.cell(x, [h, c])
        return self.picture(x) + self.memory(out), h, c

    def call(self, inputs: Any) -> Any:
        """A whole sequence from a zero state: (N, T, D) to (N, T, 2), before the cut."""
        zero = tf.zeros((tf.shape(inputs)[0], self.units))
        return self.unroll(inputs, zero, zero)[0]

    def unroll(self, inputs: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
        """T steps from a given state: (N, T, D) to (N, T, 2), and the last h and c."""
        answers = []
        for t in range(inputs.shape[1]):
            va, h, c = self.step(inputs[:, t], h, c)
            answers.append(va)
        return tf.stack(answers, axis=1), h, c

    @property
    def averages(self) -> int:
        """How many units, the first ones, hold averages and the age."""
        return 1 + 2 * len(_RATES[: (self.units - 1) // 2])

    def keep_averages(self, gradients: Sequence[Any]) -> list[Any]:
        """The gradients of `trainable_variables`, changed so that averages of frame answers stay what they are.

        Of the averages' units the gates alone move, the input gate against the forget gate; the age and the readouts of
        picture and averages do not move at all.
        """
        kernel, recurrent, bias, picture, constant, memory = gradients
        average = np.zeros(self.units, np.float32)
        average[1 : self.averages] = 1
        other = np.ones(self.units, np.float32)
        other[: self.averages] = 0

        def tied(gradient: Any) -> Any:
            into, forget, value, out = tf.split(gradient, 4, axis=-1)
            move = (into - forget) * average
            return tf.concat([into * other + move, forget * other - move, value * other, out * other], axis=-1)

        readouts = [tf.zeros_like(picture), tf.zeros_like(constant), memory * other[:, None]]
        return [tied(kernel), tied(recurrent), tied(bias), *readouts]

    def keep_of_corrections(self, share: float) -> None:
        """Scales what the other units add to the averages."""
        (memory,) = self.memory.get_weights()
        memory[self.averages :] *= share
        self.memory.set_weights([memory])

    def move_readout(self, step: Any, shift: Any) -> None:
        """Averages other frame answers from now on.

        Args:
            step, shift: float32 (D, 2) and (2,), by what kernel and bias of the backbone's `va` layer changed.
        """
        kernel, recurrent, bias = self.cell.get_weights()
        value = slice(2 * self.units, 3 * self.units)
        spread, center = self.spread.numpy(), self.center.numpy()
        for target in range(2):
            units = slice(1 + target, self.averages, 2)
            kernel[:, value][:, units] += (step[:, target] * spread * _SCALE)[:, None]
            bias[value][units] += (shift[target] + center @ step[:, target]) * _SCALE
        self.cell.set_weights([kernel, recurrent, bias])

    def start_from(self, embeddings: Any, kernel: Any, bias: Any) -> None:
        """Makes an average of the backbone's answers of a head with random weights.

        Args:
            embeddings: float32 (N, D), of training pictures; the standardization is taken from them.
            kernel, bias: float32 (D, 2) and (2,), the backbone's `va` layer on the raw embedding.
        """
        self.center.assign(embeddings.mean(axis=0))
        self.spread.assign(embeddings.std(axis=0) + 1e-3)
        weights = [weight.copy() for weight in self.cell.get_weights()]
        _write_averages(*weights, rates=_RATES[: (self.averages - 1) // 2])
        self.cell.set_weights(weights)
        self.move_readout(kernel, bias)
        memory = np.zeros((self.units, 2), np.float32)
        memory[1 : min(3, self.averages)] = np.eye(2)[: self.averages - 1] / _SCALE
        self.memory.set_weights([memory])


def _write_averages(
    kernel: NDArray[Any], recurrent: NDArray[Any], bias: NDArray[Any], *, rates: Sequence[float]
) -> None:
    """Changes the first units of a cell into averages, of nothing yet.

    Unit 0 counts the age; its output goes from 0 towards tanh(1). Then come the averages, one rate after another, of
    valence and arousal. Where a forget gate is one minus the input gate, a cell is an average.

    Args:
        kernel, recurrent, bias: of the cell, for D inputs and U units; written to.
        rates: of the averages.
    """
    units, taken = len(recurrent), 1 + 2 * len(rates)
    into, forget, value, out = (slice(gate * units, (gate + 1) * units) for gate in range(4))
    for weight in (kernel, recurrent, bias):
        for part in (into, forget, value, out):
            weight[..., part][..., :taken] = 0
    bias[value][0] = _OPEN
    bias[out][:taken] = _OPEN
    for number, rate in enumerate(rates):
        pair = slice(1 + 2 * number, 3 + 2 * number)
        slope = (np.log(rate / (1 - rate)) - _OPEN) / np.tanh(1.0)  # from all of the first picture to `rate`
        bias[into][pair], bias[forget][pair] = _OPEN, -_OPEN
        recurrent[:, into][0, pair], recurrent[:, forget][0, pair] = slope, -slope
