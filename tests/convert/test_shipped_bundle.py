"""The bundle in `edge/bundles/default`: whole, small, honest, and as good as it says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from convert.commands.report import EVIDENCE
from convert.package.packing import Label, assemble, prove
from convert.predict.measure import RECORD, metrics_of, read_record
from convert.predict.render import render
from convert.predict.table import hash_graphs
from convert.quantize.graph import float_operators
from convert.train.recipe import find_recipe
from edge.model.bundle import default_bundle, load_bundle
from edge.model.golden import read_golden

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


def test_it_loads_and_reproduces_its_golden_vectors() -> None:
    assert (
        prove(default_bundle())["litert"]["embedding"]
        <= load_bundle(default_bundle()).manifest.golden.tolerance["litert"]
    )


def test_it_is_small_and_its_backbone_is_all_int8() -> None:
    bundle = load_bundle(default_bundle())
    assert sum(map(len, bundle.files.values())) < 2_000_000
    assert float_operators(bundle.files["backbone.tflite"]) == []


def test_its_card_names_sources_limits_and_intervals() -> None:
    bundle = load_bundle(default_bundle())
    card = bundle.files["MODEL_CARD.md"].decode()
    for said in (
        "No photograph of a real person",
        "not a feeling",
        "not for staff, education",
        "not legal advice",
        "CC0-1.0",
        "MIT",
        "Apache-2.0",
        "StyleGAN2",
        "Stable Diffusion",
        "only ten people in clips",
    ):
        assert said in card
    for metric in bundle.manifest.metrics:
        assert f"{metric.ccc:.3f} ({metric.ccc_low:.3f} to {metric.ccc_high:.3f})" in card
        assert metric.n >= 80


def test_packing_its_graphs_again_writes_the_same_manifest_and_card() -> None:
    bundle = load_bundle(default_bundle())
    manifest, card = bundle.manifest, bundle.files["MODEL_CARD.md"].decode()
    if manifest.version <= 5:
        pytest.skip("its card was written before cards were rendered from a record")
    record = read_record(ROOT / EVIDENCE / hash_graphs(manifest)[:16] / RECORD)
    again = assemble(
        bundle.files["backbone.tflite"],
        bundle.files["head.tflite"],
        find_recipe(manifest.name),
        Label(name=manifest.name, version=manifest.version, created=manifest.created),
        sources=manifest.sources,
        metrics=metrics_of(record),
        evidence=render("evidence.md.j2", **record),
    )
    assert again.files["MODEL_CARD.md"].decode() == card
    assert again.files["LICENSE"] == bundle.files["LICENSE"]
    # The golden answers may differ by a step of the int8 grid from one machine to the next, and so may their hash.
    assert msgspec.structs.replace(again.manifest, files={}) == msgspec.structs.replace(manifest, files={})
    assert again.files.keys() == bundle.files.keys()


def test_its_golden_images_are_drawn_from_a_seed() -> None:
    from convert.package.golden import draw_images

    bundle = load_bundle(default_bundle())
    drawn = draw_images(bundle.manifest.crop.size)
    golden = read_golden(bundle)["image"]
    # Gradients may round differently between OpenCV builds.
    assert np.mean(np.abs(drawn.astype(int) - golden.astype(int)) > 2) < 0.01


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "data" / "diffusionfer").is_dir(), reason="needs ../shared/data/diffusionfer")
def test_the_held_out_faces_score_what_the_manifest_says() -> None:
    from convert.faces.finder import FaceFinder
    from convert.faces.kit import kit_faces
    from convert.predict.evaluation import Device, evaluate

    faces = kit_faces(SHARED / "data")
    faces = faces[(faces["source"] == "diffusionfer") & (faces["split"] == "test")].reset_index(drop=True)
    bundle = load_bundle(default_bundle())
    found = evaluate(faces, Device(bundle), FaceFinder())
    metrics = [metric for metric in bundle.manifest.metrics if metric.data.startswith("DiffusionFER")]
    assert len(metrics) == 4
    for metric in metrics:
        measured = found.agreement[metric.answer][metric.target]
        assert measured.ccc == pytest.approx(metric.ccc, abs=0.015)
        assert measured.ccc >= 0.88


@pytest.mark.slow
def test_its_head_stepped_equals_the_whole_sequence_over_1000_steps() -> None:
    from convert.networks.lstm_head import LstmHead
    from convert.train.recipe import find_recipe
    from convert.train.run import load_weights
    from edge.model.engines.litert import LiteRtEngine

    bundle = load_bundle(default_bundle())
    graph = bundle.manifest.head
    head = LstmHead(graph.embedding.shape[-1], find_recipe("default").head)
    head.set_weights(load_weights(ROOT / "convert" / "weights" / "head.npz"))
    noise = np.random.default_rng(0).normal(size=(2, 1000, graph.embedding.shape[-1]))
    x = (head.center.numpy() + head.spread.numpy() * noise).astype(np.float32)
    whole = np.clip(head(x).numpy(), -1, 1)

    engine = LiteRtEngine(bundle.files[graph.file], name=graph.file)
    h = c = np.zeros((2, graph.h.shape[-1]), np.float32)
    for t in range(1000):
        out = engine.invoke({graph.embedding.name: x[:, t], graph.h.name: h, graph.c.name: c})
        h, c = out[graph.next_h.name], out[graph.next_c.name]
        np.testing.assert_allclose(out[graph.va.name], whole[:, t], atol=1e-5)
