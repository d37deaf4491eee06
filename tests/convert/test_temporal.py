"""What the LSTM adds is measured against the best average, on a trial that repeats."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from convert.augment.augmentation import draw_augmentation
from convert.predict.clip_evidence import cut_parts, disturb_clips
from convert.predict.clips import ClipFace
from convert.predict.temporal import measure_drift, measure_gain, smooth, tune_average
from convert.predict.trial import FAMILIES, UNSEEN, families, take_in_trial
from convert.train.sequences import Scene, Sequences, take_in_store
from edge.geometry import Square
from edge.values import Embedding, FaceCrop, Float32Array, UInt8Array


def _scene(steps: int = 60) -> Scene:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Scene(lambda _: pixels, Square(32, 32, 40, 0.0), np.zeros((steps, 2), np.float32))


def _noisy(noise: float, count: int = 30, steps: int = 80) -> Sequences:
    """Slow truths, and frame answers with noise on them; the embedding is the truth itself."""
    rng = np.random.default_rng(1)
    truth = np.cumsum(rng.normal(0, 0.05, (count, steps, 2)), axis=1)
    truth = np.clip(truth + rng.uniform(-0.5, 0.5, (count, 1, 2)), -1, 1).astype(np.float32)
    frame = (truth + rng.normal(0, noise, truth.shape)).astype(np.float32)
    return Sequences(truth, frame, truth)


@dataclass
class _Knows:
    """A head that answers its embedding: the truth of `_noisy`; its state is what `state` makes of it."""

    state: float = 0.5

    def __post_init__(self) -> None:
        self.manifest = SimpleNamespace(warmup_steps=5, head=SimpleNamespace(h=SimpleNamespace(shape=(-1, 2))))
        self.stream = self

    def run(self, x: Float32Array, h: Float32Array, c: Float32Array) -> tuple[Float32Array, Float32Array, Float32Array]:
        after = np.asarray(self.state * c + 0.1 * x, np.float32)
        return x, h, after


def test_an_average_of_weight_one_changes_nothing_and_a_small_one_smooths() -> None:
    answers = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    assert np.array_equal(smooth(answers, 1.0), answers)
    assert smooth(answers, 0.1)[:, 10:].std() < 0.5 * answers[:, 10:].std()


def test_the_average_is_tuned_to_the_noise() -> None:
    calm, loud = tune_average(_noisy(0.01), 5), tune_average(_noisy(0.4), 5)
    assert min(calm) > 0.8
    assert max(loud) < 0.5


def test_a_head_that_knows_better_leads_and_one_that_does_not_is_told_so() -> None:
    sequences = _noisy(0.3)
    weights = tune_average(sequences, 5)
    gain = measure_gain(_Knows(), sequences, weights, "made up")  # type: ignore[arg-type]
    assert gain.agreement["stream"]["valence"].ccc == pytest.approx(1)
    assert gain.over_average["arousal"].low > 0
    same = Sequences(sequences.frame, sequences.frame, sequences.va)
    assert measure_gain(_Knows(), same, weights, "made up").over_average["valence"].high < 0  # type: ignore[arg-type]


def test_only_the_steps_asked_for_count() -> None:
    sequences = _noisy(0.3)
    only = np.zeros(sequences.va.shape[:2], bool)
    only[:, 40:50] = True
    gain = measure_gain(_Knows(), sequences, (0.5, 0.5), "made up", only=only)  # type: ignore[arg-type]
    assert gain.agreement["frame"]["valence"].n == 10 * len(sequences.va)


def test_intervals_draw_faces_whole_where_sequences_are_of_one_face() -> None:
    sequences = _noisy(0.3, count=24)
    faces = [f"clip#{n // 6}" for n in range(24)]
    by_face = measure_gain(_Knows(), sequences, (0.5, 0.5), "made up", groups=faces)  # type: ignore[arg-type]
    by_sequence = measure_gain(_Knows(), sequences, (0.5, 0.5), "made up")  # type: ignore[arg-type]
    assert (by_face.n, by_face.groups, by_sequence.groups) == (24, 4, 24)
    assert by_face.over_frame["valence"].groups == 4
    assert by_face.over_frame["valence"].difference == by_sequence.over_frame["valence"].difference


def _clip(name: str, steps: int, missing: tuple[int, ...] = ()) -> ClipFace:
    rng = np.random.default_rng(steps)
    picture: UInt8Array = rng.integers(0, 256, (192, 192, 3), dtype=np.uint8)
    return ClipFace(name, [None if step in missing else picture for step in range(steps)])


@pytest.mark.parametrize(
    ("steps", "missing", "parts"),
    [
        (19, (), []),
        (20, (), [(0, 20)]),
        (75, (), [(0, 60)]),
        (80, (), [(0, 60), (60, 20)]),
        (80, (60,), [(0, 60)]),
        (90, (60, 61), [(0, 60), (62, 28)]),
    ],
)
def test_a_clip_is_cut_into_parts_from_two_seconds_on_that_begin_with_a_face(
    steps: int, missing: tuple[int, ...], parts: list[tuple[int, int]]
) -> None:
    assert cut_parts(_clip("a#1", steps, missing)) == parts


def test_short_parts_count_with_their_own_steps_only() -> None:
    class Mean:
        manifest = SimpleNamespace(crop=SimpleNamespace(size=32))

        @property
        def backbone(self) -> Mean:
            return self

        def embed(self, crop: FaceCrop) -> Embedding:
            va = np.full(2, crop.pixels.mean() / 255, np.float32)
            return Embedding(track_id=1, captured_ns=0, vector=va, va=va)

    found = disturb_clips([_clip("a#1", 85), _clip("b#1", 30)], Mean())  # type: ignore[arg-type]
    assert found.faces == ["a#1", "a#1", "b#1"]
    assert found.counts.sum(axis=1).tolist() == [60, 25, 30]
    assert found.sequences.va.shape == (3, 60, 2)
    assert np.ptp(found.sequences.va[2, :30]) < 1e-6


def test_a_state_that_runs_away_is_noticed() -> None:
    steady = measure_drift(_Knows(0.5), _noisy(0.1), steps=500)  # type: ignore[arg-type]
    runaway = measure_drift(_Knows(1.01), _noisy(0.1), steps=500)  # type: ignore[arg-type]
    assert steady.cell < 1 < runaway.cell


def test_a_trial_repeats_begins_clear_and_knows_every_family() -> None:
    one, two = (list(take_in_trial(_scene(), np.random.default_rng(3), 32)) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert (a is None) == (b is None)
        assert a is None or np.array_equal(a, b)
    assert one[0] is not None
    happening = [family for seed in range(40) for family in families(80, np.random.default_rng(seed))]
    assert set(happening) == set(FAMILIES)
    assert happening.count(UNSEEN) > 0.05 * len(happening)


def test_the_unseen_family_changes_the_picture_and_no_training_has_it() -> None:
    seeds = [s for s in range(60) if UNSEEN in families(60, np.random.default_rng(s))[:10]]
    crops = list(take_in_trial(_scene(), np.random.default_rng(seeds[0]), 32))
    at = families(60, np.random.default_rng(seeds[0])).index(UNSEEN)
    seen, before = crops[at], crops[0]
    assert seen is not None
    assert before is not None
    assert np.abs(seen.astype(float) - before).mean() > 20
    assert UNSEEN not in draw_augmentation.__code__.co_names
    assert not any("reflect" in name for name in take_in_store.__code__.co_names)
