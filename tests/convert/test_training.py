"""Training repeats itself: interrupted and resumed, it ends as it would have."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.augment.augmentation import render
from convert.errors import TrainingError
from convert.progress import Progress
from convert.train.examples import AUXILIARY, Batch, Example, batches, epoch_examples
from convert.train.own_labels import LOOKS, share_labels
from convert.train.recipe import BackboneRecipe, HeadRecipe
from convert.train.run import Run, save_weights
from convert.train.sequences import Scene, Sequences, hold_face, make_sequences, take_in_store
from convert.train.stages import record_data
from edge.geometry import Square
from edge.values import Embedding

BACKBONE = BackboneRecipe(size=32, width=0.0625, embedding=8, epochs=2, batch=4)
HEAD = HeadRecipe(units=8, stills=6, steps=12, truncate=6, batch=2, epochs=2, warmup_steps=4)


def _examples(count: int = 8) -> list[Example]:
    rng = np.random.default_rng(0)
    return [
        Example(
            name=f"drawn/{n}",
            pixels=rng.integers(0, 256, (48, 48, 3), dtype=np.uint8),
            square=Square(24, 24, 40, 0.1),
            va=rng.uniform(-1, 1, 2).astype(np.float32),
            blendshapes=rng.uniform(0, 1, len(AUXILIARY)).astype(np.float32),
        )
        for n in range(count)
    ]


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Steps run as they are written: tracing this network takes longer than the few steps a test makes."""
    from convert.networks.keras_runtime import tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def _progress() -> Progress:
    return Progress("test", 1)


def _mean_embedding(crop: np.ndarray) -> Embedding:
    mean = crop.mean(axis=(0, 1)).astype(np.float32) / 255
    return Embedding(track_id=0, captured_ns=0, vector=mean, va=mean[:2])


def test_an_epochs_batches_depend_on_seed_and_epoch_alone() -> None:
    def images(epoch: int) -> np.ndarray:
        return np.stack([b.images for b in batches(_examples(), size=32, batch=4, seed=1, epoch=epoch)])

    assert np.array_equal(images(0), images(0))
    assert not np.array_equal(images(0), images(1))


def test_fewer_faces_than_a_batch_are_refused() -> None:
    with pytest.raises(TrainingError, match="3 faces to learn from are fewer than one batch of 4"):
        next(batches(_examples(3), size=32, batch=4, seed=1, epoch=0))


def test_so_many_faces_of_a_batch_have_their_mouth_covered() -> None:
    def batch(covered: float) -> Batch:
        return next(batches(_examples(), size=64, batch=8, seed=1, epoch=0, covered=covered))

    covered, open_ = batch(0.5), batch(0.0)
    assert covered.covered.tolist() == [True] * 4 + [False] * 4
    assert not open_.covered.any()
    changed = np.abs(covered.images.astype(int) - open_.images).mean(axis=3) > 20
    assert not changed[4:].any()
    mouth = changed[:4, 38:48, 24:40].mean(axis=(1, 2))  # where the crop's rule puts the mouth
    assert (mouth > 0.05).all()
    assert (mouth > 0.5).sum() >= 3  # a thing may be as dark as the face


def _scenes() -> list[Callable[[], Scene]]:
    return [partial(hold_face, e.pixels, e.square, e.va, 12) for e in _examples()]


def test_sequences_repeat_and_carry_the_scenes_truth() -> None:
    made = [
        make_sequences(_scenes(), _mean_embedding, take_in_store, size=32, seed=4, advance=lambda: None)
        for _ in range(2)
    ]
    assert np.array_equal(made[0].embeddings, made[1].embeddings)
    assert made[0].embeddings.shape == (8, 12, 3)
    assert made[0].frame.shape == made[0].va.shape == (8, 12, 2)
    assert np.array_equal(made[0].va[:, 5], np.stack([e.va for e in _examples()]))


def test_a_missing_step_holds_the_last_embedding() -> None:
    crops = [None, np.full((4, 4, 3), 51, np.uint8), None, np.full((4, 4, 3), 102, np.uint8)]
    scene = Scene(lambda _: None, Square(0, 0, 1, 0), np.zeros((4, 2), np.float32))
    made = make_sequences(
        [lambda: scene], _mean_embedding, lambda *_: iter(crops), size=4, seed=0, advance=lambda: None
    )
    np.testing.assert_allclose(made.embeddings[0, :, 0], [0.2, 0.2, 0.2, 0.4], atol=1e-6)


def test_each_epoch_takes_other_made_faces_and_all_of_the_datas_own() -> None:
    own, made = _examples(4), [replace(e, name=f"made/{n}") for n, e in enumerate(_examples(10))]
    first, second = (epoch_examples(own, made, 1.5, epoch) for epoch in (0, 1))
    assert [e.name for e in first[:4]] == [e.name for e in own]
    assert len(first) == 10
    assert not {e.name for e in first[4:]} & {e.name for e in second[4:8]}


@pytest.mark.slow
def test_an_interrupted_backbone_training_ends_as_one_that_was_not(tmp_path: Path, eagerly: None) -> None:
    from convert.train.backbone import train_backbone

    def train(folder: str, **options: int) -> list[np.ndarray]:
        weights, _ = train_backbone(
            _examples(), [], [], BACKBONE, folder=tmp_path / folder, seed=3, progress=_progress(), **options
        )
        return weights

    whole = train("whole")
    half = train("parts", stop_after=1)
    resumed = train("parts")
    assert any(not np.array_equal(a, b) for a, b in zip(half, whole, strict=True))
    for a, b in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_an_interrupted_head_training_ends_as_one_that_was_not(tmp_path: Path, eagerly: None) -> None:
    from convert.train.head import train_head

    rng = np.random.default_rng(0)
    sequences = Sequences(
        rng.normal(size=(6, 12, 5)).astype(np.float32), *rng.uniform(-1, 1, (2, 6, 12, 2)).astype(np.float32)
    )
    readout = np.zeros((5, 2), np.float32), np.zeros(2, np.float32)

    def train(folder: str, **options: int) -> list[np.ndarray]:
        weights, _ = train_head(
            sequences, readout, HEAD, held={}, folder=tmp_path / folder, seed=3, progress=_progress(), **options
        )
        return weights

    whole = train("whole")
    train("parts", stop_after=1)
    for a, b in zip(train("parts"), whole, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    from convert.train.backbone import train_backbone

    with pytest.raises(TrainingError, match="of another network"):
        train_backbone(
            _examples(),
            [],
            [],
            BACKBONE,
            folder=tmp_path,
            seed=3,
            progress=_progress(),
            start=[np.zeros((2, 2), np.float32)],
        )


def test_labels_that_no_rater_gave_are_shared_with_the_networks_own_answers() -> None:
    examples = [replace(example, rated=number < 2) for number, example in enumerate(_examples(4))]
    examples[3] = replace(examples[3], va=np.array([0.0, 0.5], np.float32))

    def answer(crops: np.ndarray) -> np.ndarray:
        left = crops[:, :, : crops.shape[2] // 2].mean(axis=(1, 2, 3)) / 255  # another answer to the mirror image
        return np.stack([left, np.full(len(crops), -3)], axis=1).astype(np.float32)

    shared = share_labels(examples, answer, 0.25, 32)
    assert [mine is theirs for mine, theirs in zip(shared, examples, strict=True)] == [True, True, False, False]
    crops = [render(examples[3].pixels, examples[3].square, look, 32) for look in LOOKS]
    assert not np.array_equal(*crops)
    np.testing.assert_allclose(shared[3].va, [0.25 * np.mean(crops) / 255, 0.75 * 0.5 - 0.25], atol=1e-3)
    assert share_labels([], answer, 0.25, 32) == []


@pytest.mark.slow
def test_a_wider_network_begins_by_answering_as_the_narrower_one_does() -> None:
    from convert.networks.backbone import build_backbone
    from convert.networks.widen import widen
    from convert.train.backbone import run_backbone

    def build(width: float) -> Any:
        return build_backbone(BackboneRecipe(size=48, width=width, embedding=8), blendshapes=3)

    rng = np.random.default_rng(4)
    narrow, wide = build(0.25), build(0.5)
    narrow.set_weights([rng.uniform(0.5, 1, w.shape) if w.ndim == 1 else w for w in narrow.get_weights()])
    wide.set_weights(widen(narrow.get_weights(), wide, seed=1))
    images = rng.integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)
    for name, answer in run_backbone(narrow, images).items():
        np.testing.assert_allclose(run_backbone(wide, images)[name], answer, rtol=1e-3, atol=1e-4)
    second = wide.get_weights()[5]  # of the second convolution: what reads two copies of one channel
    assert second.ndim == 4
    assert (second[:, :, 0] != second[:, :, 1]).any()
    with pytest.raises(TrainingError, match="does not widen"):
        widen(narrow.get_weights(), build(0.375), seed=1)


@pytest.mark.slow
def test_the_ccc_loss_is_one_minus_the_metric() -> None:
    from convert.metrics import ccc
    from convert.train.losses import ccc_loss

    rng = np.random.default_rng(2)
    target = rng.uniform(-1, 1, (64, 2)).astype(np.float32)
    answer = (0.5 * target + rng.normal(0, 0.2, (64, 2))).astype(np.float32)
    wanted = 1 - np.mean([ccc(target[:, t], answer[:, t]) for t in range(2)])
    assert float(ccc_loss(target, answer)) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.slow
def test_covered_faces_have_a_loss_of_their_own() -> None:
    from convert.networks.keras_runtime import tf
    from convert.train.losses import ccc_loss, covered_loss, squared_loss

    rng = np.random.default_rng(2)
    target, answer = (rng.uniform(-1, 1, (8, 2)).astype(np.float32) for _ in range(2))
    weight = rng.uniform(0.5, 1, 8).astype(np.float32)
    covered = np.arange(8) < 2

    def loss(rows: np.ndarray) -> float:
        parts = target[rows], answer[rows], weight[rows]
        return float(ccc_loss(*parts) + 2 * squared_loss(*parts))

    def whole(covered: np.ndarray) -> float:
        return float(covered_loss(*map(tf.constant, (target, answer, weight, covered))))

    assert whole(covered) == pytest.approx(0.25 * loss(covered) + 0.75 * loss(~covered), abs=1e-4)
    assert whole(np.zeros(8, bool)) == pytest.approx(loss(np.ones(8, bool)), abs=1e-4)


def test_a_later_stage_keeps_the_record_of_the_weights_that_a_run_began_with(tmp_path: Path) -> None:
    (tmp_path / "data" / "sfhq").mkdir(parents=True)
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    start = tmp_path / "start.npz"
    save_weights(start, [np.zeros((2, 2), np.float32)])

    def recorded(weights: Path | None) -> dict[str, str]:
        record_data(run, tmp_path / "data", 3, weights)
        return dict(run.read_json("data.json", "train")["sha256"])

    assert "start" not in recorded(None)
    began = recorded(start)
    assert began["start"] == hashlib.sha256(start.read_bytes()).hexdigest()
    assert recorded(None) == began
