"""A fitted network is said to have helped only where it did: wrong acceptances are counted by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from convert.predict.verdict import FEWEST_SUBJECTS, judge


def _faces(rng: np.random.Generator, persons: int, each: int, gain: float = 0.0) -> tuple[np.ndarray, ...]:
    """Ratings, answers of a new and an old network, and who is in each picture.

    Both err alike for a person and by picture; `gain` is the share of its own error that the new one has lost.
    """
    who = np.repeat(np.arange(persons), each)
    rated = np.clip(rng.normal(0.1, 0.3, (persons, 2))[who] + rng.normal(0, 0.3, (len(who), 2)), -1, 1)
    shared = rng.normal(0, 0.12, (persons, 2))[who] + rng.normal(0, 0.12, (len(who), 2))

    def answer(share: float) -> np.ndarray:
        own = rng.normal(0, 0.08, (persons, 2))[who] + rng.normal(0, 0.12, (len(who), 2))
        return np.clip(0.85 * rated + shared + share * own, -1, 1)

    return rated, answer(1 - gain), answer(1.0), who


@pytest.mark.parametrize(("persons", "each"), [(60, 1), (15, 4)])
def test_of_networks_that_are_equally_good_at_most_one_in_twenty_is_accepted(persons: int, each: int) -> None:
    rng = np.random.default_rng(5)
    tries = 400
    accepted = sum(judge(*_faces(rng, persons, each), draws=199, seed=n).helped for n in range(tries))
    assert accepted / tries <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / tries)


def test_a_network_that_is_clearly_better_is_accepted_and_the_old_one_is_not() -> None:
    rated, new, old, who = _faces(np.random.default_rng(1), 40, 3, gain=0.9)
    found = judge(rated, new, old, who)
    assert found.helped
    assert found.p < 0.01
    assert found.lines()[0] == "it helped for sure"
    turned = judge(rated, old, new, who)
    assert not turned.helped
    assert "lost more than 0.03" in turned.reasons[0]


def test_a_gain_in_one_target_that_costs_the_other_more_than_the_tolerance_is_refused() -> None:
    rated, _, old, who = _faces(np.random.default_rng(2), 40, 3)
    new = np.stack([rated[:, 0], 0.78 * old[:, 1]], axis=1)
    found = judge(rated, new, old, who)
    assert found.p < 0.05
    assert not found.helped
    assert found.reasons[0].startswith("arousal lost more than 0.03")


def test_few_persons_are_no_proof() -> None:
    rated, new, old, who = _faces(np.random.default_rng(3), FEWEST_SUBJECTS - 1, 30, gain=1.0)
    found = judge(rated, new, old, who)
    assert not found.helped
    assert any("9 persons are too few" in reason for reason in found.reasons)


def test_many_pictures_of_a_person_count_as_one_person() -> None:
    rng = np.random.default_rng(4)
    rated, new, old, who = _faces(rng, 20, 1, gain=0.3)
    once, often = judge(rated, new, old, who), judge(*(np.repeat(part, 9, axis=0) for part in (rated, new, old, who)))
    assert often.p == pytest.approx(once.p, abs=0.03)
