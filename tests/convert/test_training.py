"""What the network learns from, its losses, and that an interrupted training ends as it would have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from convert.errors import TrainingError
from convert.train.batches import TrainingFaces, batches, draw_epoch, loose_square
from convert.train.recipe import BackbonePhase, BackboneRecipe, HeadPhase, HeadRecipe, Labels, Targets
from convert.train.sequences import Scene, Sequences, hold_face, make_sequences, take_in_store
from convert.train.targets import AUXILIARY, AUXILIARY_NAMES, MIRRORED_POINTS, MIRRORED_SHAPES, POINTS, rarity
from edge.geometry import Square
from edge.values import Embedding

NETWORK = BackboneRecipe(size=32, width=0.0625, embedding=8)
PHASE = BackbonePhase(name="backbone", epochs=2, batch=4, measure_every=1)
HEAD = HeadRecipe(units=8, stills=6, steps=12, warmup_steps=4)
HEAD_PHASE = HeadPhase(epochs=2, batch=2, truncate=6)


def _faces(count: int = 8, side: int = 54) -> TrainingFaces:
    rng = np.random.default_rng(0)
    return TrainingFaces(
        loose=list(rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)),
        va=rng.uniform(-1, 1, (count, 2)).astype(np.float32),
        weight=np.ones(count, np.float32),
        expression=(np.arange(count) % 2).astype(np.int32),
        blendshapes=rng.uniform(0, 1, (count, len(AUXILIARY))).astype(np.float32),
        points=rng.uniform(-0.4, 0.4, (count, len(POINTS), 2)).astype(np.float32),
        extra=np.zeros(count, bool),
        portrait=np.ones(count, bool),
    )


def test_an_epochs_batches_depend_on_seed_and_epoch_alone() -> None:
    def images(epoch: int) -> np.ndarray:
        return np.stack([b.images for b in batches(_faces(), PHASE, size=32, seed=1, epoch=epoch)])

    assert np.array_equal(images(0), images(0))
    assert not np.array_equal(images(0), images(1))


def test_fewer_faces_than_a_batch_are_refused() -> None:
    with pytest.raises(TrainingError, match="3 faces to learn from are fewer than one batch of 4"):
        next(batches(_faces(3), PHASE, size=32, seed=1, epoch=0))


@pytest.mark.parametrize("extra", [False, True])
def test_a_table_sorted_by_class_is_not_fed_one_class_at_a_time(extra: bool) -> None:
    faces = replace(_faces(80), expression=np.repeat(np.arange(4), 20).astype(np.int32))
    if extra:  # as where the kit's faces are learned from besides one's own
        faces = replace(faces, extra=np.arange(80) >= 4)
    phase = msgspec.structs.replace(PHASE, extra=5.0)
    for epoch in range(3):
        rows = draw_epoch(faces, phase, 1, epoch)
        assert all(len(set(faces.expression[rows[at : at + 10]])) >= 3 for at in range(0, len(rows) - 9, 10))


def test_each_epoch_takes_other_extra_faces_and_all_of_the_others() -> None:
    faces = replace(_faces(14), extra=np.arange(14) >= 4)
    first, second = (set(draw_epoch(faces, msgspec.structs.replace(PHASE, extra=1.25), 1, e)) for e in (0, 1))
    assert {0, 1, 2, 3} <= first & second
    assert len(first) == len(second) == 9
    assert first & second == {0, 1, 2, 3}


def test_rare_expressions_are_drawn_more_often_in_the_balanced_share() -> None:
    shapes = np.zeros((200, len(AUXILIARY)), np.float32)
    shapes[:5, AUXILIARY_NAMES.index("jawOpen")] = 0.8
    chance = rarity(shapes, np.full(len(AUXILIARY), 0.1, np.float32))
    assert chance[:5].min() > 10 * chance[5:].max()
    faces = replace(_faces(200), blendshapes=shapes)
    rows = draw_epoch(faces, msgspec.structs.replace(PHASE, balance=0.5), 1, 0)
    assert np.mean(rows < 5) > 0.25


def test_so_many_faces_of_a_batch_have_their_mouth_covered() -> None:
    def batch(covered: float) -> Any:
        phase = msgspec.structs.replace(PHASE, batch=8, covered=covered)
        return next(batches(_faces(side=108), phase, size=64, seed=1, epoch=0))

    assert batch(0.5).covered.tolist() == [True] * 4 + [False] * 4
    assert not batch(0.0).covered.any()


def test_landmarks_and_blendshapes_are_those_that_the_augmented_picture_shows() -> None:
    side, lid, jaw = 224, int(np.flatnonzero(POINTS == 33)[0]), AUXILIARY_NAMES.index("jawLeft")
    place = np.zeros((len(POINTS), 2), np.float32)
    place[lid] = (-0.2, -0.1)
    square = loose_square(side)
    picture = np.full((side, side, 3), 60, np.uint8)
    x, y = (round(square.center_x + c * square.side) for c in place[lid])
    picture[y - 4 : y + 5, x - 4 : x + 5] = 255
    shapes = np.zeros((1, len(AUXILIARY)), np.float32)
    shapes[0, jaw] = 1
    faces = replace(_faces(1), loose=[picture], blendshapes=shapes, points=place[None])
    phase = msgspec.structs.replace(PHASE, batch=1, covered=0.0)
    flips, errors = 0, []
    for epoch in range(40):
        (batch,) = batches(faces, phase, size=112, seed=3, epoch=epoch)
        flipped = bool(batch.blendshapes[0, jaw] == 0)
        assert batch.blendshapes[0, MIRRORED_SHAPES[jaw]] == flipped
        flips += flipped
        said = batch.points.reshape(len(POINTS), 2)[MIRRORED_POINTS[lid] if flipped else lid]
        bright = batch.images[0].astype(float).sum(axis=2)
        if bright.max() < 1.5 * np.median(bright):  # covered, or too dark to see
            continue
        seen = np.argwhere(bright > (bright.max() + np.median(bright)) / 2).mean(axis=0)[::-1]
        errors.append(np.abs((seen - 55.5) / 112 - said).max())
    assert 10 < flips < 30
    assert len(errors) > 20
    assert np.median(errors) < 0.01


def test_points_and_blendshapes_swap_sides_in_a_mirror() -> None:
    assert len(POINTS) == len(set(POINTS.tolist())) == 72
    assert np.array_equal(MIRRORED_POINTS[MIRRORED_POINTS], np.arange(72))
    assert AUXILIARY_NAMES[MIRRORED_SHAPES[AUXILIARY_NAMES.index("mouthSmileLeft")]] == "mouthSmileRight"
    assert MIRRORED_SHAPES[AUXILIARY_NAMES.index("jawOpen")] == AUXILIARY_NAMES.index("jawOpen")


def _scenes() -> list[Callable[[], Scene]]:
    faces = _faces()
    return [partial(hold_face, each, loose_square(54), va, 12) for each, va in zip(faces.loose, faces.va, strict=True)]


def _mean_embedding(crop: np.ndarray, _: int) -> Embedding:
    mean = crop.mean(axis=(0, 1)).astype(np.float32) / 255
    return Embedding(track_id=0, captured_ns=0, vector=mean, va=mean[:2])


def test_sequences_repeat_and_carry_the_scenes_truth() -> None:
    made = [
        make_sequences(_scenes(), _mean_embedding, take_in_store, size=32, seed=4, advance=lambda: None)
        for _ in range(2)
    ]
    assert np.array_equal(made[0].embeddings, made[1].embeddings)
    assert made[0].embeddings.shape == (8, 12, 3)
    assert np.array_equal(made[0].va[:, 5], _faces().va)


def test_a_missing_step_holds_the_last_embedding() -> None:
    crops = [None, np.full((4, 4, 3), 51, np.uint8), None, np.full((4, 4, 3), 102, np.uint8)]
    scene = Scene(lambda _: None, Square(0, 0, 1, 0), np.zeros((4, 2), np.float32))
    made = make_sequences(
        [lambda: scene], _mean_embedding, lambda *_: iter(crops), size=4, seed=0, advance=lambda: None
    )
    np.testing.assert_allclose(made.embeddings[0, :, 0], [0.2, 0.2, 0.2, 0.4], atol=1e-6)


def _train(folder: Path, phase: BackbonePhase = PHASE, faces: TrainingFaces | None = None, **options: Any) -> Any:
    from convert.train.backbone import BackboneLearner, Dev
    from convert.train.trainer import train

    stop_after = options.pop("stop_after", None)
    own = faces or _faces()
    rng = np.random.default_rng(2)
    dev = Dev("", rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8), rng.uniform(-1, 1, (6, 2)).astype(np.float32))
    learner = BackboneLearner(NETWORK, phase, own, [dev], seed=3, **options)
    return train(learner, phase, folder=folder, stop_after=stop_after), learner


@pytest.mark.slow
@pytest.mark.parametrize("targets", [Targets(), Targets(consistency=0.5, landmarks=0.0)])
def test_an_interrupted_backbone_training_ends_as_one_that_was_not(
    targets: Targets, tmp_path: Path, eagerly: None
) -> None:
    phase = msgspec.structs.replace(PHASE, targets=targets)
    whole, learner = _train(tmp_path / "whole", phase)
    half, _ = _train(tmp_path / "parts", phase, stop_after=1)
    resumed, again = _train(tmp_path / "parts", phase)
    assert (half.ended, resumed.ended) == (False, True)
    assert any(not np.array_equal(a, b) for a, b in zip(half.weights, whole.weights, strict=True))
    for a, b in zip(resumed.weights + again.landmarks(), whole.weights + learner.landmarks(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [r["epoch"] for r in resumed.history] == [0, 1, 2]


@pytest.mark.slow
def test_an_interrupted_head_training_ends_as_one_that_was_not(tmp_path: Path, eagerly: None) -> None:
    from convert.train.head import HeadLearner
    from convert.train.trainer import train

    rng = np.random.default_rng(0)
    sequences = Sequences(
        rng.normal(size=(6, 12, 5)).astype(np.float32), *rng.uniform(-1, 1, (2, 6, 12, 2)).astype(np.float32)
    )
    readout = np.zeros((5, 2), np.float32), np.zeros(2, np.float32)

    def trained(folder: str, stop_after: int | None = None) -> list[np.ndarray]:
        learner = HeadLearner(HEAD, HEAD_PHASE, sequences, readout, {"": sequences}, seed=3)
        return learner.settle(train(learner, HEAD_PHASE, folder=tmp_path / folder, stop_after=stop_after).weights)

    whole = trained("whole")
    trained("parts", 1)
    for a, b in zip(trained("parts"), whole, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_with_patience_the_best_epochs_weights_are_kept_and_the_start_counts(tmp_path: Path, eagerly: None) -> None:
    from convert.networks.backbone import build_backbone

    start = build_backbone(NETWORK, blendshapes=len(AUXILIARY)).get_weights()
    wild = msgspec.structs.replace(PHASE, epochs=6, patience=2, learning_rate=5.0, warmup=0.0, average=0.0)
    found, _ = _train(tmp_path / "wild", wild, start=start)
    assert found.ended
    losses = [record["dev_loss"] for record in found.history]
    assert found.best == int(np.argmin(losses))
    assert len(losses) == min(found.best + 2, 6) + 1
    if found.best == 0:
        for a, b in zip(found.weights, start, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_frozen_layers_and_their_statistics_stay_and_faces_without_landmarks_teach_only_affect(
    tmp_path: Path, eagerly: None
) -> None:
    from convert.networks.backbone import build_backbone

    faces = _faces()
    faces = replace(
        faces, blendshapes=np.full_like(faces.blendshapes, np.nan), points=np.full_like(faces.points, np.nan)
    )
    start = build_backbone(NETWORK, blendshapes=len(AUXILIARY)).get_weights()
    found, learner = _train(tmp_path, msgspec.structs.replace(PHASE, layers="last", pull=0.01), faces, start=start)
    assert all(np.isfinite(weight).all() for weight in found.weights)
    assert learner.extra == []
    moved = [n for n, (a, b) in enumerate(zip(start, found.weights, strict=True)) if not np.array_equal(a, b)]
    convolutions = [n for n, weight in enumerate(start) if weight.ndim == 4]
    assert set(convolutions[-6:]) <= set(moved)
    assert min(moved) == convolutions[-6]
    # Of 6 normalizations gamma and beta move, mean and variance do not; then embedding and answer, 2 each.
    assert len(moved) == 6 + 2 * 6 + 4


@pytest.mark.slow
def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="of another network"):
        _train(tmp_path, start=[np.zeros((2, 2), np.float32)])


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
def test_a_network_of_another_picture_size_begins_nearly_where_the_first_one_ended() -> None:
    from convert.networks.backbone import build_backbone
    from convert.networks.widen import widen
    from convert.train.backbone import run_backbone

    large, small = (build_backbone(BackboneRecipe(size=size, embedding=8), blendshapes=3) for size in (112, 96))
    small.set_weights(widen(large.get_weights(), small, seed=1))
    flat = [np.full((1, size, size, 3), 200, np.uint8) for size in (112, 96)]
    one, two = (run_backbone(net, images)["embedding"] for net, images in zip((large, small), flat, strict=True))
    assert np.corrcoef(one[0], two[0])[0, 1] > 0.7
    fewer = build_backbone(BackboneRecipe(size=96, embedding=6), blendshapes=3)
    with pytest.raises(TrainingError, match="does not widen"):
        widen(large.get_weights(), fewer, seed=1)


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
    from convert.train.losses import affect_loss, covered_loss

    rng = np.random.default_rng(2)
    target, answer = (rng.uniform(-1, 1, (8, 2)).astype(np.float32) for _ in range(2))
    weight = rng.uniform(0.5, 1, 8).astype(np.float32)
    covered = np.arange(8) < 2

    def whole(covered: np.ndarray) -> float:
        return float(covered_loss(*map(tf.constant, (target, answer, weight, covered))))

    def loss(rows: np.ndarray) -> float:
        return float(affect_loss(target[rows], answer[rows], weight[rows]))

    assert whole(covered) == pytest.approx(0.25 * loss(covered) + 0.75 * loss(~covered), abs=1e-4)
    assert whole(np.zeros(8, bool)) == pytest.approx(loss(np.ones(8, bool)), abs=1e-4)


@pytest.mark.slow
def test_an_answer_that_knows_only_the_class_pays_in_full_within_the_classes() -> None:
    from convert.train.losses import ccc_loss, within_loss

    rng = np.random.default_rng(2)
    classes = np.repeat(np.arange(3), 20).astype(np.int32)
    target = (np.array([-0.7, 0.0, 0.7])[classes][:, None] + rng.normal(0, 0.1, (60, 2))).astype(np.float32)
    class_means = np.stack([target[classes == number].mean(axis=0) for number in range(3)])[classes]
    weight = np.ones(60, np.float32)
    assert float(ccc_loss(target, class_means)) < 0.05
    assert float(within_loss(target, class_means, weight, classes, 3)) == pytest.approx(1.0, abs=0.01)
    assert float(within_loss(target, target, weight, classes, 3)) == pytest.approx(0.0, abs=0.01)
    assert float(within_loss(target[:3], target[:3], weight[:3], classes[:3], 3)) == 0.0  # too few of any class


@pytest.mark.slow
def test_the_blendshape_loss_does_not_collapse_to_the_median() -> None:
    from convert.networks.keras_runtime import tf
    from convert.train.losses import huber_loss

    rng = np.random.default_rng(0)
    jaw = np.where(rng.random(2000) < 0.1, rng.uniform(0.3, 0.9, 2000), 0.0).astype(np.float32)[:, None]
    guesses = np.linspace(0, 0.2, 81)

    def best(loss: Callable[[Any], Any]) -> float:
        return float(guesses[int(np.argmin([float(loss(tf.constant(jaw - np.float32(g)))) for g in guesses]))])

    known = tf.ones(len(jaw))
    assert best(lambda error: tf.reduce_mean(tf.abs(error))) == 0.0  # the absolute error: the median, whatever is rare
    assert best(lambda error: huber_loss(error / jaw.std(), 2.0, known)) > 0.5 * jaw.mean()


@pytest.mark.slow
def test_rows_without_a_target_take_no_part_in_hubers_loss() -> None:
    from convert.networks.keras_runtime import tf
    from convert.train.losses import huber_loss

    error = tf.constant([[0.5, 0.5], [3.0, 3.0], [9.0, 9.0]])
    assert float(huber_loss(error, 1.0, tf.constant([1.0, 1.0, 0.0]))) == pytest.approx((0.25 + 5.0) / 2)
    assert float(huber_loss(error, 1.0, tf.zeros(3))) == 0.0


def test_a_rating_is_the_label_and_the_teacher_speaks_where_nobody_rated() -> None:
    import pandas as pd

    from convert.train.data import Part, label

    faces = pd.DataFrame({"valence": [0.5, np.nan], "arousal": [0.1, np.nan], "weight": [0.8, 1.0]})
    teacher = np.array([[0.0, 0.0], [0.4, 0.6]], np.float32)
    part: Any = Part(faces, None, teacher)  # type: ignore[arg-type]
    va, weight = label(part, Labels(unrated=0.5))
    np.testing.assert_allclose(va, [[0.5, 0.1], [0.4, 0.6]], atol=1e-6)
    np.testing.assert_allclose(weight, [0.8, 0.5])
    mixed, _ = label(part, Labels(rating_share=0.5))
    np.testing.assert_allclose(mixed[0], [0.25, 0.05], atol=1e-6)
