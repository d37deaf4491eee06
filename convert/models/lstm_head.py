"""The streaming head: one LSTM step for all faces due, its state an argument and a result.

The answer is a linear readout of the embedding plus one of the LSTM's output, cut to −1..1: what a single picture
says holds from the first step, and what the state knows corrects it. Cells are clipped, in training as in the graph:
unclipped, they drift over hours of streaming to where nothing learned holds.
"""

from __future__ import annotations

from typing import Any

from convert.keras_runtime import keras, tf
from convert.recipe import HeadRecipe


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
        self.picture = keras.layers.Dense(2, name="picture")
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

    def start_from(self, embeddings: Any, kernel: Any, bias: Any) -> None:
        """Sets the standardization from embeddings (N, D), and the picture's readout to the backbone's own.

        Args:
            embeddings: float32 (N, D), of training pictures.
            kernel, bias: float32 (D, 2) and (2,), the backbone's `va` layer on the raw embedding.
        """
        center, spread = embeddings.mean(axis=0), embeddings.std(axis=0) + 1e-3
        self.center.assign(center)
        self.spread.assign(spread)
        self.picture.set_weights([kernel * spread[:, None], bias + center @ kernel])
