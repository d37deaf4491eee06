"""One large matrix product as a TFLite graph: as close to a machine's multiply-accumulate rate as LiteRT comes.

Written with the runtime's own schema, so that a board without TensorFlow can measure itself.
"""

from __future__ import annotations

from typing import Any, Literal

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

ROWS, INNER, COLUMNS = 256, 1024, 1024
_VERSION = 3  # of the file format
_SCALES = {"input": 1 / 127, "weights": 1 / 127, "output": INNER**0.5 / 127}


def build_product(
    precision: Literal["int8", "float32"], *, rows: int = ROWS, inner: int = INNER, columns: int = COLUMNS
) -> bytes:
    """A graph of one FULLY_CONNECTED: `input` (rows, inner) times random weights, as `output` (rows, columns)."""
    rng = np.random.default_rng(0)
    values = rng.integers(-127, 128, (columns, inner))
    weights = values.astype(np.int8) if precision == "int8" else (values / 127).astype(np.float32)
    model = schema.ModelT()
    model.version = _VERSION
    model.description = "one matrix product"
    model.buffers = [_buffer(b""), _buffer(weights.tobytes())]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4 if precision == "int8" else 1  # the first that takes int8
    model.operatorCodes = [code]
    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor("input", (rows, inner), precision, buffer=0),
        _tensor("weights", (columns, inner), precision, buffer=1),
        _tensor("output", (rows, columns), precision, buffer=0),
    ]
    product = schema.OperatorT()
    product.opcodeIndex, product.inputs, product.outputs = 0, [0, 1, -1], [2]
    product.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    product.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators, graph.inputs, graph.outputs = [product], [0], [2]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(weights.nbytes + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _buffer(data: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8) if data else None
    return buffer


def _tensor(name: str, shape: tuple[int, int], precision: str, *, buffer: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
    tensor.type = schema.TensorType.INT8 if precision == "int8" else schema.TensorType.FLOAT32
    if precision == "int8":
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [_SCALES[name]], [0]
    return tensor
