"""Whether a fitted network helped for sure, against the one it began with, on faces that neither learned from.

One question is asked, so that there is one chance of a wrong yes: is CCC, averaged over valence and arousal, higher
than when the two networks' answers change places at random, all of a person's together? Where the networks are equally
good and only differ by chance, a yes comes in at most 5 % of cases, however many faces a person has (a permutation
test; Good 2005, "Permutation, Parametric and Bootstrap Tests of Hypotheses"). Two intervals of which either may lie
above 0, as one is tempted to ask for, say yes more often.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convert.metrics import TARGETS
from convert.predict.compare import Difference, paired_bootstrap

LEVEL = 0.05
TOLERANCE = 0.03  # of CCC that one target may lose while both together gain
FEWEST_SUBJECTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was decided, and on what.

    Attributes:
        helped: it is better for sure, and lost too much on neither target.
        p: chance of such a gain where there is none.
        reasons: against it where it did not help, else for it; whole sentences.
        differences: CCC of both and of the new less the old, with 95 % intervals, by target.
    """

    helped: bool
    p: float
    reasons: list[str]
    differences: dict[str, Difference]

    def lines(self) -> list[str]:
        """The verdict in plain lines."""
        figures = [
            f"{target}: CCC {found.other:.3f} before, {found.ours:.3f} after, difference {found.difference:+.3f} "
            f"[{found.low:+.3f}, {found.high:+.3f}], {found.items} faces of {found.groups} persons"
            for target, found in self.differences.items()
        ]
        return ["it helped for sure" if self.helped else "not shown to help", *self.reasons, *figures]


def judge(
    rated: ArrayLike,
    new: ArrayLike,
    old: ArrayLike,
    subjects: ArrayLike,
    *,
    tolerance: float = TOLERANCE,
    draws: int = 4999,
    seed: int = 0,
) -> Verdict:
    """Compares the answers of two networks to the same faces.

    Args:
        rated, new, old: (N, 2), −1..1, columns by `TARGETS`.
        subjects: (N,) who is in each picture.
        tolerance: of CCC that one target may lose.
        draws: permutations, and resamples of the intervals.
        seed: of both.

    Raises:
        ValueError: the shapes differ, or all faces are of one subject.
    """
    differences = paired_bootstrap(rated, new, old, subjects, n=draws, seed=seed)
    truth, ours, other = (np.asarray(each, np.float64) for each in (rated, new, old))
    chance = _chance(truth, ours, other, np.asarray(subjects), draws, seed)
    count = next(iter(differences.values())).groups
    reasons = [
        f"{target} lost more than {tolerance:g}: {found.difference:+.3f}"
        for target, found in differences.items()
        if found.difference < -tolerance
    ]
    if count < FEWEST_SUBJECTS:
        reasons.append(f"{count} persons are too few to be sure by; {FEWEST_SUBJECTS} are needed")
    if chance > LEVEL:
        reasons.append(f"the gain may be chance: p = {chance:.3f}, above {LEVEL:g}")
    helped = not reasons
    return Verdict(
        helped=helped,
        p=chance,
        reasons=reasons or [f"the gain is hardly chance: p = {chance:.4f}"],
        differences=differences,
    )


def _chance(
    rated: NDArray[np.float64],
    new: NDArray[np.float64],
    old: NDArray[np.float64],
    subjects: NDArray[np.generic],
    draws: int,
    seed: int,
) -> float:
    """Share of exchanges, all answers of a subject together, under which the gain is at least as large."""
    names, of = np.unique(subjects, return_inverse=True)
    swap = np.random.default_rng(seed).random((draws, len(names))) < 0.5
    swap[0] = False  # as it is; it counts among the draws, so p is never 0
    gain = np.zeros(draws)
    for t in range(len(TARGETS)):
        x = rated[:, t]
        one, other = (_sums(x, answers[:, t], of, len(names)) for answers in (new, old))
        moved = swap @ (other - one)
        gain += _ccc(x, one.sum(axis=0) + moved) - _ccc(x, other.sum(axis=0) - moved)
    return float(np.mean(gain >= gain[0] - 1e-12))


def _sums(x: NDArray[np.float64], y: NDArray[np.float64], of: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """Sums of y, y² and xy over each of G subjects: (G, 3)."""
    return np.stack([np.bincount(of, each, count) for each in (y, y * y, x * y)], axis=1)


def _ccc(x: NDArray[np.float64], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """CCC of x with answers of which only sums (…, 3) are known."""
    mean, square, product = np.moveaxis(sums / len(x), -1, 0)
    spread = x.var() + square - mean**2 + (x.mean() - mean) ** 2
    return np.asarray(2 * (product - x.mean() * mean) / np.maximum(spread, 1e-12))
