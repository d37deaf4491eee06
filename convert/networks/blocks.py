"""Convolution, batch normalization and ReLU6; and the residual join of an Inception-ResNet that quantizes whole."""

from __future__ import annotations

from typing import Any

from convert.networks.keras_runtime import keras


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
