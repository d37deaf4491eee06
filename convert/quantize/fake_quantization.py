"""Fine-tuning with fake quantization: the network learns to live with int8's rounding, and nothing else.

The float network's own answers, embedding and valence/arousal, teach it, so it needs no labels and drifts nowhere.
Two things matter more than the number of steps. The activations' ranges start from what the network really
gives (from TensorFlow Model Optimization's ±6, moved by its slow average, training diverges), and batch
normalization stays frozen, its scale and the residual scale in it included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow_model_optimization as tfmot

from convert.networks.backbone import build_backbone
from convert.networks.keras_runtime import keras, seed_everything, tf
from convert.quantize.recipes import FakeQuantization
from convert.train.recipe import Recipe
from edge.affect.backbone import PIXEL_SCALE, PIXEL_ZERO
from edge.values import UInt8Array

_CHUNK = 32  # faces at a time
_RANGES = ("output", "pre_activation", "post_activation")
_PREFIX = "quant_"
_OUTPUTS = ("embedding", "va")


def fake_quantize(
    weights: list[Any], recipe: Recipe, images: UInt8Array, training: FakeQuantization, *, blendshapes: int
) -> Any:
    """Fine-tunes, and returns a Keras model with fake quantization in it, ready to convert.

    Args:
        weights: of the float network, in Keras's order.
        recipe: of the network; its seed orders the faces.
        images: uint8 (N, S, S, 3) RGB, device crops to learn on; no labels.
        training: steps, batch and rate.
        blendshapes: length of the auxiliary output, which is left out.
    """
    seed_everything(recipe.seed)
    float_network = _two_outputs(weights, recipe, blendshapes)
    network = _quantized(float_network)
    _freeze_normalization(network)
    rng = np.random.default_rng([recipe.seed, 3])
    _start_ranges(network, float_network, images)

    def batch() -> Any:
        pick = images[rng.integers(0, len(images), min(training.batch, len(images)))]
        flip = rng.random(len(pick)) < 0.5
        return _as_input(np.where(flip[:, None, None, None], pick[:, :, ::-1], pick))

    rate = keras.optimizers.schedules.CosineDecay(training.learning_rate, training.steps)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)

    @tf.function  # type: ignore[untyped-decorator]
    def step(x: Any) -> Any:
        wanted = float_network(x, training=False)
        with tf.GradientTape() as tape:
            given = network(x, training=True)
            loss = tf.add_n([tf.reduce_mean(tf.square(g - w)) for g, w in zip(given, wanted, strict=True)])
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss

    for _ in range(training.steps):
        step(batch())
    _span_all_pixels(network)  # training lets it follow the pictures
    return network


def _two_outputs(weights: list[Any], recipe: Recipe, blendshapes: int) -> Any:
    model = build_backbone(recipe.backbone, blendshapes=blendshapes)
    model.set_weights(weights)
    return keras.Model(model.input, [model.output[name] for name in _OUTPUTS])


def _quantized(model: Any) -> Any:
    """The model with fake quantization in it, every layer's inputs in the order that they had.

    TensorFlow Model Optimization 0.8.1 (2026-11) swaps the inputs of a Concatenate of a ReLU and a pooling, in this
    order; the channels then meet the wrong weights, and only training could tell.
    """
    swapped = tfmot.quantization.keras.quantize_model(model)
    order = {layer["name"]: _inputs(layer) for layer in model.get_config()["layers"]}
    config = swapped.get_config()
    for layer in config["layers"]:
        wanted = order.get(layer["name"].removeprefix(_PREFIX), [])
        if len(wanted) > 1:
            layer["inbound_nodes"][0].sort(key=lambda node: wanted.index(node[0].removeprefix(_PREFIX)))
    with tfmot.quantization.keras.quantize_scope():
        mended = keras.Model.from_config(config)
    for layer in mended.layers:
        weights = swapped.get_layer(layer.name).get_weights()
        if len(weights) == len(layer.weights):  # the input's, made twice, is set by `_span_all_pixels`
            layer.set_weights(weights)
    _span_all_pixels(mended)
    return mended


def _inputs(layer: Any) -> list[str]:
    return [node[0] for node in layer["inbound_nodes"][0]] if layer["inbound_nodes"] else []


def _freeze_normalization(network: Any) -> None:
    for layer in network.layers:
        inner = getattr(layer, "layer", None)
        if isinstance(inner, keras.layers.BatchNormalization):
            inner.trainable = False


def _start_ranges(network: Any, float_network: Any, images: UInt8Array) -> None:
    """Sets every activation's range to what the float network gives for the images."""
    wrapped = {
        layer.layer.name: layer
        for layer in network.layers
        if hasattr(layer, "layer") and any(_is_range(variable) for variable in layer.weights)
    }
    names = [layer.name for layer in float_network.layers if layer.name in wrapped]
    watch = keras.Model(float_network.input, [float_network.get_layer(name).output for name in names])
    low, high = np.zeros(len(names)), np.full(len(names), 1e-3)  # a range holds 0, and is one
    for start in range(0, len(images), _CHUNK):
        values = watch(_as_input(images[start : start + _CHUNK]), training=False)
        low = np.minimum(low, [float(tf.reduce_min(each)) for each in values])
        high = np.maximum(high, [float(tf.reduce_max(each)) for each in values])
    for number, name in enumerate(names):
        for variable in wrapped[name].weights:
            if _is_range(variable):
                variable.assign((low if _stem(variable).endswith("_min") else high)[number])


def _is_range(variable: Any) -> bool:
    return _stem(variable) in {f"{kind}_{end}" for kind in _RANGES for end in ("min", "max")}


def _stem(variable: Any) -> str:
    return str(variable.name.rpartition("/")[2].partition(":")[0])


def _as_input(pixels: UInt8Array) -> Any:
    return tf.constant((pixels.astype(np.float32) - PIXEL_ZERO) * np.float32(PIXEL_SCALE))


def _span_all_pixels(network: Any) -> None:
    """Sets the input's range to exactly 0..255: scale 1/127.5, zero point −1, as the device's shortcut wants it."""
    for variable in network.layers[1].weights:
        if _stem(variable).endswith("_min"):
            variable.assign(-PIXEL_ZERO * PIXEL_SCALE)
        elif _stem(variable).endswith("_max"):
            variable.assign((255 - PIXEL_ZERO) * PIXEL_SCALE)
