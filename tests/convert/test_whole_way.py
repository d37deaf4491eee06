"""From drawn faces to a bundle that loads: every stage once, in its tiny recipe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from convert.commands.pack import pack
from convert.errors import DataError, TrainingError
from convert.package.packing import prove, write_folder
from convert.quantize.graph import float_operators, list_operators
from convert.train.recipe import RECIPES
from convert.train.run import Run
from edge.errors import BundleError
from edge.model.bundle import load_bundle

EDGE_TPU = {"CONV_2D", "MAX_POOL_2D", "CONCATENATION", "ADD", "RESHAPE", "FULLY_CONNECTED"}


@pytest.fixture(scope="module")
def packed(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from convert.commands.test import run_test

    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    if not (tiny_run / "model.json").is_file():
        run_test(tiny_run, most=0)
    pack(tiny_run, folder, "tiny", 3, "2026-01-02", folder.with_suffix(".zip"))
    return folder


@pytest.mark.slow
def test_the_int8_graph_has_no_float_operator_and_only_what_the_edge_tpu_takes(tiny_run: Path) -> None:
    graph = (tiny_run / "backbone.tflite").read_bytes()
    assert float_operators(graph) == []
    assert {operator.name for operator in list_operators(graph)} <= EDGE_TPU


@pytest.mark.slow
def test_the_proof_of_no_float_operator_can_fail(tiny_run: Path) -> None:
    assert float_operators((tiny_run / "head.tflite").read_bytes())


@pytest.mark.slow
def test_the_bundle_loads_and_says_what_it_is(packed: Path) -> None:
    bundle = load_bundle(packed)
    manifest = bundle.manifest
    assert (manifest.name, manifest.version, manifest.created) == ("tiny", 3, "2026-01-02")
    assert manifest.warmup_steps == RECIPES["tiny"].head.warmup_steps
    assert manifest.backbone.image.shape == (1, 32, 32, 3)
    assert manifest.head.h.shape == (-1, 8)
    assert {(m.answer, m.target) for m in manifest.metrics} == {
        (answer, target) for answer in ("frame", "stream") for target in ("valence", "arousal")
    }
    card = bundle.files["MODEL_CARD.md"].decode()
    for said in (
        "not a feeling",
        "staff, education",
        "not legal advice",
        "internal",
        "drawn faces",
        "95%",
        "real people",
    ):
        assert said in card


@pytest.mark.slow
def test_packing_twice_gives_the_same_bytes(tiny_run: Path, packed: Path, tmp_path: Path) -> None:
    pack(tiny_run, tmp_path / "again", "tiny", 3, "2026-01-02", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.with_suffix(".zip").read_bytes()
    assert load_bundle(tmp_path / "again.zip").sha256 == load_bundle(packed).sha256


@pytest.mark.slow
def test_a_bundle_whose_golden_answers_differ_is_refused(packed: Path, tmp_path: Path) -> None:
    import hashlib

    import msgspec

    from convert.package.packing import encode

    folder = shutil.copytree(packed, tmp_path / "bundle")
    with np.load(folder / "golden.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(folder / "golden.npz", **{**arrays, "va": arrays["va"] + 0.3})
    manifest = load_bundle(packed).manifest
    hashes = {**manifest.files, "golden.npz": hashlib.sha256((folder / "golden.npz").read_bytes()).hexdigest()}
    (folder / "manifest.json").write_bytes(encode(msgspec.structs.replace(manifest, files=hashes)))
    with pytest.raises(BundleError, match="va differs"):
        prove(folder)


@pytest.mark.slow
def test_packing_over_something_else_deletes_nothing(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(TrainingError, match="holds no bundle"):
        write_folder(load_bundle(packed), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.slow
def test_the_run_is_recorded(tiny_run: Path) -> None:
    notes = json.loads((tiny_run / "run.json").read_text())
    assert "tensorflow" in notes["machine"]["packages"]
    quantization = json.loads((tiny_run / "quantization.json").read_text())
    assert quantization["bytes"]["int8"] < quantization["bytes"]["float32"]
    assert (tiny_run / "history.png").read_bytes().startswith(b"\x89PNG")
    assert Run(tiny_run).recipe() == RECIPES["tiny"]


@pytest.mark.slow
def test_another_recipe_in_the_same_folder_is_refused(tiny_run: Path) -> None:
    with pytest.raises(DataError, match="another recipe"):
        Run(tiny_run).start(RECIPES["default"])


@pytest.mark.slow
def test_the_embeddings_int8_grid_is_as_fine_as_scores_need(packed: Path) -> None:
    assert load_bundle(packed).manifest.backbone.embedding.scale <= 2.5 / 255
