"""The Edge TPU's published rules, one operator at a time.

Operators, the runtime that first had them and their limitations: Coral's page "TensorFlow models on the Edge TPU",
table "Supported operations" and section "Model requirements" (coral.ai/docs/edgetpu/models-intro), as it stood with
compiler 16 and runtime 14; read in November 2026. The compiler has not changed since 2021.

Highest operator versions: what TensorFlow Lite's own table of kernels (`lite/kernels/register.cc`) had in late 2021,
lowered where users' logs of compiler 16 show a refusal: CONV_2D 6, TRANSPOSE_CONV 4, QUANTIZE 3 (issues 631, 845 and
879 of google-coral/edgetpu). An upper bound, therefore: a version below it has been seen to work for the operators of
our own graphs only. One operator above it, and the compiler does not read the graph at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ai_edge_litert import schema_py_generated as schema

from convert.edgetpu.layers import Layer, LayerTensor

OLDEST_RUNTIME, NEWEST_RUNTIME = 10, 14
_SOFTMAX_ELEMENTS = 16_000
_NO_ACTIVATION = schema.ActivationFunctionType.NONE
_ACTIVATIONS = (
    _NO_ACTIVATION,
    schema.ActivationFunctionType.RELU,
    schema.ActivationFunctionType.RELU_N1_TO_1,
    schema.ActivationFunctionType.RELU6,
)

Check = Callable[[Layer], str | None]


class Rule(NamedTuple):
    """What is published about one operator.

    Attributes:
        runtime: the Edge TPU runtime that first had it.
        version: highest that the compiler reads.
        parameters: which inputs must be constants.
        checks: its own limitations; each says what is broken, or None.
    """

    runtime: int
    version: int
    parameters: tuple[int, ...] = ()
    checks: tuple[Check, ...] = ()


def refusals(layer: Layer, runtime: int = NEWEST_RUNTIME) -> list[str]:
    """Why an Edge TPU does not take an operator; empty if it does.

    Args:
        layer: of the graph.
        runtime: version of the Edge TPU runtime on the device.
    """
    rule = RULES.get(layer.operator)
    if rule is None:
        return ["operator is not supported"]
    found = []
    if layer.subgraph:
        found.append("is inside control flow; only the main graph is mapped")
    if rule.runtime > runtime:
        found.append(f"needs Edge TPU runtime {rule.runtime}, the device has {runtime}")
    found += filter(None, (unreadable(layer), _constant(layer, rule.parameters), _activation(layer)))
    for tensor in (*layer.inputs, *layer.outputs):
        if tensor is not None:
            found += filter(None, (_type(tensor), _size(tensor)))
    try:
        if not found:  # the limitations assume what was asked above
            found += filter(None, (check(layer) for check in rule.checks))
    except (IndexError, TypeError, ValueError, ZeroDivisionError):
        found.append("lacks an input, an output or a size that it should have")
    return list(dict.fromkeys(found))


def unreadable(layer: Layer) -> str | None:
    """Why the compiler could not read a graph with this operator, or None."""
    rule = RULES.get(layer.operator)
    if rule is None or layer.version <= rule.version:
        return None
    return f"operator version {layer.version}, the compiler reads up to {rule.version}"


def _type(tensor: LayerTensor) -> str | None:
    allowed = ("int8", "uint8", "int32") if tensor.constant else ("int8", "uint8")  # biases and axes are int32
    if tensor.dtype not in allowed:
        return f"works on {tensor.dtype}, not int8 or uint8"
    if not tensor.constant and tensor.scales != 1:
        return "works on integers without one scale"
    return None


def _size(tensor: LayerTensor) -> str | None:
    if tensor.dynamic:
        return "has a size that is only known at run time"
    if not tensor.constant and any(n != 1 for n in tensor.shape[:-3]):
        return f"has sizes other than 1 outside the 3 innermost dimensions ({_shape(tensor)})"
    return None


def _constant(layer: Layer, parameters: Iterable[int]) -> str | None:
    for position in parameters:
        if position < len(layer.inputs) and (tensor := layer.inputs[position]) is not None and not tensor.constant:
            return "has weights, bias or another parameter that is no constant"
    return None


def _activation(layer: Layer) -> str | None:
    kind = layer.option("fusedActivationFunction", _NO_ACTIVATION)
    allowed = (_NO_ACTIVATION,) if layer.operator in _UNFUSED else _ACTIVATIONS
    return None if kind in allowed else f"has a fused activation ({_activation_name(kind)})"


def _activation_name(kind: int) -> str:
    return next((name for name, value in vars(schema.ActivationFunctionType).items() if value == kind), str(kind))


def _zero_padding_only(layer: Layer) -> str | None:
    if not layer.constants:
        return None
    if len(layer.inputs) == 2 and all(_is_zero(tensor) for tensor in layer.constants):
        return None
    return "joins a constant; allowed are two inputs of which one is all zeros"


def _is_zero(tensor: LayerTensor) -> bool:
    return not any(tensor.data or b"")


def _same_dilation(layer: Layer) -> str | None:
    x, y = layer.option("dilationWFactor", 1), layer.option("dilationHFactor", 1)
    return None if x == y else f"dilates by {x} in x and {y} in y"


def _one_scale_for_weights(layer: Layer) -> str | None:
    weights = layer.inputs[1]
    return "has one scale a channel" if weights is not None and weights.scales > 1 else None


def _default_weights(layer: Layer) -> str | None:
    return "has shuffled weights" if layer.option("weightsFormat") else None


def _flat_output(layer: Layer) -> str | None:
    shape = layer.outputs[0].shape
    return None if all(n == 1 for n in shape[:-1]) else f"gives more than one row ({_shape(layer.outputs[0])})"


def _reduced(layer: Layer) -> set[int]:
    rank = len(layer.inputs[0].shape) if layer.inputs[0] else 0
    axes = layer.inputs[1].numbers() if len(layer.inputs) > 1 and layer.inputs[1] else []
    return {axis % rank for axis in axes} if rank else set()


def _keeps_batch(layer: Layer) -> str | None:
    return "reduces the batch" if 0 in _reduced(layer) else None


def _depth_by_four(layer: Layer) -> str | None:
    shape = layer.inputs[0].shape if layer.inputs[0] else ()
    if len(shape) - 1 in _reduced(layer) and shape[-1] % 4:
        return f"reduces a depth of {shape[-1]}, which is no multiple of 4"
    return None


def _packs_no_batch(layer: Layer) -> str | None:
    return "packs along the batch" if layer.option("axis") % len(layer.outputs[0].shape) == 0 else None


def _pads_no_batch(layer: Layer) -> str | None:
    paddings = layer.inputs[1].numbers() if layer.inputs[1] else []
    return "pads the batch" if any(paddings[:2]) else None


def _splits_no_batch(layer: Layer) -> str | None:
    axis, whole = layer.inputs[0], layer.inputs[1]
    rank = len(whole.shape) if whole else 0
    return "splits the batch" if axis and rank and axis.numbers()[0] % rank == 0 else None


def _alpha_by_channel(layer: Layer) -> str | None:
    alpha = layer.inputs[1]
    return "has an alpha for each place" if alpha and any(n != 1 for n in alpha.shape[:-1]) else None


def _short_row(layer: Layer) -> str | None:
    shape = layer.inputs[0].shape if layer.inputs[0] else ()
    if any(n != 1 for n in shape[:-1]):
        return "is over more than one row"
    return f"is over {shape[-1]} elements, more than {_SOFTMAX_ELEMENTS}" if shape[-1] > _SOFTMAX_ELEMENTS else None


def _plain_slice(layer: Layer) -> str | None:
    if layer.option("ellipsisMask") or layer.option("newAxisMask"):
        return "has an ellipsis or a new axis"
    strides = layer.inputs[3].numbers() if layer.inputs[3] else []
    return None if all(n == 1 for n in strides) else "has strides other than 1"


def _shape(tensor: LayerTensor) -> str:
    return "×".join(map(str, tensor.shape))


_UNFUSED = ("AVERAGE_POOL_2D", "CONCATENATION", "MAX_POOL_2D")
_REDUCTION = (1,)

RULES = {
    "ADD": Rule(10, 4),
    "AVERAGE_POOL_2D": Rule(10, 3),
    "CONCATENATION": Rule(10, 3, (), (_zero_padding_only,)),
    "CONV_2D": Rule(10, 5, (1, 2), (_same_dilation,)),
    "DEPTHWISE_CONV_2D": Rule(10, 6, (1, 2), (_same_dilation,)),
    "EXPAND_DIMS": Rule(13, 1, (1,)),
    "FULLY_CONNECTED": Rule(10, 9, (1, 2), (_one_scale_for_weights, _default_weights, _flat_output)),
    "L2_NORMALIZATION": Rule(10, 2),
    "LOGISTIC": Rule(10, 3),
    "MAXIMUM": Rule(10, 4),
    "MAX_POOL_2D": Rule(10, 3),
    "MEAN": Rule(10, 3, _REDUCTION, (_keeps_batch, _depth_by_four)),
    "MINIMUM": Rule(10, 4),
    "MUL": Rule(10, 5),
    "PACK": Rule(13, 3, (), (_packs_no_batch,)),
    "PAD": Rule(10, 4, (1,), (_pads_no_batch,)),
    "PRELU": Rule(13, 1, (1,), (_alpha_by_channel,)),
    "QUANTIZE": Rule(13, 2),
    "REDUCE_MAX": Rule(14, 3, _REDUCTION, (_keeps_batch,)),
    "REDUCE_MIN": Rule(14, 3, _REDUCTION, (_keeps_batch,)),
    "RELU": Rule(10, 3),
    "RELU6": Rule(10, 3),
    "RELU_N1_TO_1": Rule(10, 1),
    "RESHAPE": Rule(10, 1, (1,)),
    "RESIZE_BILINEAR": Rule(10, 4, (1,)),
    "RESIZE_NEAREST_NEIGHBOR": Rule(10, 4, (1,)),
    "RSQRT": Rule(14, 2),
    "SLICE": Rule(10, 5, (1, 2)),
    "SOFTMAX": Rule(10, 3, (), (_short_row,)),
    "SPACE_TO_DEPTH": Rule(10, 2),
    "SPLIT": Rule(10, 4, (0,), (_splits_no_batch,)),
    "SQUARED_DIFFERENCE": Rule(14, 2),
    "SQUEEZE": Rule(10, 2),
    "STRIDED_SLICE": Rule(10, 6, (1, 2, 3), (_plain_slice,)),
    "SUB": Rule(10, 5),
    "SUM": Rule(13, 2, _REDUCTION, (_keeps_batch,)),
    "TANH": Rule(10, 3),
    "TRANSPOSE": Rule(14, 5, (1,)),
    "TRANSPOSE_CONV": Rule(13, 3, (0, 1)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Rule(14, 3),
}
