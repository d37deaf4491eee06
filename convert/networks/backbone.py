"""The backbone that a run trains: a network's features with an embedding, the answer and an auxiliary output."""

from __future__ import annotations

from typing import Any

from convert.networks.keras_runtime import keras
from convert.networks.registry import build_features
from convert.train.recipe import BackboneRecipe


def build_backbone(recipe: BackboneRecipe, *, blendshapes: int) -> Any:
    """Builds the network that the recipe names and what we attach to it.

    Args:
        recipe: network, size, width, pooling and length of the embedding.
        blendshapes: length of the auxiliary output, trained on and never exported.

    Returns:
        A Keras model from an image float32 (B, S, S, 3), RGB, (pixel − 127) / 127.5, to a dictionary of
        `embedding` (B, D), `va` (B, 2) and `blendshapes` (B, K), all unbounded float32; the device clips `va`.

    Raises:
        DataError: the network is not there or not what `convert.networks.registry` asks of it.
    """
    network = build_features(recipe.network, recipe.size, recipe.width, recipe.pooling)
    embedding = keras.layers.Dense(recipe.embedding, name="embedding")(network.output)
    va = keras.layers.Dense(2, name="va")(embedding)
    shapes = keras.layers.Dense(blendshapes, name="blendshapes")(embedding)
    outputs = {"embedding": embedding, "va": va, "blendshapes": shapes}
    return keras.Model(network.input, outputs, name=network.name)
