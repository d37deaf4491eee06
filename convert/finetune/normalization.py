"""Batch normalization's statistics measured anew on unlabelled faces, and blended with those of training.

After Schneider et al. 2020, "Improving robustness against common corruptions by covariate shift adaptation" (NeurIPS):
the training's statistics count as `prior` pictures beside the n new ones, so with n pictures the new statistics weigh
n / (prior + n). Weights, gamma and beta stay as they are.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from convert.errors import DataError
from convert.networks.backbone import build_backbone
from convert.networks.keras_runtime import keras, tf
from convert.train.backbone import normalize
from convert.train.examples import AUXILIARY
from convert.train.recipe import BackboneRecipe
from edge.values import Float32Array, UInt8Array

FEWEST = 32  # pictures: below, the statistics of an 8-channel map's mean wander more than a lamp moves them


def blend_share(count: int, prior: float) -> float:
    """How much the new statistics weigh, 0..1: n / (prior + n)."""
    return count / (prior + count)


def adapt_normalization(
    weights: list[Any], images: UInt8Array, recipe: BackboneRecipe, *, prior: float
) -> list[Float32Array]:
    """Measures each normalization layer's input on the pictures, as the layers before it, adapted already, pass it on.

    All pictures go through the network together, layer by layer, since a layer's statistics are those of all of them.

    Args:
        weights: of the backbone, in Keras's order.
        images: uint8 (N, S, S, 3), RGB, device crops.
        recipe: of the network.
        prior: pictures that the training's statistics count for.

    Returns:
        The weights with other means and variances, and nothing else changed.

    Raises:
        DataError: there are fewer than `FEWEST` pictures.
    """
    if len(images) < FEWEST:
        raise DataError(f"{len(images)} faces are too few to measure a shop by; show at least {FEWEST}")
    model = build_backbone(recipe, blendshapes=len(AUXILIARY))
    model.set_weights(weights)
    share = blend_share(len(images), prior)
    values = {_key(model.input): normalize(tf.constant(images))}
    readers = Counter(_key(tensor) for layer in model.layers[1:] for tensor in _inputs(layer))
    for layer in model.layers[1:]:
        taken = _inputs(layer)
        arrived = [values[_key(tensor)] for tensor in taken]
        if isinstance(layer, keras.layers.BatchNormalization):
            _blend(layer, arrived[0], share)
        values[_key(layer.output)] = layer(arrived if len(arrived) > 1 else arrived[0], training=False)
        for tensor in taken:  # a map that nobody reads any more is let go: all pictures' maps are large
            readers[_key(tensor)] -= 1
            if not readers[_key(tensor)]:
                del values[_key(tensor)]
    return [np.asarray(weight, np.float32) for weight in model.get_weights()]


def _blend(layer: Any, arrived: Any, share: float) -> None:
    mean, variance = tf.nn.moments(arrived, axes=list(range(len(arrived.shape) - 1)))
    for held, measured in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        held.assign((1 - share) * held + share * measured)


def _inputs(layer: Any) -> list[Any]:
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _key(tensor: Any) -> str:
    return str(tensor.name)
