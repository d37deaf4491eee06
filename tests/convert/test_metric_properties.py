"""Metrics and losses against exact arithmetic, and what must hold for any series."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convert.metrics import agreement, cc, ccc, rmse, sagr

# Ratings as people give them, on a grid: so sums are exact as fractions, zeros and ties occur, and nothing underflows.
RATING = st.integers(-100, 100).map(lambda n: n / 100)
PAIRS = st.lists(st.tuples(RATING, RATING), min_size=2, max_size=40)
WEIGHTED = st.lists(st.tuples(RATING, RATING, st.integers(1, 20).map(lambda n: n / 4)), min_size=2, max_size=20)


class Exact:
    """The formulas of Kollias et al. 2019 in rational numbers, with weights; only the roots are rounded, at the end."""

    def __init__(self, x: list[float], y: list[float], weights: list[float] | None = None) -> None:
        self.x, self.y = [Fraction(value) for value in x], [Fraction(value) for value in y]
        self.w = [Fraction(value) for value in weights or [1] * len(x)]
        self.mean_x, self.mean_y = self.mean(self.x), self.mean(self.y)
        self.var_x = self.mean([(value - self.mean_x) ** 2 for value in self.x])
        self.var_y = self.mean([(value - self.mean_y) ** 2 for value in self.y])
        joint = [(a - self.mean_x) * (b - self.mean_y) for a, b in zip(self.x, self.y, strict=True)]
        self.covariance = self.mean(joint)

    def mean(self, values: list[Fraction]) -> Fraction:
        return sum((w * v for w, v in zip(self.w, values, strict=True)), Fraction()) / sum(self.w, Fraction())

    @property
    def ccc(self) -> float:
        spread = self.var_x + self.var_y + (self.mean_x - self.mean_y) ** 2
        return float(2 * self.covariance / spread) if spread else 0.0

    @property
    def cc(self) -> float:
        square = self.var_x * self.var_y
        return float(self.covariance) / math.sqrt(square) if square else 0.0

    @property
    def mse(self) -> float:
        return float(self.mean([(a - b) ** 2 for a, b in zip(self.x, self.y, strict=True)]))

    @property
    def sagr(self) -> float:
        return sum((a > 0) - (a < 0) == (b > 0) - (b < 0) for a, b in zip(self.x, self.y, strict=True)) / len(self.x)


@given(PAIRS)
def test_all_four_equal_exact_arithmetic(pairs: list[tuple[float, float]]) -> None:
    x, y = map(list, zip(*pairs, strict=True))
    exact = Exact(x, y)
    assert ccc(x, y) == pytest.approx(exact.ccc, abs=1e-6)
    assert cc(x, y) == pytest.approx(exact.cc, abs=1e-6)
    assert rmse(x, y) == pytest.approx(math.sqrt(exact.mse), abs=1e-6)
    assert sagr(x, y) == exact.sagr


def test_they_equal_exact_arithmetic_where_the_sample_variance_would_not() -> None:
    # That is n − 1 in variances and covariance, but not in the distance of the means.
    x, y = [0.0, 0.5, 1.0], [0.5, 1.0, 0.9]
    exact = Exact(x, y)
    sample = 2 * exact.covariance * Fraction(3, 2)
    sample /= (exact.var_x + exact.var_y) * Fraction(3, 2) + (exact.mean_x - exact.mean_y) ** 2
    assert ccc(x, y) == pytest.approx(exact.ccc, abs=1e-12)
    assert abs(ccc(x, y) - float(sample)) > 0.01


@given(PAIRS)
def test_ccc_is_symmetric_bounded_by_cc_and_never_of_another_sign(pairs: list[tuple[float, float]]) -> None:
    x, y = map(list, zip(*pairs, strict=True))
    assert ccc(x, y) == pytest.approx(ccc(y, x), abs=1e-12)
    assert abs(ccc(x, y)) <= abs(cc(x, y)) + 1e-9
    assert abs(cc(x, y)) <= 1 + 1e-9
    assert ccc(x, y) * cc(x, y) >= -1e-12


@given(PAIRS, st.floats(0.1, 10), st.floats(-3, 3))
def test_ccc_survives_one_scale_for_both_and_cc_one_for_each(
    pairs: list[tuple[float, float]], scale: float, shift: float
) -> None:
    x, y = (np.array(side) for side in zip(*pairs, strict=True))
    assert ccc(scale * x + shift, scale * y + shift) == pytest.approx(ccc(x, y), abs=1e-6)
    assert ccc(-x, -y) == pytest.approx(ccc(x, y), abs=1e-9)
    assert cc(x, scale * y + shift) == pytest.approx(cc(x, y), abs=1e-6)
    assert rmse(x + shift, y + shift) == pytest.approx(rmse(x, y), abs=1e-9)
    assert sagr(scale * x, y) == sagr(x, y)


@given(PAIRS, st.floats(0.01, 3))
def test_an_offset_lowers_the_size_of_ccc_and_leaves_cc(pairs: list[tuple[float, float]], offset: float) -> None:
    x, y = (np.array(side) for side in zip(*pairs, strict=True))
    centered = y - y.mean() + x.mean()
    assert abs(ccc(x, centered + offset)) <= abs(ccc(x, centered)) + 1e-9


@given(st.lists(RATING, min_size=2, max_size=20), RATING)
def test_a_constant_answer_has_no_agreement_and_no_warning(x: list[float], constant: float) -> None:
    y = [constant] * len(x)
    assert ccc(x, y) == pytest.approx(0, abs=1e-9)
    assert cc(x, y) == pytest.approx(0, abs=1e-6)
    assert ccc(y, y) == 0
    assert rmse(y, y) == 0


@given(st.lists(RATING, min_size=2, max_size=20))
def test_the_same_series_agrees_wholly_unless_it_is_constant(x: list[float]) -> None:
    assume(len(set(x)) > 1)
    assert ccc(x, x) == pytest.approx(1)
    assert sagr(x, x) == 1


def test_frames_of_few_videos_have_a_wider_interval_than_as_many_strangers() -> None:
    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(12), 40)
    rated = rng.uniform(-1, 1, 12)[video] + rng.normal(0, 0.02, 480)
    estimated = rated + rng.normal(0, 0.4, 12)[video] + rng.normal(0, 0.02, 480)
    alone, together = agreement(rated, estimated), agreement(rated, estimated, groups=video)
    assert together.ccc == alone.ccc
    assert together.ccc_high - together.ccc_low > 3 * (alone.ccc_high - alone.ccc_low)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(WEIGHTED)
def test_weighted_losses_equal_exact_arithmetic(rows: list[tuple[float, float, float]]) -> None:
    from convert.train.losses import ccc_loss, squared_loss

    x, y, weights = map(list, zip(*rows, strict=True))
    # The losses average over valence and arousal; the second column is the first with the sides changed.
    target = np.array([x, y], np.float32).T
    answer = np.array([y, x], np.float32).T
    w = np.array(weights, np.float32)
    for weight, exact in ((None, Exact(x, y)), (w, Exact(x, y, weights))):
        assert float(squared_loss(target, answer, weight)) == pytest.approx(exact.mse, abs=1e-5)
        if exact.var_x + exact.var_y > 0.01:
            assert float(ccc_loss(target, answer, weight)) == pytest.approx(1 - exact.ccc, abs=1e-3)


@pytest.mark.slow
def test_a_weight_of_two_is_the_row_twice_and_of_zero_the_row_left_out() -> None:
    from convert.train.losses import ccc_loss, squared_loss

    rng = np.random.default_rng(1)
    target, answer = rng.uniform(-1, 1, (2, 6, 2)).astype(np.float32)
    weight = np.array([1, 2, 0, 1, 1, 1], np.float32)
    rows = [0, 1, 1, 3, 4, 5]
    for loss in (ccc_loss, squared_loss):
        weighted, repeated = float(loss(target, answer, weight)), float(loss(target[rows], answer[rows]))
        assert weighted == pytest.approx(repeated, abs=1e-5)


@pytest.mark.slow
def test_a_batch_of_equal_labels_and_answers_gives_finite_gradients() -> None:
    from convert.networks.keras_runtime import tf
    from convert.train.losses import ccc_loss, squared_loss

    answer = tf.Variable(tf.fill((4, 2), 0.3))
    with tf.GradientTape() as tape:
        loss = ccc_loss(tf.fill((4, 2), 0.3), answer) + squared_loss(tf.fill((4, 2), 0.3), answer)
    assert np.isfinite(float(loss))
    assert np.isfinite(tape.gradient(loss, answer).numpy()).all()
