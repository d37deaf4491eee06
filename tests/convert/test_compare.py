"""The paired bootstrap finds a planted difference, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from convert.predict.compare import paired_bootstrap
from edge.values import Float32Array


def _data(noise: float, seed: int, count: int = 120) -> Float32Array:
    truth = np.random.default_rng(0).uniform(-1, 1, (count, 2))
    return (truth + noise * np.random.default_rng(seed).normal(size=(count, 2))).astype(np.float32)


TRUTH = _data(0.0, 1)


def test_planted_difference_is_found_either_way() -> None:
    near, far = _data(0.2, 1), _data(0.5, 2)
    ahead, behind = paired_bootstrap(TRUTH, near, far, n=300), paired_bootstrap(TRUTH, far, near, n=300)
    for target in ("valence", "arousal"):
        assert ahead[target].verdict == "better"
        assert ahead[target].low < ahead[target].difference < ahead[target].high
        assert behind[target].verdict == "worse"
        assert ahead[target].difference == pytest.approx(-behind[target].difference)


def test_equally_good_answers_are_undecided() -> None:
    found = paired_bootstrap(TRUTH, _data(0.4, 1), _data(0.4, 2), n=300)
    for difference in found.values():
        assert difference.low < 0 < difference.high
        assert difference.verdict == "undecided"
    same = paired_bootstrap(TRUTH, _data(0.4, 1), _data(0.4, 1), n=50)["valence"]
    assert (same.difference, same.low, same.high, same.verdict) == (0.0, 0.0, 0.0, "undecided")


def test_pairing_finds_what_is_hidden_by_the_spread_of_items() -> None:
    ours = _data(0.5, 1)
    slightly_worse = ours + 0.15 * np.random.default_rng(5).normal(size=ours.shape)
    found = paired_bootstrap(TRUTH, ours, slightly_worse, n=300)["valence"]
    shuffled = paired_bootstrap(TRUTH, ours, _data(0.5, 9), n=300)["valence"]
    assert found.high - found.low < 0.7 * (shuffled.high - shuffled.low)


def test_items_of_one_group_are_drawn_together_and_widen_the_interval() -> None:
    groups = np.repeat(np.arange(12), 10)
    group_noise = np.random.default_rng(3).normal(size=(12, 2))[groups] * 0.5
    other = TRUTH + group_noise
    alone = paired_bootstrap(TRUTH, TRUTH, other, n=300)["valence"]
    together = paired_bootstrap(TRUTH, TRUTH, other, [f"clip{g}" for g in groups], n=300)["valence"]
    assert together.groups == 12
    assert alone.groups == alone.items == 120
    assert together.high - together.low > 1.3 * (alone.high - alone.low)


def test_seed_decides_the_interval() -> None:
    first, again, other = (paired_bootstrap(TRUTH, _data(0.3, 1), _data(0.4, 2), n=50, seed=s) for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_unlike_shapes_and_a_single_group_are_refused() -> None:
    with pytest.raises(ValueError, match="must be"):
        paired_bootstrap(TRUTH, TRUTH[:-1], TRUTH)
    with pytest.raises(ValueError, match="must be"):
        paired_bootstrap(TRUTH[:0], TRUTH[:0], TRUTH[:0])
    with pytest.raises(ValueError, match="one group"):
        paired_bootstrap(TRUTH, TRUTH, TRUTH, np.zeros(len(TRUTH)))
    with pytest.raises(ValueError, match="each of 120 items"):
        paired_bootstrap(TRUTH, TRUTH, TRUTH, [1, 2])
