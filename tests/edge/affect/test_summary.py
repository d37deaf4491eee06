"""Numbers that leave: their grids, from how many people on, and buckets below the floor."""

from __future__ import annotations

import numpy as np
import pytest

from edge.affect.release import Person
from edge.affect.summary import grid, share_quadrants, summarize
from edge.contract.fields import bucket


def crowd(count: int, valence: float = 0.2) -> list[Person]:
    return [Person(visits=(n,), seconds=5, valence=valence, arousal=-0.1) for n in range(count)]


@pytest.mark.parametrize(
    ("people", "step"),
    [(3, 0.2), (5, 0.1), (9, 0.1), (10, 0.05), (24, 0.05), (25, 0.02), (49, 0.02), (50, 0.01), (500, 0.01)],
)
def test_grid_is_at_least_half_of_one_persons_share(people: int, step: float) -> None:
    assert grid(people) == step
    assert step >= min(0.5 / people, 0.2) - 1e-9 or step == 0.01


def test_mean_and_deviation_lie_on_their_grids() -> None:
    said = summarize(np.linspace(-0.3, 0.52, 12).tolist())
    assert said == (0.1, 0.3)


def test_deviation_is_told_from_ten_people_on() -> None:
    assert summarize([0.1] * 9).std is None
    assert summarize([0.1] * 10).std == 0.0


def test_mean_is_never_minus_zero() -> None:
    assert str(summarize([-0.001] * 12).mean) == "0.0"


def test_mean_over_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        summarize([])


def test_quadrants_are_told_from_twenty_people_on_and_hide_one() -> None:
    assert share_quadrants(crowd(19)) is None
    assert share_quadrants(crowd(20)) == (0.0, 1.0, 0.0, 0.0)
    assert share_quadrants([*crowd(20), *crowd(1, valence=-0.4)]) == share_quadrants(crowd(20))


@pytest.mark.parametrize(
    ("count", "told"), [(0, 0), (1, 1), (4, 1), (5, 5), (9, 5), (10, 10), (19, 10), (20, 20), (73, 50)]
)
def test_bucket_tells_its_least_count(count: int, told: int) -> None:
    assert bucket(count) == told
