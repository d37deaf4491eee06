"""What a TFLite graph consists of: its operators and the types they compute in. Needs no TensorFlow."""

from __future__ import annotations

from typing import NamedTuple

from ai_edge_litert import schema_py_generated as schema

TENSOR_TYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


class Operator(NamedTuple):
    """One operator: its name and the element types of its inputs and outputs."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def list_operators(model: bytes) -> list[Operator]:
    """The operators of a graph in their order, over all of its subgraphs."""
    root = schema.Model.GetRootAs(model, 0)
    names = []
    for n in range(root.OperatorCodesLength()):
        code = root.OperatorCodes(n)
        names.append(OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())])
    found = []
    for g in range(root.SubgraphsLength()):
        graph = root.Subgraphs(g)
        types = [TENSOR_TYPES[graph.Tensors(t).Type()] for t in range(graph.TensorsLength())]
        for o in range(graph.OperatorsLength()):
            op = graph.Operators(o)
            found.append(
                Operator(
                    names[op.OpcodeIndex()],
                    tuple(types[op.Inputs(i)] for i in range(op.InputsLength()) if op.Inputs(i) >= 0),
                    tuple(types[op.Outputs(i)] for i in range(op.OutputsLength())),
                )
            )
    return found


def float_operators(model: bytes) -> list[Operator]:
    """The operators that take or give floating point; an int8 graph has none."""
    return [op for op in list_operators(model) if any("float" in kind for kind in (*op.inputs, *op.outputs))]


def computes_in(model: bytes) -> str:
    """The type that a graph computes in; float16 weights are computed with in float32."""
    outputs = {kind for op in list_operators(model) for kind in op.outputs}
    return next((kind for kind in ("int16", "int8") if kind in outputs), "float32")
