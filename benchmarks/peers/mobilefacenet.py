"""MobileFaceNet (Chen, Liu, Gao & Han 2018, table 1), written from the paper, to be timed: its weights are random."""

from __future__ import annotations

from typing import Any

from convert.networks.keras_runtime import keras

_EMBEDDING = 128
# Expansion, channels, repeats and stride of the first repeat.
_BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def build_mobilefacenet(size: int = 112, *, prelu: bool = True) -> Any:
    """The network: image float32 (1, size, size, 3) in −1..1 to an embedding (1, 128).

    Args:
        size: side of the picture, a multiple of 16.
        prelu: False puts ReLU in place of the paper's PReLU.
    """
    layers = keras.layers

    def activate(x: Any) -> Any:
        return layers.PReLU(shared_axes=[1, 2])(x) if prelu else layers.ReLU()(x)

    def convolve(x: Any, channels: int, kernel: int = 1, stride: int = 1, *, linear: bool = False) -> Any:
        x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        return x if linear else activate(x)

    def filter_depthwise(x: Any, kernel: int = 3, stride: int = 1, *, whole: bool = False) -> Any:
        padding = "valid" if whole else "same"
        x = layers.DepthwiseConv2D(kernel, strides=stride, padding=padding, use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        return x if whole else activate(x)

    image = keras.Input((size, size, 3), batch_size=1, name="image")
    x = filter_depthwise(convolve(image, 64, 3, 2))
    for expansion, channels, repeats, first in _BOTTLENECKS:
        for repeat in range(repeats):
            stride = first if repeat == 0 else 1
            y = filter_depthwise(convolve(x, expansion * x.shape[-1]), stride=stride)
            y = convolve(y, channels, linear=True)
            x = layers.Add()([x, y]) if stride == 1 and x.shape[-1] == channels else y
    x = convolve(x, 512)
    x = filter_depthwise(x, x.shape[1], whole=True)
    x = convolve(x, _EMBEDDING, linear=True)
    return keras.Model(image, layers.Flatten(name="embedding")(x))
