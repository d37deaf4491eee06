"""The ONNX engine on a small graph, and what it says where its package is not installed."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.errors import EngineError
from edge.model.engines import onnx as engine_module
from edge.model.engines.onnx import OnnxEngine, available_providers

onnx = pytest.importorskip("onnx", reason="needs the package onnx, to make a graph")


def graph(*, kind: int = onnx.TensorProto.FLOAT) -> bytes:
    """`twice` = 2 · `x` and `sum` = `x` + `y`, rows of three, any number of them."""
    helper, rows = onnx.helper, ["faces", 3]
    ins = [helper.make_tensor_value_info(name, kind, rows) for name in ("x", "y")]
    outs = [helper.make_tensor_value_info(name, kind, rows) for name in ("sum", "twice")]
    nodes = [helper.make_node("Add", ["x", "y"], ["sum"]), helper.make_node("Add", ["x", "x"], ["twice"])]
    model = helper.make_model(
        helper.make_graph(nodes, "test", ins, outs), opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    return bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def engine() -> OnnxEngine:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    return OnnxEngine(graph(), name="test.onnx")


def rows(count: int) -> dict[str, np.ndarray]:
    values = np.arange(3 * count, dtype=np.float32).reshape(count, 3)
    return {"x": values, "y": np.ones_like(values)}


def test_tensors_go_in_and_come_out_by_name_whatever_the_batch(engine: OnnxEngine) -> None:
    assert set(engine.inputs) == {"x", "y"}
    assert engine.inputs["x"].dtype == np.float32
    assert engine.inputs["x"].shape == (1, 3)
    assert not engine.inputs["x"].quantized
    for count in (1, 4, 2):
        out = engine.invoke(rows(count))
        assert np.array_equal(out["twice"], 2 * rows(count)["x"])
        assert np.array_equal(out["sum"], rows(count)["x"] + 1)


def test_outputs_are_copies(engine: OnnxEngine) -> None:
    first = engine.invoke(rows(1))
    kept = first["twice"].copy()
    engine.invoke({name: values + 5 for name, values in rows(1).items()})
    assert np.array_equal(first["twice"], kept)


def test_input_that_does_not_fit_is_named(engine: OnnxEngine) -> None:
    with pytest.raises(EngineError, match=r"test.onnx: needs the inputs \['x', 'y'\]"):
        engine.invoke({"x": rows(1)["x"]})
    with pytest.raises(EngineError, match=r"test.onnx: input x is \(1, 3\), got \(1, 2\)"):
        engine.invoke({"x": np.zeros((1, 2), np.float32), "y": np.zeros((1, 3), np.float32)})
    with pytest.raises(EngineError, match=r"test.onnx: the run failed"):
        engine.invoke({name: values.astype(np.float64) for name, values in rows(1).items()})
    assert engine.invoke(rows(1))


def test_graph_that_is_none_and_types_that_no_bundle_has_are_refused(engine: OnnxEngine) -> None:
    with pytest.raises(EngineError, match=r"x.onnx: onnx cannot load the graph"):
        OnnxEngine(b"\x00" * 64, name="x.onnx")
    with pytest.raises(EngineError, match=r"x.onnx: onnx cannot load the graph"):
        OnnxEngine(graph(kind=onnx.TensorProto.DOUBLE), name="x.onnx")


def test_the_package_that_is_missing_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineError, match=r"pip install 'affect-edge\[onnx\]'") as caught:
        OnnxEngine(graph(), name="test.onnx")
    assert caught.value.exit_code == 5
    assert "\n" not in str(caught.value)


def test_providers_are_asked_for_best_first_and_only_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def offer(*providers: str) -> list[str]:
        fake = SimpleNamespace(get_available_providers=lambda: list(providers))
        monkeypatch.setattr(engine_module, "_load_runtime", lambda: fake)
        return available_providers()

    tensorrt, cuda, cpu = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
    assert offer(cpu, cuda, "AzureExecutionProvider", tensorrt) == [tensorrt, cuda, cpu]
    assert offer("AzureExecutionProvider", cpu) == [cpu]


def test_importing_the_engine_imports_no_runtime() -> None:
    import subprocess

    code = "import sys, edge.model.engines.onnx, edge.model.engines.choice; assert 'onnxruntime' not in sys.modules"
    done: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
