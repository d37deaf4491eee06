"""Which layers of a backbone may move in a training: its answer, its last residual block too, or all of it."""

from __future__ import annotations

from typing import Any

from convert.errors import TrainingError
from convert.networks.keras_runtime import keras
from convert.train.recipe import Layers

_ANSWER = {"embedding", "va"}


def moving_layers(model: Any, layers: Layers) -> set[str]:
    """Names of the layers that may move, without the auxiliary output.

    Args:
        model: a backbone as `build_backbone` makes it.
        layers: as in `BackbonePhase`.

    Raises:
        TrainingError: the network has no residual block.
    """
    if layers == "all":
        return {layer.name for layer in model.layers} - {"blendshapes"}
    return _ANSWER | (_last_block(model) if layers == "last" else set())


def _last_block(model: Any) -> set[str]:
    """Layers between the last addition's short cut and the features, both branches and what follows them."""
    makers = {layer.output.name: layer for layer in model.layers if not isinstance(layer.output, (list, dict))}
    before = _ancestors(makers, model.get_layer("embedding").input)
    joins = [layer for layer in model.layers if layer.name in before and isinstance(layer, keras.layers.Add)]
    if not joins:
        raise TrainingError(f"{model.name}: has no residual block to unfreeze; use layers `answer` or `all`")
    one, other = joins[-1].input
    deeper = [_ancestors(makers, tensor) for tensor in (one, other)]
    return before - min(deeper, key=len)  # the short cut is the input that the other one's branch began with


def _ancestors(makers: dict[str, Any], tensor: Any) -> set[str]:
    """Names of the layers that a tensor is computed by."""
    found, ahead = set[str](), [tensor]
    while ahead:
        layer = makers[ahead.pop().name]
        if layer.name not in found:
            found.add(layer.name)
            taken = layer.input if isinstance(layer.input, list) else [layer.input]
            ahead += [each for each in taken if each.name != layer.output.name]
    return found
