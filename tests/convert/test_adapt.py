"""Adapting without labels: only statistics move, nothing of a picture is left, and what is not better is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from convert.errors import DataError
from convert.finetune.adaptation import ITSELF, Contender, Place, choose_contender, judge
from convert.finetune.label_free import compare_consistency, consistency
from convert.finetune.target import Target
from convert.finetune.verdict import JudgedSet
from convert.package.packing import Label, assemble, write_folder
from convert.studio.stills import LOOSE_PX
from convert.train.examples import AUXILIARY
from convert.train.recipe import BackboneRecipe
from convert.train.run import Run, load_weights
from edge.model.bundle import load_bundle
from edge.values import Embedding, FaceCrop, Float32Array, UInt8Array

NETWORK = BackboneRecipe(size=32, width=0.0625, embedding=8)


def _images(count: int = 40) -> UInt8Array:
    return np.random.default_rng(1).integers(0, 90, (count, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> Any:
    from convert.networks.backbone import build_backbone
    from convert.networks.keras_runtime import seed_everything

    seed_everything(1)
    return build_backbone(NETWORK, blendshapes=len(AUXILIARY))


@pytest.fixture(scope="module")
def adapted(model: Any) -> list[Float32Array]:
    """The model's weights after 40 faces, with those of training counting for 10."""
    from convert.finetune.normalization import adapt_normalization

    return adapt_normalization(model.get_weights(), _images(), NETWORK, prior=10)


@pytest.mark.slow
def test_only_normalizations_statistics_change(model: Any, adapted: list[Float32Array]) -> None:
    names = [weight.name for weight in model.weights]
    moved = {name for name, a, b in zip(names, model.get_weights(), adapted, strict=True) if not np.array_equal(a, b)}
    assert moved == {name for name in names if "moving_mean" in name or "moving_variance" in name}


@pytest.mark.slow
def test_statistics_are_blended_by_the_number_of_faces(model: Any, adapted: list[Float32Array]) -> None:
    from convert.networks.keras_runtime import keras
    from convert.train.backbone import normalize

    first = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    at = next(n for n, weight in enumerate(model.weights) if weight is first.moving_mean)
    seen = keras.Model(model.input, first.input)(normalize(_images())).numpy()
    wanted = 0.2 * model.get_weights()[at] + 0.8 * seen.mean(axis=(0, 1, 2))  # 10 of 50 pictures are the past's
    np.testing.assert_allclose(adapted[at], wanted, atol=1e-5)


@pytest.mark.slow
def test_too_few_faces_to_measure_by_are_refused(model: Any) -> None:
    from convert.finetune.normalization import adapt_normalization

    with pytest.raises(DataError, match="31 faces are too few"):
        adapt_normalization(model.get_weights(), _images(31), NETWORK, prior=16)


def test_a_network_that_says_the_same_of_everybody_does_not_agree_with_itself() -> None:
    answers = np.random.default_rng(0).uniform(-1, 1, (30, 2)).astype(np.float32)
    flat = np.full_like(answers, 0.3)
    assert consistency(answers, [answers, answers]) == pytest.approx((1.0, 1.0))
    assert consistency(flat, [flat]) == (0.0, 0.0)
    found = compare_consistency((answers, [answers]), (flat, [flat]), [str(n) for n in range(30)], draws=50)
    assert found["valence"].verdict == "better"


def _contender(name: str, steadiness: float, old: float) -> Contender:
    return Contender(name, 0.0, [], steadiness, old)


def test_the_steadiest_is_taken_of_those_that_lost_little() -> None:
    ranges, gentle, strong = _contender("ranges", 0.8, 0.9), _contender("gentle", 0.85, 0.88), _contender("s", 0.9, 0.8)
    assert choose_contender([ranges, gentle, strong], 0.03) is gentle
    assert choose_contender([ranges, gentle, strong], 0.2) is strong
    assert choose_contender([ranges, ranges._replace(name="other")], 0.03).name == "ranges"


class _Network:
    """A device that answers with the brightness of a crop or of its left half; `noise` spoils its old answers."""

    def __init__(self, *, left_only: bool, noise: float) -> None:
        self._left_only, self._rng, self._noise = left_only, np.random.default_rng(2), noise
        self.backbone = self
        self.manifest = SimpleNamespace(crop=SimpleNamespace(size=32))

    def embed(self, crop: FaceCrop) -> Embedding:
        seen = crop.pixels[:, :16] if self._left_only else crop.pixels
        va = np.array([seen.mean() / 255, seen.std() / 64], np.float32)
        return Embedding(track_id=0, captured_ns=0, vector=va, va=va)

    def answer(self, image: UInt8Array) -> Float32Array:
        said = image[0, 0, :2].astype(np.float32) / 255 + self._noise * self._rng.normal(size=2).astype(np.float32)
        return np.stack([said] * 2)


def _place(count: int = 60) -> Place:
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(count):
        left, right = rng.integers(0, 256, (2, 4, 2, 1), dtype=np.uint8)
        tile = np.concatenate([left, right], axis=1).repeat(3, axis=2)
        pictures.append(cv2.resize(tile, (LOOSE_PX, LOOSE_PX), interpolation=cv2.INTER_NEAREST).astype(np.uint8))
    images = rng.integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
    old = JudgedSet(
        data="old",
        images=images,
        rated=images[:, 0, 0, :2].astype(np.float32) / 255,
        groups=[str(n) for n in range(50)],
    )
    return Place(target=Target(pictures, [str(n) for n in range(count)], 0), old=old)


def test_steadier_and_no_worse_on_old_faces_is_accepted() -> None:
    steady, shaky = _Network(left_only=False, noise=0.02), _Network(left_only=True, noise=0.02)
    verdict = judge(steady, shaky, _place(), 0.03, draws=100)
    assert verdict.accepted, verdict.reasons
    assert ITSELF in verdict.table()


def test_steadier_but_worse_on_old_faces_is_refused() -> None:
    steady, shaky = _Network(left_only=False, noise=0.3), _Network(left_only=True, noise=0.02)
    verdict = judge(steady, shaky, _place(), 0.03, draws=100)
    assert not verdict.accepted
    assert verdict.reasons[0].startswith("on old valence may lose more than 0.03")


def test_shakier_is_refused_and_so_is_the_same() -> None:
    steady, shaky = _Network(left_only=False, noise=0.02), _Network(left_only=True, noise=0.02)
    assert not judge(shaky, steady, _place(), 0.5, draws=100).accepted
    same = judge(steady, _Network(left_only=False, noise=0.02), _place(), 0.5, draws=100)
    assert "it is not better for sure" in same.reasons[0]


# --- the whole way -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crops(draw_face: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 drawn faces in poor light."""
    folder = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(12)
    for number in range(40):
        face = draw_face(rng, rng.uniform(-0.8, 0.8), rng.uniform(0, 0.8))
        cv2.imwrite(str(folder / f"{number}.png"), (face * 0.6).astype(np.uint8)[:, :, ::-1])
    return folder


@pytest.mark.slow
def test_nothing_of_the_pictures_is_written_and_only_statistics_move(
    crops: Path, tiny_run: Path, drawn_data: Path, tmp_path: Path, convert_verb: Callable[..., Any]
) -> None:
    run = Run(tiny_run)
    graphs = run.read("backbone.tflite", "quantize"), run.read("head.tflite", "train")
    label = Label(name="tiny", version=3, created="2026-01-02")
    write_folder(assemble(*graphs, run.recipe(), label, sources=[], metrics=[]), tmp_path / "bundle")
    asked = ["adapt", "--crops", crops, "--bundle", tmp_path / "bundle", "--weights", tiny_run, "--recipe", "tiny"]
    told = convert_verb(
        *asked, "--data", drawn_data, "--out", tmp_path / "out", "--consent", "drawn by a test", "--prior", "16"
    )
    assert told.returncode in (0, 10)
    written = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    bundle = load_bundle(tmp_path / "out" / "candidate")
    assert written == {*bundle.files, "manifest.json", "backbone.npz", "head.npz", "adapt.json", "adapt.md"}
    (source,) = [each for each in bundle.manifest.sources if each.name.startswith("faces of a place")]
    assert source.origin == "drawn by a test"
    assert bundle.files["head.tflite"] == graphs[1]
    record = json.loads((tmp_path / "out" / "adapt.json").read_text())
    assert [each["name"] for each in record["contenders"]] == ["ranges", "prior 16"]
    assert record["verdict"]["accepted"] is (told.returncode == 0)
    before, after = (load_weights(folder / "backbone.npz") for folder in (tiny_run, tmp_path / "out" / "weights"))
    changed = sum(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert changed in (0, sum(a.ndim == 1 for a in before) // 2 - 1)  # ranges alone; or every mean and variance


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--crops", "crops", "--consent", "  "], "--consent is empty"),
        (["--consent", "yes"], "give --crops FOLDER or --video CLIP"),
        (["--crops", "crops", "--consent", "yes", "--replace"], "--replace needs --bundle"),
    ],
)
def test_without_consent_or_pictures_nothing_begins(
    arguments: list[str], said: str, convert_verb: Callable[..., Any]
) -> None:
    told = convert_verb("adapt", *arguments)
    assert told.returncode == 2
    assert said in told.stderr


def test_a_folder_without_pictures_and_a_missing_clip_are_named(tmp_path: Path) -> None:
    from convert.finetune.target import read_target

    with pytest.raises(DataError, match="has no pictures"):
        read_target(tmp_path, [], seed=0)
    with pytest.raises(DataError, match=r"clip\.mp4: no such video"):
        read_target(None, [tmp_path / "clip.mp4"], seed=0)


def test_a_page_without_the_marks_is_refused_before_anything_is_measured(
    tmp_path: Path, convert_verb: Callable[..., Any]
) -> None:
    (tmp_path / "page.md").write_text("# Mine\n")
    told = convert_verb("field-trial", "--write", tmp_path / "page.md")
    assert told.returncode == 2
    assert "lacks the marks" in told.stderr
