"""Inception-ResNet with LSTM (Hasani & Mahoor 2017): a short sequence of pictures to an answer for each, as one model.

It is trained end to end: gradients flow from each answer through the LSTM into the convolutions. On the device it is
split where its embedding is, so that nothing is computed twice and no state is quantized: the backbone as an int8 graph
for each picture, the LSTM as a float32 step with its state as argument (docs/decisions/0003).

Our choices, where the paper says nothing that we know of: the pictures go through the shallow network; between it and
the LSTM stands our embedding; one LSTM layer, whose width the recipe has; its cell is clipped and its answer is added
to a linear readout of the picture (`LstmHead`), so that a face is judged from its first picture on.
"""

from __future__ import annotations

from typing import Any

from convert.networks.backbone import build_backbone
from convert.networks.keras_runtime import keras, tf
from convert.networks.lstm_head import LstmHead
from convert.train.recipe import Recipe


class InceptionResNetLstm(keras.Model):  # type: ignore[misc]
    """The model.

    Args:
        recipe: of backbone and head.
        blendshapes: length of the backbone's auxiliary output, which takes no part here.

    `backbone` and `head` are the two parts, as the other trainings and the export know them.
    """

    def __init__(self, recipe: Recipe, *, blendshapes: int) -> None:
        super().__init__(name="inception_resnet_lstm")
        self.backbone = build_backbone(recipe.backbone, blendshapes=blendshapes)
        self.head = LstmHead(recipe.backbone.embedding, recipe.head)

    def call(self, images: Any, training: bool = False) -> dict[str, Any]:
        """From a zero state through whole sequences.

        Args:
            images: float32 (N, T, S, S, 3), RGB, (pixel − 127) / 127.5.
            training: whether batch normalization uses the batch's own statistics.

        Returns:
            `va` float32 (N, T, 2), the answers before the cut, and `frame` (N, T, 2), the backbone's own.
        """
        count, steps = tf.shape(images)[0], images.shape[1]
        found = self.backbone(tf.reshape(images, (-1, *images.shape[2:])), training=training)
        embeddings = tf.reshape(found["embedding"], (count, steps, found["embedding"].shape[-1]))
        return {"va": self.head(embeddings), "frame": tf.reshape(found["va"], (count, steps, 2))}
