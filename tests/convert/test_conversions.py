"""Each way of converting the tiny network, and the device that takes the engine a bundle offers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from convert.commands.pack import pack
from convert.errors import TrainingError
from convert.faces.pictures import Found
from convert.ladder.measure import measure
from convert.ladder.record import STEPS, Ladder, check
from convert.package.packing import write_folder
from convert.package.trained import Trained, read_trained
from convert.predict.evaluation import embed_crop
from convert.predict.subjects import dev_crops
from convert.quantize.export import export_head
from convert.quantize.graph import computes_in, float_operators
from convert.quantize.onnx_export import OnnxGraphs
from convert.quantize.onnx_packing import COMMANDS_FILE, add_onnx
from convert.quantize.recipes import DEFAULT, QUANTIZATIONS, find_quantization
from convert.quantize.tensors import describe_backbone
from convert.train.graphs import quantize_run
from convert.train.run import Run
from edge.affect.backbone import Backbone
from edge.affect.network import load_model
from edge.config import EngineConfig, ModelConfig
from edge.errors import BundleError
from edge.model.bundle import load_bundle
from edge.model.engines.onnx import OnnxEngine

pytestmark = pytest.mark.slow
Crops = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def trained(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    bundle = tmp_path_factory.mktemp("packed") / "tiny"
    pack(tiny_run, bundle, "tiny", 1, "2026-01-02", None)
    return read_trained(bundle, tiny_run, None, "tiny")


@pytest.fixture(scope="module")
def crops(tiny_run: Path, trained: Trained) -> Crops:
    """Dev crops, their ratings, and crops to calibrate on."""

    def find(_: object) -> Found:
        raise AssertionError("a run has its faces")

    return dev_crops(tiny_run, trained.recipe, data=tiny_run, find=find)[:3]


@pytest.fixture(scope="module")
def jetson(trained: Trained, tiny_onnx: OnnxGraphs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle with ONNX graphs, int8 first."""
    folder = tmp_path_factory.mktemp("jetson") / "bundle"
    write_folder(add_onnx(trained.bundle, tiny_onnx, first="int8", version=2, created="2026-01-02").bundle, folder)
    return folder


def test_onnx_graphs_answer_as_the_float_network_does(tiny_onnx: OnnxGraphs, crops: Crops) -> None:
    def answer(graph: bytes) -> np.ndarray:
        file = "backbone.onnx"
        backbone = Backbone(OnnxEngine(graph, name=file), describe_backbone(graph, file=file))
        return np.stack([embed_crop(backbone, image).va for image in crops[2]])

    wanted = answer(tiny_onnx.float32)
    assert np.sqrt(np.mean((answer(tiny_onnx.fp16) - wanted) ** 2)) < 0.002
    assert np.sqrt(np.mean((answer(tiny_onnx.int8) - wanted) ** 2)) < 0.02
    assert len(tiny_onnx.fp16) < 0.7 * len(tiny_onnx.float32)


def test_onnx_graphs_are_what_tensorrt_reads(tiny_onnx: OnnxGraphs) -> None:
    import onnx
    from onnx import numpy_helper

    for graph in tiny_onnx:
        assert {node.domain for node in onnx.load_from_string(graph).graph.node} == {""}
    int8 = onnx.load_from_string(tiny_onnx.int8).graph
    zeros = [numpy_helper.to_array(each) for each in int8.initializer if each.name.endswith("zero_point")]
    assert {str(zero.dtype) for zero in zeros} <= {"int8", "int32"}
    assert not any(zero.any() for zero in zeros)


def test_a_device_runs_the_engine_that_is_asked_for(jetson: Path) -> None:
    config = ModelConfig(bundle=str(jetson), allow_unsigned=True)
    chosen = load_model(config, EngineConfig(runtime="onnx"))
    assert (chosen.runtime, chosen.engine) == ("onnx", "onnx-int8, CPUExecutionProvider")
    # Where there is no accelerator, LiteRT is the better engine.
    assert load_model(config, EngineConfig()).engine == "litert"


def test_an_onnx_graph_that_answers_wrongly_is_not_trusted(jetson: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(jetson, tmp_path / "bundle")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for engine in manifest["engines"]:
        engine["tolerance"] = 1e-7
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="on onnx, allowed is"):
        load_model(ModelConfig(bundle=str(folder), allow_unsigned=True), EngineConfig(runtime="onnx"))


def test_a_flipped_bit_in_an_onnx_graph_is_refused(jetson: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(jetson, tmp_path / "bundle")
    data = bytearray((folder / "head.onnx").read_bytes())
    data[-1] ^= 1
    (folder / "head.onnx").write_bytes(data)
    with pytest.raises(BundleError, match=r"head.onnx is not the file the manifest lists"):
        load_bundle(folder)


def test_the_bundle_keeps_what_it_had_and_says_how_to_build_engines(jetson: Path, trained: Trained) -> None:
    bundle = load_bundle(jetson)
    assert all(bundle.files[name] == data for name, data in trained.bundle.files.items())
    assert [engine.name for engine in bundle.manifest.engines] == ["onnx-int8", "onnx-fp16"]
    lines = [line for line in bundle.files[COMMANDS_FILE].decode().splitlines() if line.startswith("trtexec")]
    assert [line.split()[1] for line in lines] == [
        "--onnx=backbone-int8.onnx",
        "--onnx=backbone-fp16.onnx",
        "--onnx=head.onnx",
    ]
    assert "Shapes" not in lines[0]
    assert "--int8" in lines[0]
    assert "--fp16" in lines[1]
    assert "--maxShapes=embedding:16x8,h:16x8,c:16x8" in lines[2]


@pytest.fixture(scope="module")
def climbed(trained: Trained, crops: Crops, tiny_onnx: OnnxGraphs) -> Ladder:
    from convert.ladder import measure as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "export_onnx", lambda *_, **__: tiny_onnx)
        patch.setattr(module, "_SEQUENCE_STEPS", 1000)
        patch.setattr(module, "_REPEATS", 1)
        return measure(trained, *crops, find_quantization("ptq_int8_head_f32"), "drawn faces")


def test_every_step_that_this_machine_can_run_is_measured(climbed: Ladder) -> None:
    by_step = {result.step: result for result in climbed.results}
    assert set(by_step) == STEPS.keys() - {"edge-tpu", "tensorrt", "device"}
    for step, result in by_step.items():
        assert set(result.scores) == {"frame", "stream"}
        assert (STEPS[step][1] is None) == (result.gap is None)
    gaps = {step: result.gap or (0.0, 0.0) for step, result in by_step.items()}
    assert gaps["tflite-float"][0] < 1e-3
    assert gaps["streamed"][0] < 1e-4
    assert gaps["onnx-qdq"][1] < 0.03
    assert 0 < (by_step["int8-xnnpack"].kb or 0) < (by_step["tflite-float"].kb or 0)


def test_steps_on_int8_features_equal_the_whole_sequence_and_do_not_drift(climbed: Ladder) -> None:
    assert climbed.sequence.rms < 1e-4
    check(msgspec.structs.replace(climbed, results=[]))


def test_integer_heads_need_something_to_calibrate_on(trained: Trained) -> None:
    with pytest.raises(TrainingError, match="needs embeddings to calibrate on"):
        export_head(trained.head, trained.recipe, way=find_quantization("ptq_int8"))


# The default is what the tiny run itself went through.
@pytest.mark.parametrize("name", sorted(QUANTIZATIONS.keys() - {DEFAULT}))
def test_each_recipe_gives_graphs_that_the_device_runs(name: str, tiny_run: Path, tmp_path: Path) -> None:
    way = find_quantization(name)
    if way.training is not None:
        way = msgspec.structs.replace(way, training=msgspec.structs.replace(way.training, steps=2, batch=4))
    run = Run(shutil.copytree(tiny_run, tmp_path / "run", ignore=shutil.ignore_patterns("backbone", "head", "teacher")))
    report = quantize_run(run, run.recipe(), run.parts(), way)
    assert report["recipe"] == name
    assert report["rms"] < 0.05
    graph = run.path("backbone.tflite").read_bytes()
    assert bool(float_operators(graph)) == (way.backbone == "float16")
    found = read_trained(None, run.folder, None, "tiny").bundle
    assert found.manifest.head.embedding.dtype == "float32"
    assert computes_in(found.files["head.tflite"]) == ("int8" if way.head == "int8" else "float32")
    assert found.manifest.network.count("int8") == (way.backbone == "int8") + (way.head == "int8")
