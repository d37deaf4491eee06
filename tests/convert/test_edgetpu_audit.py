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


BROKEN: dict[str, tuple[Callable[[], Graph], str]] = {
    "operator": (lambda: one("EXP"), "not on the list"),
    "int16": (lambda: convolving(dtype="int16"), "works on int16"),
    "float32": (lambda: convolving(dtype="float32"), "works on float32"),
    "weights are fed": (lambda: convolving(constant=False), "no constant"),
    "new version": (lambda: convolving(version=6), "operator version 6, the compiler reads up to 5"),
    "batch of two": (lambda: one("RELU", (2, 4, 4, 8)), "outside the 3 innermost dimensions (2×4×4×8)"),
    "per-channel fully connected": (lambda: connecting(scales=4), "one scale a channel"),
    "rows of fully connected": (lambda: connecting(rows=3), "more than one row (3×4)"),
    "mean of the batch": (lambda: reducing("MEAN", 0), "reduces the batch"),
    "mean of the batch, counted from the end": (lambda: reducing("MEAN", -4), "reduces the batch"),
    "mean of an odd depth": (lambda: reducing("MEAN", 3, depth=6), "no multiple of 4"),
}


def judge(graph: Graph) -> Audit:
    return audit(graph.bytes(), "hand-made.tflite")


@pytest.mark.parametrize(
    "graph",
    [convolving(scales=8), connecting(), two("ADD"), one("MAX_POOL_2D"), reducing("MEAN", 1, 2), reducing("SUM", 1)],
    ids=["convolution, a scale a channel", "fully connected", "add", "pool", "mean", "sum"],
)
def test_what_our_networks_are_made_of_is_taken(graph: Graph) -> None:
    found = judge(graph)
    assert [(each.place, each.reasons) for each in found.operators] == [("tpu", ())]
    assert found.rejected == found.unplanned() == []


@pytest.mark.parametrize("case", BROKEN)
def test_one_broken_rule_is_named(case: str) -> None:
    build, said = BROKEN[case]
    (operator,) = judge(build()).operators
    assert any(said in reason for reason in operator.reasons), operator.reasons


def test_operator_that_an_older_runtime_lacks_is_named() -> None:
    model = one("QUANTIZE").bytes()
    assert audit(model, "m", runtime=13).unplanned() == []
    (operator,) = audit(model, "m", runtime=12).unplanned()
    assert operator.reasons == ("needs Edge TPU runtime 13, the device has 12",)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(HEAD) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_graph_is_judged_or_refused_and_nothing_else(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(HEAD)
    for position, value in changes:
        damaged[position] = value
    with contextlib.suppress(DataError):
        audit(bytes(damaged), "m")


def test_shipped_backbone_is_taken_whole_and_fits() -> None:
    found = audit(BACKBONE, "backbone.tflite")
    assert {v.place for v in found.operators} == {"tpu"}
    assert len(found.operators) == 59
    assert (found.rejected, found.streamed_bytes) == ([], 0)
    assert 600_000 < found.parameter_bytes < len(BACKBONE)


def test_shipped_head_stays_on_the_cpu_by_design() -> None:
    found = audit(HEAD, "head.tflite")
    assert found.mapped == []
    assert any("not quantized" in reason for reason in found.rejected)
    assert any("only known at run time" in reason for reason in found.rejected)
    assert len(found.unplanned()) == len(found.operators)
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
    found = audit(shipped(change_operator(54, "EXP")), "m")  # the map's convolution
    assert [v.place for v in found.operators] == ["tpu"] * 54 + ["cpu"] + ["after"] * 4
    assert len(found.unplanned()) == 5
    assert found.unplanned(["EXP"]) == []  # planned, and so is what cannot follow


def test_refused_first_operator_leaves_nothing() -> None:
    found = audit(shipped(change_operator(0, "EXP")), "m")
    assert found.mapped == []
    assert found.parameter_bytes == 0


def test_branch_that_needs_nothing_of_the_cpu_is_mapped() -> None:
    graph = Graph()
    image, left, right, end = (graph.tensor(1, 4, 4, 8) for _ in range(4))
    graph.add("EXP", [image], [left]).add("RELU", [image], [right]).add("ADD", [left, right], [end])
    assert [v.place for v in judge(graph).operators] == ["cpu", "tpu", "after"]


def test_quantize_of_the_graphs_own_float_input_does_not_end_the_mapping() -> None:
    graph = Graph()
    image, first, second = (
        graph.tensor(1, 4, 4, 8, dtype="float32", scales=0),
        *(graph.tensor(1, 4, 4, 8) for _ in "ab"),
    )
    graph.add("QUANTIZE", [image], [first]).add("RELU", [first], [second])
    assert [v.place for v in judge(graph).operators] == ["cpu", "tpu"]


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
    assert len(found.unplanned()) == 59


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
        audit(model, "m.tflite")


def test_graph_that_was_compiled_already_is_told_apart() -> None:
    graph = one("CUSTOM")
    graph.model.operatorCodes[0].customCode = b"edgetpu-custom-op"
    with pytest.raises(DataError, match="compiled for the Edge TPU already"):
        judge(graph)


def test_custom_operator_is_named_and_refused() -> None:
    graph = one("CUSTOM")
    graph.model.operatorCodes[0].customCode = b"TFLite_Detection_PostProcess"
    (operator,) = judge(graph).operators
    assert (operator.name, operator.place) == ("TFLite_Detection_PostProcess", "cpu")


def test_command_tells_each_operator_and_ends_with_a_summary(convert_verb: Callable[..., Any]) -> None:
    done = convert_verb("audit", default_bundle())
    assert done.returncode == 0, done.stderr
    assert sum(line.endswith("  Edge TPU") for line in done.stdout.splitlines()) == 59
    assert "backbone.tflite: 59 of 59 operators on the Edge TPU" in done.stdout
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
    assert {v.place for v in found.operators} == {"tpu"}


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
    assert (dense.name, dense.reasons) == ("FULLY_CONNECTED", ("has one scale a channel",))
    assert any("fixed batch of 1" in reason for reason in found["dynamic"].rejected)
