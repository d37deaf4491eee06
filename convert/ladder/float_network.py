"""The float network in Keras: what every other form is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from convert.networks.backbone import build_backbone
from convert.networks.keras_runtime import keras, tf
from convert.networks.lstm_head import LstmHead
from convert.train.recipe import Recipe
from edge.affect.backbone import PIXEL_SCALE, PIXEL_ZERO
from edge.values import Float32Array, UInt8Array


def use_one_thread() -> None:
    """Keeps TensorFlow to one thread; only before anything was computed, later it changes nothing."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return


class FloatNetwork:
    """Backbone and head as Keras models.

    Args:
        recipe: that they were made by.
        backbone, head: weights in Keras's order.
        blendshapes: length of the backbone's auxiliary output.
    """

    def __init__(self, recipe: Recipe, backbone: list[Any], head: list[Any], *, blendshapes: int) -> None:
        network = build_backbone(recipe.backbone, blendshapes=blendshapes)
        network.set_weights(backbone)
        step = LstmHead(recipe.backbone.embedding, recipe.head)
        step.set_weights(head)
        whole = keras.layers.RNN(step.cell, return_sequences=True)
        size, length = recipe.backbone.size, recipe.backbone.embedding

        def follow(embeddings: Any) -> Any:
            x = (embeddings - step.center) / step.spread
            return step.picture(x) + step.memory(whole(x))

        self._look = tf.function(
            lambda image: network(image, training=False),
            input_signature=[tf.TensorSpec((None, size, size, 3), tf.float32)],
        )
        self._follow = tf.function(follow, input_signature=[tf.TensorSpec((None, None, length), tf.float32)])

    def look(self, crops: UInt8Array) -> tuple[Float32Array, Float32Array]:
        """Embeddings (N, D) and frame answers (N, 2), cut to −1..1, of crops uint8 (N, S, S, 3), RGB."""
        out = self._look(tf.constant((crops.astype(np.float32) - PIXEL_ZERO) * np.float32(PIXEL_SCALE)))
        return out["embedding"].numpy(), np.clip(out["va"].numpy(), -1, 1)

    def follow(self, embeddings: Float32Array) -> Float32Array:
        """Answers (N, T, 2), cut to −1..1, to whole sequences of embeddings (N, T, D), from a zero state."""
        return np.clip(self._follow(tf.constant(embeddings)).numpy(), -1, 1).astype(np.float32)
