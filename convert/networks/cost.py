"""What a graph costs: multiply-accumulates and parameters, counted in the graph itself. Needs no TensorFlow.

Counted are the operators that sum products. Additions, pooling and activations are left out, as they are wherever MACs
are reported. The converter folds batch normalization into the convolutions, so the parameters are fewer than Keras's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from convert.errors import TrainingError
from convert.quantize.graph import OPERATORS

_Kind = schema.BuiltinOperator
Shape = tuple[int, ...]

# From the shapes of an operator's inputs and of its output.
_COUNTED: dict[int, Callable[[list[Shape], Shape], int]] = {
    # Filters (out, …, in), each output sums one of them.
    _Kind.CONV_2D: lambda ins, out: math.prod(out) * math.prod(ins[1][1:]),
    _Kind.FULLY_CONNECTED: lambda ins, out: math.prod(out) * math.prod(ins[1][1:]),
    # Filters (1, h, w, channels), each output sums one channel's window.
    _Kind.DEPTHWISE_CONV_2D: lambda ins, out: math.prod(out) * math.prod(ins[1][1:3]),
    # Inputs are the output's shape, filters (out, h, w, in) and the picture: each value is spread by each filter.
    _Kind.TRANSPOSE_CONV: lambda ins, _: math.prod(ins[2]) * math.prod(ins[1][:3]),
    # Matrices (…, n, k) and (…, k, m), or either transposed: n · m sums of k.
    _Kind.BATCH_MATMUL: lambda ins, out: (
        math.prod(out) * math.isqrt(math.prod(ins[0][-2:]) * math.prod(ins[1][-2:]) // math.prod(out[-2:]))
    ),
}
# These sum products too; a silent zero would make a network look free.
_NOT_COUNTED = ("CONV_3D", "LSTM", "RNN", "SVDF", "CUSTOM")


def count_macs(graph: bytes) -> int:
    """Multiply-accumulates of one run of a TFLite graph; an axis that may vary counts as 1, so a head's are one face's.

    Raises:
        TrainingError: an operator of the graph sums products in a way that is not counted here; names it.
    """
    total = 0
    for kind, subgraph, op in _operators(schema.ModelT.InitFromPackedBuf(graph, 0)):
        if kind in _COUNTED:
            ins = [_shape(subgraph, index) for index in op.inputs]
            total += _COUNTED[kind](ins, _shape(subgraph, op.outputs[0]))
        elif any(part in OPERATORS[kind] for part in _NOT_COUNTED):
            raise TrainingError(f"{OPERATORS[kind]}: its multiply-accumulates are not counted here")
    return total


def count_parameters(graph: bytes) -> int:
    """Weights and biases of the operators that `count_macs` counts; a shared tensor counts once."""
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    sizes: dict[int, int] = {}
    for kind, subgraph, op in _operators(model):
        # A transposed convolution's first input is a constant too, but a shape.
        inputs = list(op.inputs)[kind == _Kind.TRANSPOSE_CONV :] if kind in _COUNTED else []
        for index in (each for each in inputs if each >= 0):
            buffer = subgraph.tensors[index].buffer
            if model.buffers[buffer].data is not None:
                sizes[buffer] = math.prod(_shape(subgraph, index))
    return sum(sizes.values())


def _operators(model: Any) -> Iterator[tuple[int, Any, Any]]:
    kinds = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            yield kinds[op.opcodeIndex], subgraph, op


def _shape(subgraph: Any, index: int) -> Shape:
    """A tensor's shape; () for an input that is left out, as a bias may be, and for a scalar."""
    shape = subgraph.tensors[index].shape if index >= 0 else None
    return () if shape is None else tuple(int(side) for side in shape)
