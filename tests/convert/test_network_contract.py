"""Every network, ours and one of a user's own, through the same way: build, train, save, quantize, run, pack.

The sizes are tiny, so the answers mean nothing; the way is the real one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from convert.errors import DataError, TrainingError
from convert.package.golden import draw_images
from convert.package.packing import Label, assemble, prove, write_folder
from convert.quantize.export import BackboneGraphs, export_backbone, export_head
from convert.quantize.graph import float_operators, list_operators
from convert.train.batches import TrainingFaces
from convert.train.recipe import BackbonePhase, BackboneRecipe, HeadRecipe, Recipe
from convert.train.run import load_weights, save_weights
from convert.train.targets import AUXILIARY, POINTS
from edge.affect.backbone import PIXEL_SCALE, PIXEL_ZERO
from edge.model.bundle import load_bundle
from edge.model.engines.litert import LiteRtEngine

MOBILENET = "examples.mobilenet_v2:build"
WIDTHS = {"shallow": 0.0625, "deep": 0.0625, MOBILENET: 0.1}
# What each is made of once batch normalization is folded and everything is int8.
INCEPTION = {"CONV_2D", "MAX_POOL_2D", "CONCATENATION", "ADD", "FULLY_CONNECTED"}
OPERATORS = {MOBILENET: {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "FULLY_CONNECTED"}}
# By hand: 11 in the stem, 7 in block A, 4 in its reduction, 5 in block B, 7 in its reduction, 5 in block C, 1 more.
SHALLOW, DEEP = 11 + 7 + 4 + 5 + 7 + 5 + 1, 11 + 5 * 7 + 4 + 10 * 5 + 7 + 5 * 5 + 1
CONVOLUTIONS = {"shallow": SHALLOW, "deep": DEEP, MOBILENET: 36}
HEAD = HeadRecipe(units=8, stills=4, steps=6, warmup_steps=2)
PHASE = BackbonePhase(name="contract", epochs=1, batch=4)
SIZE, LENGTH = 32, 8


class Trained(NamedTuple):
    """One network after a training of two steps, reloaded from its file."""

    recipe: Recipe
    model: Any  # with the weights before the training
    backbone: list[np.ndarray]
    graphs: BackboneGraphs


class Head(NamedTuple):
    """A head of random weights, for every network."""

    weights: list[np.ndarray]
    graph: bytes


def _recipe(network: str) -> Recipe:
    backbone = BackboneRecipe(network=network, size=SIZE, width=WIDTHS.get(network, 1), embedding=LENGTH)
    return Recipe(name="contract", calibration=4, backbone=backbone, head=HEAD)


def _faces(count: int = 8) -> TrainingFaces:
    rng = np.random.default_rng(0)
    return TrainingFaces(
        loose=list(draw_images(54, count=count)),
        va=rng.uniform(-1, 1, (count, 2)).astype(np.float32),
        weight=np.ones(count, np.float32),
        expression=np.full(count, -1, np.int32),
        blendshapes=rng.uniform(0, 1, (count, len(AUXILIARY))).astype(np.float32),
        points=rng.uniform(-0.4, 0.4, (count, len(POINTS), 2)).astype(np.float32),
        extra=np.zeros(count, bool),
        portrait=np.ones(count, bool),
    )


def _train(recipe: Recipe, folder: Path) -> list[Any]:
    from convert.train.backbone import BackboneLearner
    from convert.train.trainer import train

    learner = BackboneLearner(recipe.backbone, PHASE, _faces(), [], seed=3)
    return train(learner, PHASE, folder=folder).weights


@pytest.fixture(scope="module")
def head() -> Head:
    from convert.networks.lstm_head import LstmHead

    made, rng = LstmHead(LENGTH, HEAD), np.random.default_rng(4)
    made.start_from(rng.normal(0, 0.5, (50, LENGTH)).astype(np.float32), np.ones((LENGTH, 2), np.float32), np.zeros(2))
    made.memory.set_weights([rng.normal(0, 0.5, (HEAD.units, 2)).astype(np.float32)])
    weights = made.get_weights()
    return Head(weights, export_head(weights, _recipe("shallow")))


@pytest.fixture(scope="module", params=list(WIDTHS))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    from convert.networks.backbone import build_backbone
    from convert.networks.keras_runtime import seed_everything, tf

    recipe = _recipe(request.param)
    folder = tmp_path_factory.mktemp("contract")
    seed_everything(3)
    model = build_backbone(recipe.backbone, blendshapes=len(AUXILIARY))
    tf.config.run_functions_eagerly(True)  # tracing a network takes longer than two steps of it
    try:
        backbone = _train(recipe, folder)
    finally:
        tf.config.run_functions_eagerly(False)
    save_weights(folder / "backbone.npz", backbone)
    loaded = load_weights(folder / "backbone.npz")
    graphs = export_backbone(loaded, recipe, draw_images(SIZE), blendshapes=len(AUXILIARY))
    return Trained(recipe, model, loaded, graphs)


@pytest.mark.slow
def test_it_learns_and_its_weights_come_back_from_their_file_to_the_graphs_answers(trained: Trained) -> None:
    from convert.train.backbone import run_backbone

    assert all(np.isfinite(weight).all() for weight in trained.backbone)
    fresh = trained.model.get_weights()
    changed = sum(not np.array_equal(a, b) for a, b in zip(fresh, trained.backbone, strict=True))
    # All but what gets no gradient behind a closed ReLU6.
    assert changed >= 0.9 * len(fresh)
    trained.model.set_weights(trained.backbone)
    answers = run_backbone(trained.model, draw_images(SIZE))
    engine = LiteRtEngine(trained.graphs.float32, name="float32")
    for row, image in enumerate(draw_images(SIZE)):
        out = engine.invoke({"image": (image[None].astype(np.float32) - PIXEL_ZERO) * np.float32(PIXEL_SCALE)})
        np.testing.assert_allclose(out["va"][0], answers["va"][row], atol=1e-4)
        np.testing.assert_allclose(out["embedding"][0], answers["embedding"][row], atol=1e-4)
    trained.model.set_weights(fresh)


@pytest.mark.slow
def test_the_graph_is_int8_for_one_picture_and_of_operators_that_the_device_knows(trained: Trained) -> None:
    graph, network = trained.graphs.backbone, trained.recipe.backbone.network
    assert float_operators(graph) == []
    names = [operator.name for operator in list_operators(graph)]
    assert set(names) == OPERATORS.get(network, INCEPTION)
    assert names.count("CONV_2D") == CONVOLUTIONS[network]
    engine = LiteRtEngine(graph, name="int8")
    assert engine.inputs["image"].shape == (1, SIZE, SIZE, 3)
    assert engine.outputs["embedding"].shape == (1, LENGTH)
    assert {spec.dtype for spec in (*engine.inputs.values(), *engine.outputs.values())} == {np.dtype(np.int8)}


@pytest.mark.slow
def test_its_bundle_loads_as_on_a_device_and_reproduces_its_golden_answers(
    trained: Trained, head: Head, tmp_path: Path
) -> None:
    bundle = assemble(
        trained.graphs.backbone,
        head.graph,
        trained.recipe,
        Label(name="contract", version=1, created="2026-01-02"),
        sources=[],
        metrics=[],
    )
    write_folder(bundle, tmp_path / "bundle")
    worst = prove(tmp_path / "bundle")["litert"]
    manifest = load_bundle(tmp_path / "bundle").manifest
    assert max(worst.values()) <= manifest.golden.tolerance["litert"]
    title = {"shallow": "shallow Inception-ResNet 0.0625", "deep": "deep Inception-ResNet 0.0625"}
    assert title.get(trained.recipe.backbone.network, manifest.network) in manifest.network


@pytest.mark.slow
def test_a_converter_that_is_started_anew_gives_the_graph_that_the_tests_get(
    head: Head, cold_converter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convert.quantize.export.run_converter", cold_converter)
    assert export_head(head.weights, _recipe("shallow")) == head.graph


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "named", "message"),
    [
        ("", "nowhere_at_all:build", "there is no module nowhere_at_all; start from the folder"),
        ("import not_installed_here", "{module}:build", "needs not_installed_here, which is not installed"),
        ("def build(:", "{module}:build", "cannot be imported"),
        ("", "{module}:build", "has no build"),
        ("build = 3", "{module}:build", "build is int, not a function"),
        ("def build(size): ...", "{module}:build", r"cannot be called as build\(input_size, width=…\)"),
        ("def build(size, width): return 'model'", "{module}:build", "returned builtins.str, not a tf_keras.Model"),
        ("", "medium", r"not one of \['deep', 'shallow'\]; name your own as module:function"),
        (
            "import tf_keras as k\n"
            "def build(size, width):\n"
            "    x = k.Input((size, size, 1))\n"
            "    return k.Model(x, k.layers.Flatten()(x))",
            "{module}:build",
            r"takes \[\(None, 32, 32, 1\)\], not one input of \(None, 32, 32, 3\)",
        ),
        (
            "import tf_keras as k\n"
            "def build(size, width):\n"
            "    x = k.Input((size, size, 3))\n"
            "    return k.Model(x, [x, x])",
            "{module}:build",
            "not one output of",
        ),
        (
            "import tf_keras as k\n"
            "def build(size, width):\n"
            "    x = k.Input((size, size, 3))\n"
            "    return k.Model(x, k.layers.Flatten(name='va')(x))",
            "{module}:build",
            "has a layer called va",
        ),
    ],
)
def test_a_network_that_is_not_what_is_asked_is_refused_by_name(
    source: str, named: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    from convert.networks.registry import build_features

    module = f"network_{abs(hash(request.node.name))}"
    (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=message):
        build_features(named.format(module=module), SIZE, 1.0)


@pytest.mark.slow
def test_an_operator_without_int8_is_named_when_it_is_quantized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convert.networks.backbone import build_backbone

    (tmp_path / "network_of_erf.py").write_text(
        "import tensorflow as tf, tf_keras as k\n"
        "def build(size, width):\n"
        "    x = k.Input((size, size, 3))\n"
        "    return k.Model(x, k.layers.Lambda(tf.math.erf)(k.layers.Conv2D(4, 3)(x)))"
    )
    monkeypatch.syspath_prepend(tmp_path)
    recipe = _recipe("network_of_erf:build")
    weights = build_backbone(recipe.backbone, blendshapes=len(AUXILIARY)).get_weights()
    with pytest.raises(TrainingError, match="TensorFlow Lite has no Erf; the network must do without"):
        export_backbone(weights, recipe, draw_images(SIZE), blendshapes=len(AUXILIARY))
