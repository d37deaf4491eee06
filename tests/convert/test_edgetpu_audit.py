"""The Edge TPU audit against graphs made by hand, each breaking one published rule, and against the shipped ones."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.edgetpu.audit import CACHED_BYTES, Audit, audit
from convert.edgetpu.layers import read_network
from convert.edgetpu.rules import RULES
from convert.errors import DataError
from edge.model.bundle import default_bundle

REPO = Path(__file__).resolve().parents[2]
TYPES = {name.lower(): value for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
BACKBONE = (default_bundle() / "backbone.tflite").read_bytes()
HEAD = (default_bundle() / "head.tflite").read_bytes()


class Graph:
    """A flatbuffer put together by hand: tensors, then operators on them."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.operatorCodes = []
        self.model.buffers = [schema.BufferT()]
        self.main = schema.SubGraphT()
        self.main.tensors, self.main.operators = [], []
        self.model.subgraphs = [self.main]

    def tensor(
        self,
        *shape: int,
        dtype: str = "int8",
        data: Any = None,
        scales: int = 1,
        dynamic: bool = False,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name = f"t{len(self.main.tensors)}".encode()
        tensor.type = TYPES[dtype]
        tensor.shape = list(shape)
        if dynamic:
            tensor.shapeSignature = [-1, *shape[1:]]
        if scales:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = [0.1] * scales
            tensor.quantization.zeroPoint = [0] * scales
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(data, np.dtype(dtype)).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.main.tensors.append(tensor)
        return len(self.main.tensors) - 1

    def numbers(self, *values: int) -> int:
        """A constant of int32: axes, paddings, shapes."""
        return self.tensor(len(values), dtype="int32", data=values, scales=0)

    def weights(self, *shape: int, scales: int = 1) -> int:
        return self.tensor(*shape, data=np.ones(shape), scales=scales)

    def bias(self, count: int) -> int:
        return self.tensor(count, dtype="int32", data=np.ones(count))

    def add(self, name: str, inputs: list[int], outputs: list[int], *, version: int = 1, **options: Any) -> Graph:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = version
        self.model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, outputs
        if options:
            kind = options.pop("kind")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = getattr(schema, f"{kind}T")()
            for key, value in options.items():
                assert hasattr(operator.builtinOptions, key)
                setattr(operator.builtinOptions, key, value)
        self.main.operators.append(operator)
        return self

    def bytes(self) -> bytes:
        made = {int(o) for operator in self.main.operators for o in operator.outputs}
        used = {int(i) for operator in self.main.operators for i in operator.inputs}
        constants = {n for n, tensor in enumerate(self.main.tensors) if tensor.buffer}
        self.main.inputs, self.main.outputs = sorted(used - made - constants), sorted(made - used)
        return packed(self.model)


def packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def shipped(change: Callable[[Any], None]) -> bytes:
    """The shipped backbone with one thing changed."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(BACKBONE, 0))
    change(model)
    return packed(model)


def one(name: str, shape: tuple[int, ...] = (1, 4, 4, 8), **options: Any) -> Graph:
    """One operator on one tensor, giving the same shape."""
    graph = Graph()
    return graph.add(name, [graph.tensor(*shape)], [graph.tensor(*shape)], **options)


def two(name: str, **options: Any) -> Graph:
    graph = Graph()
    return graph.add(name, [graph.tensor(1, 4, 4, 8), graph.tensor(1, 4, 4, 8)], [graph.tensor(1, 4, 4, 8)], **options)


def reducing(name: str, *axes: int, depth: int = 8) -> Graph:
    graph = Graph()
    kind = "ReducerOptions"
    return graph.add(
        name, [graph.tensor(1, 4, 4, depth), graph.numbers(*axes)], [graph.tensor(1, depth)], kind=kind, keepDims=False
    )


def with_numbers(name: str, *values: int, out: tuple[int, ...] = (1, 4, 4, 8), constant: bool = True) -> Graph:
    graph = Graph()
    numbers = graph.numbers(*values) if constant else graph.tensor(len(values), dtype="int32", scales=0)
    return graph.add(name, [graph.tensor(1, 4, 4, 8), numbers], [graph.tensor(*out)])


def convolving(
    name: str = "CONV_2D",
    *,
    constant: bool = True,
    dtype: str = "int8",
    scales: int = 1,
    version: int = 3,
    **options: Any,
) -> Graph:
    graph = Graph()
    weights = graph.weights(8, 3, 3, 8, scales=scales) if constant else graph.tensor(8, 3, 3, 8)
    kind = "Conv2DOptions" if name == "CONV_2D" else "DepthwiseConv2DOptions"
    inputs = [graph.tensor(1, 4, 4, 8, dtype=dtype), weights, graph.bias(8)]
    return graph.add(name, inputs, [graph.tensor(1, 4, 4, 8, dtype=dtype)], version=version, kind=kind, **options)


def connecting(*, rows: int = 1, scales: int = 1, version: int = 4, **options: Any) -> Graph:
    graph = Graph()
    inputs = [graph.tensor(rows, 8), graph.weights(4, 8, scales=scales), graph.bias(4)]
    options = {"kind": "FullyConnectedOptions", "weightsFormat": 0, **options}
    return graph.add("FULLY_CONNECTED", inputs, [graph.tensor(rows, 4)], version=version, **options)


def joining(constant: Any = None, *, third: bool = False, **options: Any) -> Graph:
    graph = Graph()
    other = graph.tensor(1, 4, 4, 8) if constant is None else graph.tensor(1, 4, 4, 8, data=constant)
    inputs = [graph.tensor(1, 4, 4, 8), other] + ([graph.tensor(1, 4, 4, 8)] if third else [])
    options = {"kind": "ConcatenationOptions", "axis": 3, **options}
    return graph.add("CONCATENATION", inputs, [graph.tensor(1, 4, 4, 24 if third else 16)], **options)


def slicing(*strides: int, **options: Any) -> Graph:
    graph = Graph()
    places = [graph.numbers(0, 0, 0, 0), graph.numbers(1, 2, 2, 8), graph.numbers(*strides)]
    options = {"kind": "StridedSliceOptions", **options}
    return graph.add("STRIDED_SLICE", [graph.tensor(1, 4, 4, 8), *places], [graph.tensor(1, 2, 2, 8)], **options)


def splitting(axis: int) -> Graph:
    graph = Graph()
    return graph.add(
        "SPLIT", [graph.numbers(axis), graph.tensor(1, 4, 4, 8)], [graph.tensor(1, 4, 4, 4), graph.tensor(1, 4, 4, 4)]
    )


def packing(axis: int) -> Graph:
    graph = Graph()
    inputs = [graph.tensor(1, 4, 8), graph.tensor(1, 4, 8)]
    return graph.add("PACK", inputs, [graph.tensor(1, 2, 4, 8)], kind="PackOptions", axis=axis)


def leaking(*alpha: int) -> Graph:
    graph = Graph()
    return graph.add("PRELU", [graph.tensor(1, 4, 4, 8), graph.weights(*alpha)], [graph.tensor(1, 4, 4, 8)])


def transposed_convolution() -> Graph:
    graph = Graph()
    inputs = [graph.numbers(1, 8, 8, 4), graph.weights(4, 3, 3, 8), graph.tensor(1, 4, 4, 8)]
    return graph.add("TRANSPOSE_CONV", inputs, [graph.tensor(1, 8, 8, 4)])


def part(name: str = "SLICE") -> Graph:
    graph = Graph()
    inputs = [graph.tensor(1, 4, 4, 8), graph.numbers(0, 0, 0, 0), graph.numbers(1, 2, 2, 8)]
    return graph.add(name, inputs, [graph.tensor(1, 2, 2, 8)])


PLAIN: dict[str, Callable[[], Graph]] = {
    **{
        name: lambda name=name: one(name)
        for name in ("AVERAGE_POOL_2D", "L2_NORMALIZATION", "LOGISTIC", "MAX_POOL_2D", "QUANTIZE", "RELU", "RELU6")
    },
    **{
        name: lambda name=name: one(name)
        for name in ("RELU_N1_TO_1", "RSQRT", "SPACE_TO_DEPTH", "SQUEEZE", "TANH", "UNIDIRECTIONAL_SEQUENCE_LSTM")
    },
    **{name: lambda name=name: two(name) for name in ("ADD", "MAXIMUM", "MINIMUM", "MUL", "SQUARED_DIFFERENCE", "SUB")},
    **{name: lambda name=name: reducing(name, 1, 2) for name in ("MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM")},
    "CONCATENATION": joining,
    "CONV_2D": convolving,
    "DEPTHWISE_CONV_2D": lambda: convolving("DEPTHWISE_CONV_2D"),
    "EXPAND_DIMS": lambda: with_numbers("EXPAND_DIMS", 0),
    "FULLY_CONNECTED": connecting,
    "PACK": lambda: packing(1),
    "PAD": lambda: with_numbers("PAD", 0, 0, 1, 1, 1, 1, 0, 0, out=(1, 6, 6, 8)),
    "PRELU": lambda: leaking(1, 1, 8),
    "RESHAPE": lambda: with_numbers("RESHAPE", 1, 128, out=(1, 128)),
    "RESIZE_BILINEAR": lambda: with_numbers("RESIZE_BILINEAR", 8, 8, out=(1, 8, 8, 8)),
    "RESIZE_NEAREST_NEIGHBOR": lambda: with_numbers("RESIZE_NEAREST_NEIGHBOR", 8, 8, out=(1, 8, 8, 8)),
    "SLICE": part,
    "SOFTMAX": lambda: one("SOFTMAX", (1, 16_000)),
    "SPLIT": lambda: splitting(3),
    "STRIDED_SLICE": lambda: slicing(1, 1, 1, 1),
    "TRANSPOSE": lambda: with_numbers("TRANSPOSE", 0, 2, 1, 3),
    "TRANSPOSE_CONV": transposed_convolution,
}
RELU = schema.ActivationFunctionType.RELU
TANH = schema.ActivationFunctionType.TANH
BROKEN: dict[str, tuple[Callable[[], Graph], str]] = {
    "operator": (lambda: one("EXP"), "operator is not supported"),
    "dequantize": (lambda: one("DEQUANTIZE"), "operator is not supported"),
    "int16": (lambda: convolving(dtype="int16"), "works on int16"),
    "float32": (lambda: convolving(dtype="float32"), "works on float32"),
    "weights are fed": (lambda: convolving(constant=False), "no constant"),
    "new version": (lambda: convolving(version=6), "operator version 6, the compiler reads up to 5"),
    "dilation": (lambda: convolving(dilationWFactor=2, dilationHFactor=1), "dilates by 2 in x and 1 in y"),
    "depthwise dilation": (
        lambda: convolving("DEPTHWISE_CONV_2D", dilationWFactor=1, dilationHFactor=3),
        "dilates by 1 in x and 3 in y",
    ),
    "fused tanh": (lambda: convolving(fusedActivationFunction=TANH), "fused activation (TANH)"),
    "pool with activation": (
        lambda: one("MAX_POOL_2D", kind="Pool2DOptions", fusedActivationFunction=RELU),
        "fused activation (RELU)",
    ),
    "average with activation": (
        lambda: one("AVERAGE_POOL_2D", kind="Pool2DOptions", fusedActivationFunction=RELU),
        "fused activation (RELU)",
    ),
    "concatenation with activation": (lambda: joining(fusedActivationFunction=RELU), "fused activation (RELU)"),
    "concatenation of a constant": (lambda: joining(np.ones((1, 4, 4, 8))), "joins a constant"),
    "concatenation of zeros and two more": (lambda: joining(np.zeros((1, 4, 4, 8)), third=True), "joins a constant"),
    "batch of two": (lambda: one("RELU", (2, 4, 4, 8)), "outside the 3 innermost dimensions (2×4×4×8)"),
    "five dimensions": (lambda: one("RELU", (1, 2, 4, 4, 8)), "outside the 3 innermost dimensions"),
    "per-channel fully connected": (lambda: connecting(scales=4), "one scale a channel"),
    "per-channel fully connected, in its own version": (
        lambda: connecting(scales=4, version=12),
        "operator version 12, the compiler reads up to 9",
    ),
    "rows of fully connected": (lambda: connecting(rows=3), "more than one row (3×4)"),
    "shuffled weights": (lambda: connecting(weightsFormat=1), "shuffled weights"),
    "mean of the batch": (lambda: reducing("MEAN", 0), "reduces the batch"),
    "mean of the batch, counted from the end": (lambda: reducing("MEAN", -4), "reduces the batch"),
    "mean of an odd depth": (lambda: reducing("MEAN", 3, depth=6), "no multiple of 4"),
    "sum of the batch": (lambda: reducing("SUM", 0), "reduces the batch"),
    "maximum of the batch": (lambda: reducing("REDUCE_MAX", 0), "reduces the batch"),
    "pad of the batch": (lambda: with_numbers("PAD", 0, 1, 0, 0, 0, 0, 0, 0), "pads the batch"),
    "pack of the batch": (lambda: packing(0), "packs along the batch"),
    "split of the batch": (lambda: splitting(0), "splits the batch"),
    "alpha for each place": (lambda: leaking(4, 4, 8), "alpha for each place"),
    "long softmax": (lambda: one("SOFTMAX", (1, 16_001)), "16001 elements"),
    "softmax of rows": (lambda: one("SOFTMAX", (1, 4, 8)), "more than one row"),
    "stride of a slice": (lambda: slicing(1, 2, 2, 1), "strides other than 1"),
    "ellipsis": (lambda: slicing(1, 1, 1, 1, ellipsisMask=1), "ellipsis or a new axis"),
    "computed shape": (lambda: with_numbers("RESHAPE", 1, 128, out=(1, 128), constant=False), "no constant"),
}


def judge(graph: Graph) -> Audit:
    return audit(graph.bytes(), "hand-made.tflite")


def test_every_published_operator_has_a_plain_form_here() -> None:
    assert PLAIN.keys() == RULES.keys()


@pytest.mark.parametrize("name", PLAIN)
def test_plain_form_is_taken(name: str) -> None:
    found = judge(PLAIN[name]())
    assert [(v.layer.operator, v.place, v.reasons) for v in found.verdicts] == [(name, "tpu", ())]
    assert found.rejected == ()
    assert found.unplanned() == []


@pytest.mark.parametrize("case", BROKEN)
def test_one_broken_rule_is_named(case: str) -> None:
    build, said = BROKEN[case]
    (verdict,) = judge(build()).verdicts
    assert verdict.place == "cpu"
    assert any(said in reason for reason in verdict.reasons), verdict.reasons


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.runtime > 10])
def test_operator_that_an_older_runtime_lacks_is_named(name: str) -> None:
    model, since = PLAIN[name]().bytes(), RULES[name].runtime
    assert audit(model, "m", runtime=since).unplanned() == []
    (verdict,) = audit(model, "m", runtime=since - 1).unplanned()
    assert verdict.reasons == (f"needs Edge TPU runtime {since}, the device has {since - 1}",)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("kept", [0, 1])
@pytest.mark.parametrize("outputs", [True, False])
def test_operator_that_lacks_inputs_or_outputs_stops_nothing(name: str, kept: int, outputs: bool) -> None:
    graph = PLAIN[name]()
    operator = graph.main.operators[0]
    operator.inputs = operator.inputs[:kept]
    operator.outputs = operator.outputs if outputs else []
    assert len(judge(graph).verdicts) == 1


def test_operator_that_lacks_its_weights_is_refused_in_words() -> None:
    graph = connecting()
    graph.main.operators[0].inputs = graph.main.operators[0].inputs[:1]
    assert judge(graph).verdicts[0].reasons == ("lacks an input, an output or a size that it should have",)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(HEAD) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_graph_is_judged_or_refused_and_nothing_else(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(HEAD)
    for position, value in changes:
        damaged[position] = value
    with contextlib.suppress(DataError):
        audit(bytes(damaged), "m")


def test_zero_padding_by_concatenation_is_taken() -> None:
    assert judge(joining(np.zeros((1, 4, 4, 8)))).unplanned() == []


def test_per_channel_convolution_is_taken() -> None:
    assert judge(convolving(scales=8)).unplanned() == []


def test_shipped_backbone_is_taken_whole_and_fits() -> None:
    found = audit(BACKBONE, "backbone.tflite")
    assert {v.place for v in found.verdicts} == {"tpu"}
    assert len(found.verdicts) == 58
    assert (found.rejected, found.streamed_bytes) == ((), 0)
    assert 600_000 < found.parameter_bytes < len(BACKBONE)


def test_shipped_head_stays_on_the_cpu_by_design() -> None:
    found = audit(HEAD, "head.tflite")
    assert found.mapped == []
    assert any("not quantized" in reason for reason in found.rejected)
    assert any("only known at run time" in reason for reason in found.rejected)
    assert len(found.unplanned()) == len(found.verdicts)
    assert found.unplanned(["all"]) == []


def change_operator(index: int, name: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = getattr(schema.BuiltinOperator, name), 1
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        model.operatorCodes.append(code)
        model.subgraphs[0].operators[index].opcodeIndex = len(model.operatorCodes) - 1

    return change


def test_everything_behind_a_refused_operator_stays_on_the_cpu() -> None:
    found = audit(shipped(change_operator(54, "EXP")), "m")  # the MEAN, before the two fully connected layers
    assert [v.place for v in found.verdicts] == ["tpu"] * 54 + ["cpu"] + ["after"] * 3
    assert len(found.unplanned()) == 4
    assert found.unplanned(["EXP"]) == []  # planned, and so is what cannot follow


def test_refused_first_operator_leaves_nothing() -> None:
    found = audit(shipped(change_operator(0, "EXP")), "m")
    assert found.mapped == []
    assert found.parameter_bytes == 0


def test_branch_that_needs_nothing_of_the_cpu_is_mapped() -> None:
    graph = Graph()
    image, left, right, end = (graph.tensor(1, 4, 4, 8) for _ in range(4))
    graph.add("EXP", [image], [left]).add("RELU", [image], [right]).add("ADD", [left, right], [end])
    assert [v.place for v in judge(graph).verdicts] == ["cpu", "tpu", "after"]


def test_quantize_of_the_graphs_own_float_input_does_not_end_the_mapping() -> None:
    graph = Graph()
    image, first, second = (
        graph.tensor(1, 4, 4, 8, dtype="float32", scales=0),
        *(graph.tensor(1, 4, 4, 8) for _ in "ab"),
    )
    graph.add("QUANTIZE", [image], [first]).add("RELU", [first], [second])
    assert [v.place for v in judge(graph).verdicts] == ["cpu", "tpu"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: setattr(m.operatorCodes[0], "version", 6), "CONV_2D: operator version 6"),
        (lambda m: setattr(m.subgraphs[0].tensors[0], "shapeSignature", [-1, 112, 112, 3]), "fixed batch of 1"),
    ],
    ids=["version", "dynamic batch"],
)
def test_what_makes_the_compiler_give_up_leaves_nothing_mapped(change: Callable[[Any], None], said: str) -> None:
    found = audit(shipped(change), "m")
    assert any(said in reason for reason in found.rejected)
    assert found.mapped == []
    assert len(found.unplanned()) == 58


def test_control_flow_is_not_mapped() -> None:
    graph = one("RELU")
    body = one("TANH")
    graph.bytes()
    body.bytes()
    graph.model.operatorCodes += body.model.operatorCodes
    body.main.operators[0].opcodeIndex = 1
    graph.model.subgraphs.append(body.main)
    found = audit(packed(graph.model), "m")
    assert [v.place for v in found.verdicts] == ["tpu", "cpu"]
    assert "inside control flow" in found.verdicts[1].reasons[0]


def test_parameters_beyond_the_chip_are_streamed() -> None:
    graph = Graph()
    image, end = graph.tensor(1, 4, 4, 8), graph.tensor(1, 4, 4, 8)
    graph.add("CONV_2D", [image, graph.weights(1000, 1, 1, 8000), graph.bias(8)], [end], version=3)
    found = judge(graph)
    assert found.parameter_bytes == 8_000_000 + 32
    assert found.streamed_bytes == 8_000_032 - CACHED_BYTES


def test_large_activations_take_the_parameters_room() -> None:
    graph = Graph()
    image, end = graph.tensor(1, 500, 500, 16), graph.tensor(1, 500, 500, 16)
    graph.add("CONV_2D", [image, graph.weights(16, 3, 3, 16), graph.bias(16)], [end], version=3)
    found = judge(graph)
    assert found.peak_activation_bytes == 8_000_000
    assert found.streamed_bytes == 0
    graph.main.tensors[image].shape = [1, 600, 500, 16]
    assert judge(graph).streamed_bytes > 0


@pytest.mark.parametrize("model", [b"", b"\0" * 64, BACKBONE[:2000], b"PK\3\4" + b"\0" * 60])
def test_what_is_no_graph_is_refused_in_words(model: bytes) -> None:
    with pytest.raises(DataError, match=r"m\.tflite: (not a|a damaged) TensorFlow Lite graph"):
        read_network(model, "m.tflite")


def test_graph_that_was_compiled_already_is_told_apart() -> None:
    graph = one("CUSTOM")
    graph.model.operatorCodes[0].customCode = b"edgetpu-custom-op"
    with pytest.raises(DataError, match="compiled for the Edge TPU already"):
        judge(graph)


def test_custom_operator_is_named_and_refused() -> None:
    graph = one("CUSTOM")
    graph.model.operatorCodes[0].customCode = b"TFLite_Detection_PostProcess"
    (verdict,) = judge(graph).verdicts
    assert (verdict.layer.operator, verdict.place) == ("TFLite_Detection_PostProcess", "cpu")


def test_command_tells_each_operator_and_ends_with_a_summary(convert_verb: Callable[..., Any]) -> None:
    done = convert_verb("audit", default_bundle())
    assert done.returncode == 0, done.stderr
    assert sum(line.endswith("  Edge TPU") for line in done.stdout.splitlines()) == 58
    assert "backbone.tflite: 58 of 58 operators on the Edge TPU" in done.stdout
    assert "head stays on the CPU by design" in done.stdout


def test_command_ends_with_one_unless_it_was_planned(convert_verb: Callable[..., Any]) -> None:
    done = convert_verb("audit", default_bundle() / "head.tflite")
    assert done.returncode == 1
    assert "head.tflite: 0 of 20 operators on the Edge TPU." in done.stdout
    planned = convert_verb("audit", default_bundle() / "head.tflite", "--cpu", "all", "--json")
    assert planned.returncode == 0
    record = json.loads(planned.stdout)
    assert (record["mapped"], record["unplanned_on_cpu"], len(record["operators"])) == (0, 0, 20)


def test_command_names_a_file_that_is_not_there(convert_verb: Callable[..., Any]) -> None:
    done = convert_verb("audit", "none.tflite")
    assert done.returncode == 2
    assert done.stderr == "convert: none.tflite: cannot be read (No such file or directory)\n"


@pytest.mark.slow
def test_what_our_converter_makes_is_taken_whole(tiny_run: Path) -> None:
    found = audit((tiny_run / "backbone.tflite").read_bytes(), "backbone.tflite")
    assert {v.place for v in found.verdicts} == {"tpu"}


CONVERSION = """
import sys
import numpy as np
from convert.networks.keras_runtime import keras, tf

for name, batch, per_tensor in (("plain", 1, True), ("per-channel", 1, False), ("dynamic", None, True)):
    image = keras.Input((8, 8, 3), batch_size=batch)
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, activation="relu6")(image))
    network = keras.Model(image, keras.layers.Dense(5)(features))
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([np.full((1, 8, 8, 3), n / 4, np.float32)] for n in range(4))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = per_tensor
    open(f"{sys.argv[1]}/{name}.tflite", "wb").write(converter.convert())
"""


@pytest.mark.slow
def test_what_the_converter_does_unless_told_otherwise_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CONVERSION, tmp_path]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = {path.stem: audit(path.read_bytes(), path.name) for path in tmp_path.iterdir()}
    assert found["plain"].unplanned() == []
    (dense,) = found["per-channel"].unplanned()
    assert (dense.layer.operator, dense.reasons) == ("FULLY_CONNECTED", ("has one scale a channel",))
    assert any("fixed batch of 1" in reason for reason in found["dynamic"].rejected)
