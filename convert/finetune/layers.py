"""What of a network may move in fine-tuning: nothing, its answer, its last residual block, or all of it."""

from __future__ import annotations

from typing import Any

from convert.errors import TrainingError
from convert.finetune.recipe import Unfreeze
from convert.networks.keras_runtime import keras

_READOUT = ("embedding", "va")


def moving_variables(model: Any, unfreeze: Unfreeze) -> list[Any]:
    """The variables that training may change. Normalization's statistics and the auxiliary output never do.

    Args:
        model: a backbone as `build_backbone` makes it.
        unfreeze: see `FinetuneRecipe`.

    Raises:
        TrainingError: the network has no residual block to unfreeze.
    """
    names = set(_READOUT)
    if unfreeze == "last":
        names |= _last_block(model)
    elif unfreeze == "all":
        names |= {layer.name for layer in model.layers} - {"blendshapes"}
    return [variable for layer in model.layers if layer.name in names for variable in layer.trainable_variables]


def _last_block(model: Any) -> set[str]:
    """Layers between the last addition's short cut and the features, both branches and what follows them."""
    makers = {layer.output.name: layer for layer in model.layers if not isinstance(layer.output, (list, dict))}
    before = _ancestors(makers, model.get_layer("embedding").input)
    joins = [layer for layer in model.layers if layer.name in before and isinstance(layer, keras.layers.Add)]
    if not joins:
        raise TrainingError(f"{model.name}: has no residual block to unfreeze; use --unfreeze head or all")
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
