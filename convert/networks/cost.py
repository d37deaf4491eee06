"""What a graph costs: multiply-accumulates and parameters, counted in the graph itself. Needs no TensorFlow.

Counted are the operators that sum products: convolutions, fully connected layers and products of matrices. Additions,
pooling and activations are left out, as they are wherever MACs are reported. The converter folds batch normalization
into the convolutions, so the parameters are fewer than Keras's by what the normalization had.
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


def _per_output(ins: list[Shape], out: Shape) -> int:
    """Filters (out, …, in): each output sums one filter. Grouped convolutions have filters of fewer channels."""
    return math.prod(out) * math.prod(ins[1][1:])


def _depthwise(ins: list[Shape], out: Shape) -> int:
    """Filters (1, h, w, channels): each output sums one channel's window."""
    return math.prod(out) * math.prod(ins[1][1:3])


def _transposed(ins: list[Shape], _: Shape) -> int:
    """Inputs are the output's shape, filters (out, h, w, in) and the picture: each value is spread by each filter."""
    return math.prod(ins[2]) * math.prod(ins[1][:3])


def _product(ins: list[Shape], out: Shape) -> int:
    """Matrices (…, n, k) and (…, k, m), or either transposed: n · m sums of k."""
    rows_and_inner, cols_and_inner = math.prod(ins[0][-2:]), math.prod(ins[1][-2:])
    inner = math.isqrt(rows_and_inner * cols_and_inner // math.prod(out[-2:]))
    return math.prod(out) * inner


_COUNTED: dict[int, Callable[[list[Shape], Shape], int]] = {
    _Kind.CONV_2D: _per_output,
    _Kind.FULLY_CONNECTED: _per_output,
    _Kind.DEPTHWISE_CONV_2D: _depthwise,
    _Kind.TRANSPOSE_CONV: _transposed,
    _Kind.BATCH_MATMUL: _product,
}
# These sum products too, in ways that nothing here exports; a silent zero would make a network look free.
_NOT_COUNTED = {
    _Kind.CONV_3D,
    _Kind.CONV_3D_TRANSPOSE,
    _Kind.LSTM,
    _Kind.UNIDIRECTIONAL_SEQUENCE_LSTM,
    _Kind.BIDIRECTIONAL_SEQUENCE_LSTM,
    _Kind.RNN,
    _Kind.UNIDIRECTIONAL_SEQUENCE_RNN,
    _Kind.BIDIRECTIONAL_SEQUENCE_RNN,
    _Kind.SVDF,
    _Kind.CUSTOM,
}


def count_macs(graph: bytes) -> int:
    """Multiply-accumulates of one run of a TFLite graph; an axis that may vary counts as 1, so a head's are one face's.

    Raises:
        TrainingError: an operator of the graph sums products in a way that is not counted here; names it.
    """
    total = 0
    for kind, subgraph, op in _operators(graph):
        if kind in _NOT_COUNTED:
            raise TrainingError(f"{OPERATORS[kind]}: its multiply-accumulates are not counted here")
        if kind in _COUNTED:
            shapes = [_shape(subgraph, index) for index in op.inputs]
            total += _COUNTED[kind](shapes, _shape(subgraph, op.outputs[0]))
    return total


def count_parameters(graph: bytes) -> int:
    """Weights and biases of the operators that `count_macs` counts; a shared tensor counts once."""
    model = _read(graph)
    sizes: dict[int, int] = {}
    for kind, subgraph, op in _operators(graph):
        if kind not in _COUNTED:
            continue
        for index in op.inputs:
            tensor = subgraph.tensors[index] if index >= 0 else None
            # A transposed convolution's first input is a constant too, but a shape, in int32 as biases are.
            is_shape = kind == _Kind.TRANSPOSE_CONV and index == op.inputs[0]
            if tensor is not None and model.buffers[tensor.buffer].data is not None and not is_shape:
                sizes[tensor.buffer] = math.prod(_shape(subgraph, index))
    return sum(sizes.values())


def _operators(graph: bytes) -> Iterator[tuple[int, Any, Any]]:
    """Kind, subgraph and operator, over all subgraphs."""
    model = _read(graph)
    kinds = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            yield kinds[op.opcodeIndex], subgraph, op


def _read(graph: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(graph, 0)


def _shape(subgraph: Any, index: int) -> Shape:
    """A tensor's shape; () for an input that is left out, as a bias may be, and for a scalar."""
    shape = subgraph.tensors[index].shape if index >= 0 else None
    return () if shape is None else tuple(int(side) for side in shape)
