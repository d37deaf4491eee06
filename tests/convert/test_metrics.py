"""The metrics against formulas written another way."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from convert.metrics import agreement, bootstrap_ccc, cc, ccc, rmse, sagr


@pytest.fixture
def pair() -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(5)
    rated = rng.uniform(-1, 1, 200)
    return rated.tolist(), (0.6 * rated + 0.1 + rng.normal(0, 0.2, 200)).tolist()


def test_ccc_is_lins_coefficient_by_its_squared_distance_form(pair: tuple[list[float], list[float]]) -> None:
    # Lin 1989, eq. 1: one minus the expected squared distance from the 45 degree line over the one under independence.
    x, y = pair
    distance = statistics.fmean((a - b) ** 2 for a, b in zip(x, y, strict=True))
    independent = statistics.pvariance(x) + statistics.pvariance(y) + (statistics.fmean(x) - statistics.fmean(y)) ** 2
    assert ccc(x, y) == pytest.approx(1 - distance / independent, abs=1e-12)


def test_cc_and_rmse_agree_with_the_standard_library(pair: tuple[list[float], list[float]]) -> None:
    x, y = pair
    assert cc(x, y) == pytest.approx(statistics.correlation(x, y), abs=1e-12)
    assert rmse(x, y) == pytest.approx(math.dist(x, y) / math.sqrt(len(x)), abs=1e-12)


def test_ccc_is_bias_correction_times_correlation(pair: tuple[list[float], list[float]]) -> None:
    x, y = pair
    v = statistics.pstdev(x) / statistics.pstdev(y)
    u = (statistics.fmean(x) - statistics.fmean(y)) / math.sqrt(statistics.pstdev(x) * statistics.pstdev(y))
    assert ccc(x, y) == pytest.approx(cc(x, y) * 2 / (v + 1 / v + u * u), abs=1e-12)


def test_perfect_reversed_and_constant_answers() -> None:
    x = [-0.5, 0.0, 0.5, 0.2]
    assert ccc(x, x) == pytest.approx(1)
    assert ccc(x, [0.1] * 4) == 0
    assert cc(x, [0.1] * 4) == 0
    assert ccc([-0.5, 0.5], [0.5, -0.5]) == pytest.approx(-1)


def test_sagr_counts_equal_signs_and_zero_is_a_sign_of_its_own() -> None:
    assert sagr([-1, 0, 0.5, 0.2], [-0.1, 0.3, 0.1, -0.4]) == 0.5
    assert sagr([0, 0.1], [0, 0.2]) == 1


def test_interval_holds_the_value_narrows_with_n_and_repeats() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 2000)
    y = x + rng.normal(0, 0.3, 2000)
    small, large = agreement(x[:100], y[:100]), agreement(x, y)
    assert large.ccc_low < large.ccc < large.ccc_high
    assert large.ccc_high - large.ccc_low < small.ccc_high - small.ccc_low
    assert agreement(x, y) == large
    assert large.n == 2000


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="2 ratings for 3"):
        ccc([0, 1], [0, 1, 2])


def test_frames_of_one_person_have_no_interval_instead_of_one_without_width() -> None:
    rng = np.random.default_rng(2)
    rated, estimated = rng.uniform(-1, 1, (2, 50))
    assert agreement(rated, estimated, groups=["anna"] * 50)[2:4] == (None, None)
    assert agreement([0.5], [0.4])[2:4] == (None, None)
    low, high = agreement(rated, estimated, groups=["anna"] * 25 + ["ben"] * 25)[2:4]
    assert low < high


def test_the_bootstrap_s_sums_by_group_equal_the_formula_on_the_rows_that_were_drawn() -> None:
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 6, 80)
    rated = rng.uniform(-1, 1, 80)
    estimated = rated + rng.normal(0, 0.3, 80)
    rng = np.random.default_rng(4)
    picks = [np.concatenate([np.flatnonzero(groups == g) for g in rng.integers(0, 6, 6)]) for _ in range(20)]
    drawn = bootstrap_ccc(rated, estimated, groups, draws=20, seed=4)
    assert drawn == pytest.approx([ccc(rated[pick], estimated[pick]) for pick in picks], abs=1e-9)
