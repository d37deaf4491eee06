"""The networks of Hasani & Mahoor: stem, blocks A, B and C, and the reductions between.

After Hasani & Mahoor 2017, "Facial Affect Estimation in the Wild Using Deep Residual and Convolutional Networks" (CVPR
workshops, arXiv 1705.07884), whose networks are Inception-ResNet modules (Szegedy et al. 2017) redesigned for affect.
Where the paper gives no figure, ours are those of Szegedy et al.: stem and blocks of Inception-ResNet-v2, the first
reduction with v1's narrower deep branch. Our own choices are listed in docs/networks.md.
Every operator of the int8 graph is on the Edge TPU's list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convert.networks.keras_runtime import keras

SCALE_A, SCALE_B, SCALE_C = 0.17, 0.10, 0.20
Channels = Callable[[int], int]


def shallow_inception_resnet(input_size: int, width: float = 1.0) -> Any:
    """One block each of A, B and C: the network of the shipped bundle; arguments as of `inception_resnet`."""
    return inception_resnet(input_size, width, (1, 1, 1), "shallow_inception_resnet")


def deep_inception_resnet(input_size: int, width: float = 1.0) -> Any:
    """5 blocks A, 10 B and 5 C, otherwise as the shallow one."""
    return inception_resnet(input_size, width, (5, 10, 5), "deep_inception_resnet")


def inception_resnet(input_size: int, width: float, blocks: tuple[int, int, int], name: str) -> Any:
    """Stem, A blocks, reduction, B blocks, reduction, C blocks; the paper then takes the mean over the picture.

    Args:
        input_size: side S of the picture, pixels.
        width: channels relative to Szegedy et al.'s; each count is a multiple of 4, at least 4.
        blocks: how many of A, B and C.
        name: of the Keras model.

    Returns:
        A Keras model from `image` float32 (B, S, S, 3) to a map float32 (B, S / 32, S / 32, F), sides rounded up.
    """

    def channels(full: int) -> int:
        return scale(full, width)

    count_a, count_b, count_c = blocks
    image = keras.Input((input_size, input_size, 3), name="image")
    x = _stem(image, channels)
    for _ in range(count_a):
        x = _block_a(x, channels)
    x = _reduction_a(x, channels)
    for _ in range(count_b):
        x = _block_b(x, channels)
    x = _reduction_b(x, channels)
    for _ in range(count_c):
        x = _block_c(x, channels)
    return keras.Model(image, x, name=name)


def scale(channels: int, width: float) -> int:
    """Channels at a width: a multiple of 4, at least 4."""
    return max(4, round(channels * width / 4) * 4)


def conv(x: Any, filters: int, kernel: int | tuple[int, int], *, stride: int = 1) -> Any:
    """Conv + BN + ReLU6, `same` padding. ReLU6 bounds what int8 must span."""
    x = keras.layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    return keras.layers.ReLU(6.0)(x)


def max_pool(x: Any) -> Any:
    """3 × 3 maximum, stride 2, `same` padding."""
    return keras.layers.MaxPooling2D(3, strides=2, padding="same")(x)


def join(branches: list[Any]) -> Any:
    """Branches side by side on the channel axis."""
    return keras.layers.Concatenate()(branches)


def residual(x: Any, branches: list[Any], scale: float) -> Any:
    """ReLU6(x + scale · up(branches)), the scale being where BN's gamma starts.

    An explicit multiplication, as Szegedy et al. 2017 write it, leaves float operators in the int8 graph.
    """
    up = keras.layers.Conv2D(x.shape[-1], 1, padding="same", use_bias=False)(join(branches))
    up = keras.layers.BatchNormalization(momentum=0.9, gamma_initializer=keras.initializers.Constant(scale))(up)
    return keras.layers.ReLU(6.0)(keras.layers.Add()([x, up]))


def _stem(x: Any, n: Channels) -> Any:
    x = conv(x, n(32), 3, stride=2)
    x = conv(x, n(32), 3)
    x = conv(x, n(64), 3)
    x = join([max_pool(x), conv(x, n(96), 3, stride=2)])
    short = conv(conv(x, n(64), 1), n(96), 3)
    long = conv(conv(conv(conv(x, n(64), 1), n(64), (7, 1)), n(64), (1, 7)), n(96), 3)
    x = join([short, long])
    return join([conv(x, n(192), 3, stride=2), max_pool(x)])


def _block_a(x: Any, n: Channels) -> Any:
    one = conv(x, n(32), 1)
    two = conv(conv(x, n(32), 1), n(32), 3)
    three = conv(conv(conv(x, n(32), 1), n(48), 3), n(64), 3)
    return residual(x, [one, two, three], SCALE_A)


def _reduction_a(x: Any, n: Channels) -> Any:
    deep = conv(conv(conv(x, n(192), 1), n(192), 3), n(256), 3, stride=2)
    return join([max_pool(x), conv(x, n(384), 3, stride=2), deep])


def _block_b(x: Any, n: Channels) -> Any:
    one = conv(x, n(192), 1)
    two = conv(conv(conv(x, n(128), 1), n(160), (1, 7)), n(192), (7, 1))
    return residual(x, [one, two], SCALE_B)


def _reduction_b(x: Any, n: Channels) -> Any:
    one = conv(conv(x, n(256), 1), n(384), 3, stride=2)
    two = conv(conv(x, n(256), 1), n(288), 3, stride=2)
    three = conv(conv(conv(x, n(256), 1), n(288), 3), n(320), 3, stride=2)
    return join([max_pool(x), one, two, three])


def _block_c(x: Any, n: Channels) -> Any:
    one = conv(x, n(192), 1)
    two = conv(conv(conv(x, n(192), 1), n(224), (1, 3)), n(256), (3, 1))
    return residual(x, [one, two], SCALE_C)
