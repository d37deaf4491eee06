"""A wider network that begins by answering as a narrower one does, or one of another picture size nearly so.

Each channel is written k times side by side, and what reads the copies shares the old weight out between them in random
parts, so that every value stays what it was while the copies learn apart (Chen, Goodfellow & Shlens 2016, "Net2Net:
Accelerating Learning via Knowledge Transfer", ICLR, arXiv 1511.05641). Copies lie side by side in every layer, so
joins and residual sums of equally widened branches keep their meaning. Where the last map of another picture size has
other places, what reads them is interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from convert.errors import TrainingError
from convert.networks.keras_runtime import keras
from edge.values import Float32Array

_LEAST_PART = 0.25  # of an equal part, so that no copy starts without a gradient


def widen(weights: Sequence[Float32Array], model: Any, seed: int) -> list[Float32Array]:
    """Weights for a model from those of a network that has every layer k times narrower, or another picture size.

    Args:
        weights: of the other network, in Keras's order; those of the same network stay as they are.
        model: the wider one: convolutions, batch normalizations and dense layers in the same order.
        seed: of the random parts.

    Raises:
        TrainingError: the weights are of another network.
    """
    need = [tuple(weight.shape) for weight in model.weights]
    if len(weights) != len(need) or any(have.ndim != len(to) for have, to in zip(weights, need, strict=False)):
        given = f"{len(weights)} arrays, not {len(need)}"
        raise TrainingError(f"the weights to start from are of another network ({given})")
    if [weight.shape for weight in weights] == need:
        return list(weights)
    kinds = (keras.layers.Conv2D, keras.layers.BatchNormalization, keras.layers.Dense)
    other = [layer.name for layer in model.layers if layer.weights and type(layer) not in kinds]
    if other:
        raise TrainingError(f"the weights to start from are of another width, and layer {other[0]} cannot be widened")
    rng = np.random.default_rng(seed)
    weights = _move_places(weights, need, model)
    return [_widen_one(have, to, rng) for have, to in zip(weights, need, strict=True)]


def _move_places(weights: Sequence[Float32Array], need: Sequence[tuple[int, ...]], model: Any) -> list[Float32Array]:
    """The same, with the dense kernel that reads a flat map of h × h places resized to the model's places."""
    out = list(weights)
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Flatten):
            continue
        side, rows = layer.input_shape[1], layer.output_shape[-1]
        for number, (kernel, to) in enumerate(zip(weights, need, strict=True)):
            if kernel.ndim == 2 and to[0] == rows and kernel.shape[1] == to[1] and kernel.shape[0] != rows:
                channels = rows // side**2
                old = math.isqrt(len(kernel) // channels)
                if old * old * channels == len(kernel):
                    map_of = kernel.reshape(old, old, channels, -1)
                    places = [cv2.resize(map_of[..., o], (side, side)) for o in range(to[1])]
                    moved = np.stack(places, axis=-1) * (old / side) ** 2
                    out[number] = moved.reshape(rows, -1).astype(np.float32)
    return out


def _widen_one(have: Float32Array, need: tuple[int, ...], rng: np.random.Generator) -> Float32Array:
    channels = have.shape[-2:]
    times = [to // max(count, 1) for count, to in zip(channels, need[-2:], strict=True)]
    wider = [count * k for count, k in zip(channels, times, strict=True)]
    if wider != list(need[-2:]) or have.shape[:-2] != need[:-2]:
        raise TrainingError(f"the weights to start from are of another network: {have.shape} does not widen to {need}")
    out = np.repeat(have, times[-1], axis=-1)
    if have.ndim > 1 and times[0] > 1:
        parts = rng.dirichlet(np.ones(times[0]), size=(channels[0], need[-1]))  # (I, O, k)
        parts = (1 - _LEAST_PART) * parts + _LEAST_PART / times[0]
        shared = np.moveaxis(parts, 2, 1).reshape(need[-2:])  # copies side by side on the reading axis
        out = np.repeat(out, times[0], axis=-2) * shared
    return np.asarray(out, np.float32)
