"""The backbone: stem, one block each of Inception-ResNet A, B and C with their reductions, and an embedding.

After Hasani & Mahoor 2017, "Facial Affect Estimation in the Wild Using Deep Residual and Convolutional Networks"
(CVPR workshops), whose shallow network keeps one block of each kind of Szegedy et al. 2017's Inception-ResNet:
here stem and blocks of v2, the first reduction with v1's narrower deep branch.
Every operator of its int8 graph is on the Edge TPU's list.
"""

from __future__ import annotations

from typing import Any

from convert.keras_runtime import keras
from convert.models.blocks import conv, join, max_pool, residual
from convert.recipe import BackboneRecipe

SCALE_A, SCALE_B, SCALE_C = 0.17, 0.10, 0.20


def build_backbone(recipe: BackboneRecipe, *, blendshapes: int, batch: int | None = None) -> Any:
    """Builds the network.

    Args:
        recipe: size, width and length of the embedding.
        blendshapes: length of the auxiliary output, trained on and never exported.
        batch: fixed batch for export; a dynamic one would survive conversion and the Edge TPU refuses it.

    Returns:
        A Keras model from `image` float32 (B, S, S, 3), RGB, (pixel − 127) / 127.5, to a dictionary of
        `embedding` (B, D), `va` (B, 2) and `blendshapes` (B, K), all unbounded float32; the device clips `va`.
    """

    def channels(full: int) -> int:
        return max(4, round(full * recipe.width / 4) * 4)

    image = keras.Input((recipe.size, recipe.size, 3), batch_size=batch, name="image")
    x = _stem(image, channels)
    x = _block_a(x, channels)
    x = _reduction_a(x, channels)
    x = _block_b(x, channels)
    x = _reduction_b(x, channels)
    x = _block_c(x, channels)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    embedding = keras.layers.Dense(recipe.embedding, name="embedding")(x)
    va = keras.layers.Dense(2, name="va")(embedding)
    shapes = keras.layers.Dense(blendshapes, name="blendshapes")(embedding)
    outputs = {"embedding": embedding, "va": va, "blendshapes": shapes}
    return keras.Model(image, outputs, name="shallow_inception_resnet")


def _stem(x: Any, n: Any) -> Any:
    x = conv(x, n(32), 3, stride=2)
    x = conv(x, n(32), 3)
    x = conv(x, n(64), 3)
    x = join([max_pool(x), conv(x, n(96), 3, stride=2)])
    short = conv(conv(x, n(64), 1), n(96), 3)
    long = conv(conv(conv(conv(x, n(64), 1), n(64), (7, 1)), n(64), (1, 7)), n(96), 3)
    x = join([short, long])
    return join([conv(x, n(192), 3, stride=2), max_pool(x)])


def _block_a(x: Any, n: Any) -> Any:
    one = conv(x, n(32), 1)
    two = conv(conv(x, n(32), 1), n(32), 3)
    three = conv(conv(conv(x, n(32), 1), n(48), 3), n(64), 3)
    return residual(x, [one, two, three], SCALE_A)


def _reduction_a(x: Any, n: Any) -> Any:
    deep = conv(conv(conv(x, n(192), 1), n(192), 3), n(256), 3, stride=2)
    return join([max_pool(x), conv(x, n(384), 3, stride=2), deep])


def _block_b(x: Any, n: Any) -> Any:
    one = conv(x, n(192), 1)
    two = conv(conv(conv(x, n(128), 1), n(160), (1, 7)), n(192), (7, 1))
    return residual(x, [one, two], SCALE_B)


def _reduction_b(x: Any, n: Any) -> Any:
    one = conv(conv(x, n(256), 1), n(384), 3, stride=2)
    two = conv(conv(x, n(256), 1), n(288), 3, stride=2)
    three = conv(conv(conv(x, n(256), 1), n(288), 3), n(320), 3, stride=2)
    return join([max_pool(x), one, two, three])


def _block_c(x: Any, n: Any) -> Any:
    one = conv(x, n(192), 1)
    two = conv(conv(conv(x, n(192), 1), n(224), (1, 3)), n(256), (3, 1))
    return residual(x, [one, two], SCALE_C)
