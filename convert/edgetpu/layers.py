"""A TFLite graph's operators with all that the Edge TPU's rules ask about. Needs neither TensorFlow nor a TPU."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.errors import DataError
from convert.quantize.graph import OPERATORS, TENSOR_TYPES

_BYTES = {"int8": 1, "uint8": 1, "bool": 1, "int16": 2, "float16": 2, "int32": 4, "float32": 4, "int64": 8}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerTensor:
    """One tensor of a graph.

    Attributes:
        index: in its subgraph.
        name: as the converter left it.
        dtype: `int8`, `float32`, …
        shape: with the batch that is set.
        dynamic: whether some size is only known at run time.
        scales: how many quantization scales it has: 0 none, 1 one for all, more: one a channel.
        data: a constant's bytes; None for what is computed or fed.
    """

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    dynamic: bool
    scales: int
    data: bytes | None

    @property
    def constant(self) -> bool:
        return self.data is not None

    @property
    def bytes(self) -> int:
        """Its size without padding."""
        return len(self.data) if self.data is not None else prod(self.shape) * _BYTES.get(self.dtype, 4)

    def numbers(self) -> list[int]:
        """A constant's integers, flat: axes, paddings, strides."""
        return [int(n) for n in np.frombuffer(self.data or b"", np.dtype(self.dtype))]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One operator of a graph.

    Attributes:
        index: in the order of execution, within its subgraph.
        subgraph: 0 for the main one; others are the bodies of control flow.
        operator, version: as the flatbuffer names them; a custom operator by its own name.
        inputs: None where an optional one is left out.
        options: the flatbuffer's options of this operator, or None.
    """

    index: int
    subgraph: int
    operator: str
    version: int
    inputs: tuple[LayerTensor | None, ...]
    outputs: tuple[LayerTensor, ...]
    options: Any

    def option(self, name: str, default: int = 0) -> int:
        """An option by its name in the schema; `default` where the operator has no options written."""
        return int(getattr(self.options, name, default))

    @property
    def computed(self) -> list[LayerTensor]:
        """The inputs that are no constants."""
        return [tensor for tensor in self.inputs if tensor is not None and not tensor.constant]

    @property
    def constants(self) -> list[LayerTensor]:
        """The inputs that are constants: weights, biases, axes."""
        return [tensor for tensor in self.inputs if tensor is not None and tensor.constant]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A graph: its operators over all subgraphs, and the main one's inputs by index."""

    layers: tuple[Layer, ...]
    inputs: frozenset[int]


def read_network(model: bytes, name: str) -> Network:
    """Reads a `.tflite` file's bytes.

    Raises:
        DataError: it is none.
    """
    try:
        if not schema.Model.ModelBufferHasIdentifier(model, 0):
            raise DataError(f"{name}: not a TensorFlow Lite graph")
        root = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
        layers = [layer for number in range(len(root.subgraphs)) for layer in _layers(root, number)]
        return Network(layers=tuple(layers), inputs=frozenset(int(i) for i in root.subgraphs[0].inputs))
    except (struct.error, IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name}: a damaged TensorFlow Lite graph ({type(error).__name__})") from error


def _layers(root: Any, number: int) -> Iterator[Layer]:
    graph = root.subgraphs[number]
    tensors = [_tensor(root, index, tensor) for index, tensor in enumerate(graph.tensors)]
    for index, operator in enumerate(graph.operators):
        code = root.operatorCodes[operator.opcodeIndex]
        builtin = OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        custom = (code.customCode or b"").decode("utf-8", "replace")
        yield Layer(
            index=index,
            subgraph=number,
            operator=custom or builtin,
            version=int(code.version),
            inputs=tuple(tensors[i] if i >= 0 else None for i in _list(operator.inputs)),
            outputs=tuple(tensors[i] for i in _list(operator.outputs)),
            options=operator.builtinOptions,
        )


def _tensor(root: Any, index: int, tensor: Any) -> LayerTensor:
    shape = tuple(int(n) for n in _list(tensor.shape))
    signature = [int(n) for n in _list(tensor.shapeSignature)]
    data = root.buffers[tensor.buffer].data
    scales = [] if tensor.quantization is None else _list(tensor.quantization.scale)
    return LayerTensor(
        index=index,
        name=(tensor.name or b"").decode("utf-8", "replace"),
        dtype=TENSOR_TYPES[tensor.type],
        shape=shape,
        dynamic=any(n < 0 for n in (*shape, *signature)),
        scales=len(scales),
        data=None if data is None or len(data) == 0 else np.asarray(data, np.uint8).tobytes(),
    )


def _list(values: Any) -> list[Any]:
    """A vector of the flatbuffer; one that is left out is empty."""
    return [] if values is None else list(values)
