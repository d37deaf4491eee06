"""Predicts what the Edge TPU's compiler will map of a graph: an allow-list of operators, and what they may work on.

From Coral's page "TensorFlow models on the Edge TPU" (coral.ai/docs/edgetpu/models-intro), "Supported operations" and
"Model requirements", compiler 16 and runtime 14, read in November 2026; nothing has changed since 2021. Operator
versions are those that TensorFlow Lite had in late 2021, lowered where users' logs show a refusal (google-coral/edgetpu
issues 631, 845, 879): an upper bound. Only the limitations that graphs of ours can meet are checked; the compiler
decides.

A graph is cut once: what is refused, and everything that needs its result, stays on the CPU. A QUANTIZE of the graph's
own input is the exception (issue 13 shows the log). Sizes are a lower bound: the compiler pads weights.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.errors import DataError
from convert.quantize.graph import OPERATORS, TENSOR_TYPES

OLDEST_RUNTIME, NEWEST_RUNTIME = 10, 14
ON_CHIP_BYTES = 8 * 1024 * 1024
CACHED_BYTES = round(6.89 * 1024 * 1024)  # the most that published logs show of a graph that needs more (issue 512)
EVERYTHING = "all"
_COMPILED = "edgetpu-custom-op"
# Operators that networks like ours are made of: the runtime that first had each, and the highest version that the
# compiler reads. Coral's table has some more; what is not here, the compiler has to be asked about.
_ALLOWED = {
    **dict.fromkeys(("ADD", "MAXIMUM", "MINIMUM", "PAD", "RESIZE_BILINEAR"), (10, 4)),
    **dict.fromkeys(("AVERAGE_POOL_2D", "CONCATENATION", "LOGISTIC", "MAX_POOL_2D", "MEAN", "RELU"), (10, 3)),
    **dict.fromkeys(("RELU6", "SOFTMAX", "TANH"), (10, 3)),
    **dict.fromkeys(("CONV_2D", "MUL", "SUB"), (10, 5)),
    "DEPTHWISE_CONV_2D": (10, 6),
    "FULLY_CONNECTED": (10, 9),
    "RESHAPE": (10, 1),
    "SQUEEZE": (10, 2),
    **dict.fromkeys(("QUANTIZE", "SUM"), (13, 2)),
    "REDUCE_MAX": (14, 3),
}
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_REDUCING = ("MEAN", "REDUCE_MAX", "SUM")


class Operator(NamedTuple):
    """One operator: `shape` is that of its first output, sizes those of its constants and of what it reads and writes.

    `place` is `tpu`; `cpu` where `reasons` say why it is refused; `after` where it is allowed behind a refused one.
    """

    order: int
    name: str
    version: int
    shape: tuple[int, ...]
    parameter_bytes: int
    activation_bytes: int
    place: str
    reasons: tuple[str, ...]


class Audit(NamedTuple):
    """The prediction; `rejected` says why the compiler takes nothing at all, `parameter_bytes` count constants once."""

    operators: list[Operator]
    rejected: list[str]
    parameter_bytes: int

    @property
    def mapped(self) -> list[Operator]:
        return [operator for operator in self.operators if operator.place == "tpu"]

    @property
    def peak_activation_bytes(self) -> int:
        return max((operator.activation_bytes for operator in self.mapped), default=0)

    @property
    def streamed_bytes(self) -> int:
        """Of parameters that do not fit on the chip and are sent to it anew for each picture."""
        room = min(CACHED_BYTES, max(ON_CHIP_BYTES - self.peak_activation_bytes, 0))
        return max(self.parameter_bytes - room, 0)

    def unplanned(self, planned: Collection[str] = ()) -> list[Operator]:
        """What stays on the CPU without having been meant to; `planned` names operators that are, or `all`."""
        left = [o for o in self.operators if o.place != "tpu" and o.name not in planned]
        refused = bool(self.rejected) or any(o.place == "cpu" for o in left)
        return left if refused and EVERYTHING not in planned else []


def audit(model: bytes, name: str, *, runtime: int = NEWEST_RUNTIME) -> Audit:
    """Audits a `.tflite` file's bytes for an Edge TPU runtime of version 10 to 14; `name` is for errors.

    Raises:
        DataError: it is no TensorFlow Lite graph, or what the compiler made of one.
    """
    try:
        if not schema.Model.ModelBufferHasIdentifier(model, 0):
            raise DataError(f"{name}: not a TensorFlow Lite graph")
        root = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
        return _audit(root, name, runtime)
    except (struct.error, IndexError, KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name}: a damaged TensorFlow Lite graph ({type(error).__name__})") from error


def _audit(root: Any, name: str, runtime: int) -> Audit:
    graph, found, on_cpu, rejected = root.subgraphs[0], [], set[int](), dict[str, None]()
    constants: dict[int, int] = {}
    types = set()
    for index, operator in enumerate(graph.operators):
        code = root.operatorCodes[operator.opcodeIndex]
        title = (code.customCode or b"").decode() or OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if title == _COMPILED:
            raise DataError(f"{name}: is compiled for the Edge TPU already; audit the graph that it was made from")
        ins, outs = ([int(i) for i in ids if i >= 0] for ids in (operator.inputs, operator.outputs))
        fixed = [i for i in ins if _data(root, graph.tensors[i]) is not None]
        fed = [i for i in ins if i not in fixed]
        reasons = tuple(dict.fromkeys(_refusals(root, graph, operator, title, int(code.version), runtime)))
        rejected |= {f"{title}: {why}": None for why in reasons if why.startswith("operator version")}
        rejected |= {why: None for why in reasons if "only known at run time" in why}
        types |= {TENSOR_TYPES[graph.tensors[i].type] for i in (*fed, *outs) if _scales(graph.tensors[i])}
        place = "cpu" if reasons else "after" if on_cpu & set(fed) else "tpu"
        if place != "tpu" and not (title == "QUANTIZE" and set(fed) <= {int(i) for i in graph.inputs}):
            on_cpu |= set(outs)
        weights = {i: len(_data(root, graph.tensors[i]) or b"") for i in fixed}
        if place == "tpu":
            constants |= weights
        moved = sum(_bytes(graph.tensors[i]) for i in (*fed, *outs))
        shape = tuple(int(n) for n in graph.tensors[outs[0]].shape) if outs else ()
        found.append(Operator(index, title, int(code.version), shape, sum(weights.values()), moved, place, reasons))
    if not types & {"int8", "uint8"}:
        rejected["it is not quantized to 8 bits"] = None
    if rejected:
        found = [each._replace(place="after") if each.place == "tpu" else each for each in found]
    return Audit(found, list(rejected), 0 if rejected else sum(constants.values()))


def _refusals(root: Any, graph: Any, operator: Any, title: str, version: int, runtime: int) -> Iterator[str]:
    if title not in _ALLOWED:
        yield "operator is not on the list of those known to be taken"
        return
    first, newest = _ALLOWED[title]
    if first > runtime:
        yield f"needs Edge TPU runtime {first}, the device has {runtime}"
    if version > newest:
        yield f"operator version {version}, the compiler reads up to {newest}"
    tensors = {int(i): graph.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0}
    for tensor in tensors.values():
        shape, fixed = [int(n) for n in tensor.shape], _data(root, tensor) is not None
        kind = TENSOR_TYPES[tensor.type]
        if kind not in (("int8", "uint8", "int32") if fixed else ("int8", "uint8")):  # biases and axes are int32
            yield f"works on {kind}, not int8 or uint8"
        elif not fixed and _scales(tensor) != 1:
            yield "works on integers without one scale"
        if any(n < 0 for n in (*shape, *_list(tensor.shapeSignature))):
            yield "has a size that is only known at run time; export with a fixed batch of 1"
        if not fixed and any(n != 1 for n in shape[:-3]):
            yield f"has sizes other than 1 outside the 3 innermost dimensions ({_times(shape)})"
    inputs: list[Any] = [graph.tensors[i] if i >= 0 else None for i in operator.inputs]
    if title in _WEIGHTED and any(t is not None and _data(root, t) is None for t in inputs[1:]):
        yield "has weights or a bias that is no constant"
    if title == "FULLY_CONNECTED":
        if _scales(inputs[1]) > 1:
            yield "has one scale a channel"
        out = [int(n) for n in graph.tensors[operator.outputs[0]].shape]
        if any(n != 1 for n in out[:-1]):
            yield f"gives more than one row ({_times(out)})"
    if title in _REDUCING and inputs[0] is not None:
        shape, axes = [int(n) for n in inputs[0].shape], np.frombuffer(_data(root, inputs[1]) or b"", np.int32)
        reduced = {int(axis) % len(shape) for axis in axes}
        if 0 in reduced:
            yield "reduces the batch"
        if title == "MEAN" and len(shape) - 1 in reduced and shape[-1] % 4:
            yield f"reduces a depth of {shape[-1]}, which is no multiple of 4"


def _data(root: Any, tensor: Any) -> bytes | None:
    data = root.buffers[tensor.buffer].data
    return None if data is None or len(data) == 0 else np.asarray(data, np.uint8).tobytes()


def _scales(tensor: Any) -> int:
    return 0 if tensor.quantization is None else len(_list(tensor.quantization.scale))


def _bytes(tensor: Any) -> int:
    return prod(int(n) for n in tensor.shape) * (1 if TENSOR_TYPES[tensor.type] in ("int8", "uint8") else 4)


def _list(values: Any) -> list[int]:
    return [] if values is None else [int(n) if float(n).is_integer() else 1 for n in values]


def _times(shape: list[int]) -> str:
    return "×".join(map(str, shape))
