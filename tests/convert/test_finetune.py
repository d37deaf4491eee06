"""Fine-tuning: who learns and who judges, what may move, when it stops, and whom it may replace."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

from convert.errors import DataError, RefusedError
from convert.faces.finder import LabelledFace
from convert.faces.split import held_out
from convert.finetune.parts import split_faces
from convert.finetune.recipe import FinetuneRecipe
from convert.finetune.tuning import Tuned, tune_backbone
from convert.finetune.verdict import Comparison, JudgedSet, Verdict, compare_on, decide
from convert.package.packing import Label, assemble, write_folder, write_zip
from convert.predict.compare import Difference
from convert.progress import Progress
from convert.train.examples import AUXILIARY, Example
from convert.train.recipe import RECIPES, BackboneRecipe
from convert.train.run import Run
from convert.train.validation import Validation
from edge.geometry import Square
from edge.model.bundle import load_bundle
from edge.values import Float32Array, UInt8Array

NETWORK = BackboneRecipe(size=32, width=0.0625, embedding=8)
TUNING = FinetuneRecipe(epochs=2, patience=2, batch=4, learning_rate=3e-3)


def _faces(count: int, persons: int) -> list[LabelledFace]:
    rng = np.random.default_rng(0)
    return [
        LabelledFace(
            name=f"csv/{n}.png",
            source="csv",
            validation=held_out(f"person {n % persons}"),
            pixels=np.zeros((4, 4, 3), np.uint8),
            landmarks_px=np.zeros((5, 2), np.float32),
            rated=tuple(rng.uniform(-1, 1, 2).tolist()),
            group=f"person {n % persons}",
        )
        for n in range(count)
    ]


def test_no_person_is_in_two_parts_and_every_face_is_in_one() -> None:
    faces = _faces(90, 30)
    parts = split_faces(faces, FinetuneRecipe())
    persons = [{face.cluster for face in part} for part in parts[:3]]
    assert len(set.union(*persons)) == sum(map(len, persons)) == 30
    assert sum(len(part) for part in parts[:3]) == 90
    assert 20 <= len(parts.judge) <= 34
    assert len(parts.learn) > len(parts.judge) > len(parts.stop)


def test_a_new_picture_moves_nobody_between_the_judges_and_the_taught() -> None:
    first, more = (split_faces(_faces(count, 30), FinetuneRecipe()) for count in (90, 120))
    assert {face.cluster for face in first.judge} == {face.cluster for face in more.judge}


def test_judges_that_the_data_declares_are_kept() -> None:
    faces = [replace(face, validation=face.group in ("person 1", "person 2")) for face in _faces(60, 20)]
    parts = split_faces(faces, FinetuneRecipe())
    assert parts.declared
    assert {face.group for face in parts.judge} == {"person 1", "person 2"}


@pytest.mark.parametrize(
    ("faces", "said"),
    [
        (_faces(29, 29), "29 labelled faces are too few: with fewer than 30"),
        (_faces(60, 4), "60 faces of 4 persons: at least 10 persons"),
        ([replace(face, rated=(0.2, face.rated[1] if face.rated else 0)) for face in _faces(60, 30)], "same valence"),
    ],
)
def test_too_little_to_judge_by_is_refused_with_the_reason(faces: list[LabelledFace], said: str) -> None:
    with pytest.raises(DataError, match=said):
        split_faces(faces, FinetuneRecipe())


# --- training ------------------------------------------------------------------------------------------------------


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Steps run as they are written: tracing this network takes longer than the few steps a test makes."""
    from convert.networks.keras_runtime import tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def start() -> list[Float32Array]:
    from convert.networks.backbone import build_backbone
    from convert.networks.keras_runtime import seed_everything

    seed_everything(1)
    return list(build_backbone(NETWORK, blendshapes=len(AUXILIARY)).get_weights())


def _examples(count: int = 4) -> list[Example]:
    rng = np.random.default_rng(0)
    return [
        Example(
            name=f"drawn/{n}",
            pixels=rng.integers(0, 256, (48, 48, 3), dtype=np.uint8),
            square=Square(24, 24, 40, 0.1),
            va=rng.uniform(-1, 1, 2).astype(np.float32),
            blendshapes=np.zeros(len(AUXILIARY), np.float32),
        )
        for n in range(count)
    ]


def _stop(va: Float32Array | None = None) -> Validation:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    return Validation("", images, rng.uniform(-1, 1, (6, 2)).astype(np.float32) if va is None else va)


def _tune(start: list[Float32Array], folder: Path, recipe: FinetuneRecipe = TUNING, **options: object) -> Tuned:
    stop = options.pop("stop", None) or _stop()
    return tune_backbone(
        start, _examples(), [], stop, NETWORK, recipe, folder=folder, progress=Progress("test", 1), **options
    )


def _live(start: list[Float32Array], folder: Path, recipe: FinetuneRecipe = TUNING) -> list[Float32Array]:
    """The weights after the last epoch, best or not."""
    from convert.finetune import tuning

    kept: list[list[Float32Array]] = []
    measure = tuning._measure

    def watch(model: object, stop: Validation) -> dict[str, float]:
        kept.append([np.array(weight) for weight in model.get_weights()])
        return measure(model, stop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "_measure", watch)
        _tune(start, folder, recipe)
    return kept[-1]


@pytest.mark.slow
def test_what_is_unfrozen_is_the_answer_then_the_last_block_then_all() -> None:
    from convert.finetune.layers import moving_variables
    from convert.networks.backbone import build_backbone

    model = build_backbone(NETWORK, blendshapes=len(AUXILIARY))
    kernels = [variable for variable in model.trainable_variables if "conv2d" in variable.name]

    def kernels_that_move(unfreeze: str) -> list[int]:
        moving = {id(variable) for variable in moving_variables(model, unfreeze)}
        return [n for n, kernel in enumerate(kernels) if id(kernel) in moving]

    assert kernels_that_move("head") == []
    assert kernels_that_move("last") == list(range(len(kernels) - 5, len(kernels)))  # block C: 1 + 3 and the way up
    assert kernels_that_move("all") == list(range(len(kernels)))
    for unfreeze in ("head", "last", "all"):
        names = {variable.name.split("/")[0] for variable in moving_variables(model, unfreeze)}
        assert names >= {"embedding", "va"}
        assert "blendshapes" not in names


@pytest.mark.slow
def test_frozen_layers_and_statistics_stay_bit_for_bit(
    start: list[Float32Array], tmp_path: Path, eagerly: None
) -> None:
    after = _live(start, tmp_path, msgspec.structs.replace(TUNING, unfreeze="last", epochs=1))
    moved = [n for n, (a, b) in enumerate(zip(start, after, strict=True)) if not np.array_equal(a, b)]
    convolutions = [n for n, weight in enumerate(start) if weight.ndim == 4]
    first = convolutions[-5]
    assert set(convolutions[-5:]) <= set(moved)
    assert min(moved) == first
    # Of block C's 5 normalizations gamma and beta move, mean and variance do not; then embedding and answer, 2 each.
    assert len(moved) == 5 + 2 * 5 + 4


@pytest.mark.slow
def test_the_penalty_pulls_to_the_start(start: list[Float32Array], tmp_path: Path, eagerly: None) -> None:
    def distance(pull: float) -> float:
        recipe = msgspec.structs.replace(TUNING, unfreeze="head", epochs=2, pull=pull)
        after = _live(start, tmp_path / str(pull), recipe)
        return sum(float(np.sum((a - b) ** 2)) for a, b in zip(start, after, strict=True))

    assert distance(1000.0) < 0.5 * distance(0.0)


@pytest.mark.slow
def test_it_stops_when_those_it_did_not_learn_from_gain_nothing(
    start: list[Float32Array], tmp_path: Path, eagerly: None
) -> None:
    from convert.networks.backbone import build_backbone
    from convert.train.backbone import run_backbone

    model = build_backbone(NETWORK, blendshapes=len(AUXILIARY))
    model.set_weights(start)
    images = _stop().images
    both = run_backbone(model, np.concatenate([images, images[:, :, ::-1]]))["va"]
    already_right = _stop((both[:6] + both[6:]) / 2)
    recipe = msgspec.structs.replace(TUNING, unfreeze="head", epochs=30, patience=2, learning_rate=0.05)
    tuned = _tune(start, tmp_path, recipe, stop=already_right)
    assert tuned.ended
    assert tuned.best == 0
    assert len(tuned.history) == 2
    for a, b in zip(tuned.weights, start, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_an_interrupted_fine_tuning_ends_as_one_that_was_not(
    start: list[Float32Array], tmp_path: Path, eagerly: None
) -> None:
    recipe = msgspec.structs.replace(TUNING, unfreeze="head", epochs=2, patience=5)
    whole = _tune(start, tmp_path / "whole", recipe)
    half = _tune(start, tmp_path / "parts", recipe, stop_after=1)
    assert (half.ended, len(half.history)) == (False, 1)
    resumed = _tune(start, tmp_path / "parts", recipe)
    assert (resumed.best, resumed.ended) == (whole.best, True)
    assert [r["stop_loss"] for r in resumed.history] == [r["stop_loss"] for r in whole.history]
    for a, b in zip(resumed.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_head_whose_readout_moved_is_one_that_began_with_the_new_readout(start: list[Float32Array]) -> None:
    from convert.finetune.heads import move_readout
    from convert.networks.lstm_head import LstmHead

    tiny = RECIPES["tiny"]
    rng = np.random.default_rng(0)
    head = LstmHead(8, tiny.head)
    embeddings = rng.normal(size=(5, 8)).astype(np.float32)
    before = rng.normal(size=(8, 2)).astype(np.float32), rng.normal(size=2).astype(np.float32)
    after = before[0] + 0.1, before[1] - 0.2
    head.start_from(embeddings * 3 + 1, *before)
    moved = move_readout(head.get_weights(), before, after, tiny)
    head.start_from(embeddings * 3 + 1, *after)
    for found, wanted in zip(moved, head.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_head_that_was_changed_more_must_serve_better_to_be_taken() -> None:
    from convert.finetune.heads import KEPT, MOVED, REFITTED, choose_head

    rated = np.random.default_rng(0).uniform(-1, 1, (40, 2)).astype(np.float32)
    noise = np.random.default_rng(1).normal(size=(40, 2)).astype(np.float32)
    kept, barely, better = rated + 0.3 * noise, rated + 0.299 * noise, rated + 0.1 * noise
    assert choose_head({KEPT: kept, MOVED: barely, REFITTED: barely}, rated)[0] == KEPT
    assert choose_head({KEPT: kept, MOVED: better, REFITTED: better}, rated)[0] == MOVED
    assert choose_head({KEPT: kept, MOVED: barely, REFITTED: better}, rated)[0] == REFITTED


# --- verdict -------------------------------------------------------------------------------------------------------


class _Fake:
    """A device that says the planted answer of each face; a face is known by its first pixel."""

    def __init__(self, answers: Float32Array) -> None:
        self._answers = answers

    def answer(self, image: UInt8Array) -> Float32Array:
        return np.stack([self._answers[image[0, 0, 0]]] * 2)


def _compare(candidate: float, bundle: float, data: str, count: int = 80) -> Comparison:
    """How a candidate with so much noise in its answers compares with a bundle that has so much."""
    rng = np.random.default_rng(5)
    rated = rng.uniform(-1, 1, (count, 2)).astype(np.float32)
    images = np.repeat(np.arange(count, dtype=np.uint8), 12).reshape(count, 2, 2, 3)
    ours, other = (
        _Fake(rated + noise * rng.normal(size=rated.shape).astype(np.float32)) for noise in (candidate, bundle)
    )
    judged = JudgedSet(data=data, images=images, rated=rated, groups=[f"p{n // 2}" for n in range(count)])
    return compare_on(judged, ours, other, draws=300)


def test_better_on_new_and_as_good_on_old_is_accepted() -> None:
    verdict = decide(_compare(0.1, 0.12, "old"), _compare(0.1, 0.7, "new"), 0.03)
    assert verdict.accepted
    assert "| new, stream | valence | 80 in 40 groups |" in verdict.table()


def test_worse_on_old_is_refused_however_good_on_new() -> None:
    verdict = decide(_compare(0.5, 0.1, "old"), _compare(0.1, 0.7, "new"), 0.03)
    assert not verdict.accepted
    assert verdict.reasons[0].startswith("on old valence may lose more than 0.03: -")
    assert all("on new" not in reason for reason in verdict.reasons)


def test_a_tolerance_that_covers_the_loss_accepts_it() -> None:
    assert decide(_compare(0.5, 0.1, "old"), _compare(0.1, 0.7, "new"), 0.5).accepted


def test_no_better_on_new_is_refused() -> None:
    verdict = decide(_compare(0.1, 0.12, "old"), _compare(0.3, 0.3, "new"), 0.03)
    assert not verdict.accepted
    assert "it is not better for sure" in verdict.reasons[0]


def test_an_old_set_too_small_to_tell_refuses() -> None:
    verdict = decide(_compare(0.3, 0.3, "old", count=8), _compare(0.1, 0.7, "new"), 0.03)
    assert not verdict.accepted


def test_without_old_data_nothing_is_accepted() -> None:
    verdict = decide(None, _compare(0.1, 0.7, "new"), 0.03)
    assert not verdict.accepted
    assert "old data is not at hand" in verdict.reasons[0]


def test_one_targets_gain_does_not_pay_for_the_others_loss() -> None:
    gain = Difference(items=50, groups=50, ours=0.9, other=0.5, difference=0.4, low=0.3, high=0.5)
    loss = gain._replace(difference=-0.1, low=-0.2, high=0.02)
    new = Comparison(data="new", by_answer={"stream": {"valence": gain, "arousal": loss}}, agreement={})
    verdict: Verdict = decide(_compare(0.1, 0.12, "old"), new, 0.03)
    assert verdict.reasons == ["on new arousal lost more than 0.03: -0.100 [-0.200, +0.020], n = 50"]


# --- the whole way -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labels(draw_face: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 drawn faces of 36 persons, rated by what was drawn."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(11)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "valence", "arousal"])
        for number in range(36):
            smile, opened = rng.uniform(-0.8, 0.8), rng.uniform(0, 0.8)
            cv2.imwrite(str(folder / f"{number}.png"), draw_face(rng, smile, opened)[:, :, ::-1])
            writer.writerow([f"{number}.png", round(smile, 2), round(opened, 2)])
    declared = {"name": "Drawn shop", "licence": "CC0-1.0", "origin": "drawn by a test"}
    (folder / "labels.source.json").write_text(json.dumps(declared))
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def tiny_bundle(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run as a bundle of its own."""
    run = Run(tiny_run)
    graphs = run.read("backbone.tflite", "quantize"), run.read("head.tflite", "train")
    label = Label(name="tiny", version=3, created="2026-01-02")
    folder = tmp_path_factory.mktemp("tiny") / "bundle"
    write_folder(assemble(*graphs, run.recipe(), label, sources=[], metrics=[]), folder)
    return folder


@pytest.mark.slow
def test_a_candidate_lies_beside_the_bundle_it_may_not_replace(
    labels: Path,
    tiny_run: Path,
    tiny_bundle: Path,
    drawn_data: Path,
    tmp_path: Path,
    convert_verb: Callable[..., Any],
) -> None:
    before = load_bundle(tiny_bundle).sha256
    asked = ["finetune", "--csv", labels, "--bundle", tiny_bundle, "--weights", tiny_run, "--recipe", "tiny"]
    told = convert_verb(*asked, "--data", drawn_data, "--out", tmp_path, "--epochs", "2", "--replace")
    assert (told.returncode, load_bundle(tiny_bundle).sha256) == (10, before)
    assert "refused, nothing was replaced" in told.stderr
    candidate = load_bundle(tmp_path / "candidate").manifest
    assert (candidate.name, candidate.version) == ("tiny", 4)
    assert "Drawn shop" in {source.name for source in candidate.sources}
    assert {metric.data for metric in candidate.metrics} == {
        "DiffusionFER-S, held-out part",
        "the new data, judges' part",
    }
    record = json.loads((tmp_path / "finetune.json").read_text())
    assert record["verdict"]["accepted"] is False
    assert record["rehearsed"] is True
    assert "Fine-tuning: refused" in (tmp_path / "finetune.md").read_text()
    assert (tmp_path / "finetune.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "weights" / "backbone.npz").is_file()
    again = convert_verb(*asked, "--data", drawn_data, "--out", tmp_path, "--epochs", "3")
    assert again.returncode == 2
    assert "holds a fine-tuning of other data, bundle or options" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [False, True])
def test_an_accepted_candidate_takes_the_bundles_place_and_a_refused_one_does_not(
    zipped: bool, tiny_bundle: Path, tiny_run: Path, tmp_path: Path
) -> None:
    from convert.commands.replacement import Replacement

    place = tmp_path / ("bundle.zip" if zipped else "bundle")
    write_folder(load_bundle(tiny_bundle), tmp_path / "bundle")
    if zipped:
        write_zip(tmp_path / "bundle", place)
    run = Run(tiny_run)
    graphs = run.read("backbone.tflite", "quantize"), run.read("head.tflite", "train")
    label = Label(name="tiny", version=4, created="2026-01-03")
    candidate = assemble(*graphs, run.recipe(), label, sources=[], metrics=[])
    (tmp_path / "page.md").write_text("# A page\n")
    replacement = Replacement.plan(place, None, replace=True)
    refused, accepted = Verdict(accepted=False, reasons=["worse"]), Verdict(accepted=True, reasons=["better"])
    with pytest.raises(RefusedError, match="nothing was replaced: worse"):
        replacement.conclude(refused, candidate, tmp_path / "candidate", tmp_path / "page.md")
    assert load_bundle(place).manifest.version == 3
    replacement.conclude(accepted, candidate, tmp_path / "candidate", tmp_path / "page.md")
    assert load_bundle(place).manifest.version == 4
    assert not (tmp_path / "bundle.zip.folder").exists()


@pytest.mark.slow
def test_a_signed_bundle_is_not_replaced_by_an_unsigned_one(tiny_bundle: Path) -> None:
    from convert.commands.replacement import Replacement

    signed = replace(load_bundle(tiny_bundle), signature=bytes(64))
    with pytest.raises(DataError, match="is signed"):
        Replacement.plan(tiny_bundle, None, replace=True).check(signed)
    Replacement.plan(tiny_bundle, None, replace=False).check(signed)


@pytest.mark.slow
def test_a_malformed_label_is_named_by_file_and_line(
    labels: Path, finder: object, tmp_path: Path, convert_verb: Callable[..., Any]
) -> None:
    bad = tmp_path / "labels.csv"
    bad.write_text("image,valence,arousal\n" + f"{labels.parent / '0.png'},0.1,2.5\n")
    (tmp_path / "labels.source.json").write_text(labels.with_suffix(".source.json").read_text())
    told = convert_verb("finetune", "--csv", bad, "--out", tmp_path / "out")
    assert told.returncode == 2
    assert f"{bad}:2" in told.stderr
    assert "arousal" in told.stderr


@pytest.mark.slow
def test_weights_of_another_bundle_are_refused(
    labels: Path, tiny_run: Path, tiny_bundle: Path, tmp_path: Path, convert_verb: Callable[..., Any]
) -> None:
    from convert.train.run import load_weights, save_weights

    (tmp_path / "weights").mkdir()
    turned = [-weight if weight.shape == (8, 2) else weight for weight in load_weights(tiny_run / "backbone.npz")]
    turned = [weight + 1 if weight.shape == (2,) else weight for weight in turned]
    save_weights(tmp_path / "weights" / "backbone.npz", turned)
    save_weights(tmp_path / "weights" / "head.npz", load_weights(tiny_run / "head.npz"))
    asked = ["finetune", "--csv", labels, "--bundle", tiny_bundle, "--recipe", "tiny", "--out", tmp_path / "out"]
    told = convert_verb(*asked, "--weights", tmp_path / "weights", "--data", tmp_path)
    assert told.returncode == 2
    assert "not those of the bundle tiny 3" in told.stderr


def test_the_shipped_bundle_is_never_written_over(convert_verb: Callable[..., Any], tmp_path: Path) -> None:
    told = convert_verb("finetune", "--csv", tmp_path / "none.csv", "--replace")
    assert told.returncode == 2
    assert "--replace needs --bundle" in told.stderr
