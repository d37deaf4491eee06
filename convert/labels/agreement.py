"""How well annotators agree: each with the mean of the others, and all together as intraclass correlations.

ICCs are those of Shrout & Fleiss 1979 (Psychological Bulletin 86): case 2 where annotators are a sample of all that
could have rated, case 3 where they are all there will ever be; `k` that of their mean. They need rows that everybody
rated. Where too few are, as in a crowd, case 1 with unequal numbers of ratings is given instead (its `k` is the mean
number, corrected as in analysis of variance with unequal groups).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convert.labels.matrix import Float, RatingMatrix
from convert.metrics import TARGETS, cc, ccc

_LEAST_COMPLETE = 0.5  # of the rows, for a two-way ICC
_LEAST_ROWS = 3


class WithRest(NamedTuple):
    """One annotator and target against the mean of the others: over `n` rows that both rated; offset is own − rest."""

    n: int
    ccc: float
    cc: float
    offset: float
    spread: float


class Icc(NamedTuple):
    """Intraclass correlations of one target.

    `case` is 2 where the two-way ones could be made of `n` complete rows of `k` annotators; then `single` and `mean`
    are ICC(2,1) and ICC(2,k), `single_fixed` and `mean_fixed` ICC(3,1) and ICC(3,k). Otherwise it is 1, and `single`
    and `mean` are ICC(1,1) and ICC(1,k) over `n` rows with two ratings or more; the fixed ones are NaN.
    """

    case: int
    n: int
    k: float
    single: float
    mean: float
    single_fixed: float
    mean_fixed: float


def agree_with_rest(matrix: RatingMatrix) -> dict[str, tuple[WithRest, WithRest]]:
    """Each annotator against the mean of the others, for valence and arousal; NaN where fewer than three rows."""
    found = {}
    for own, name in enumerate(matrix.annotators):
        valence, arousal = (_with_rest(matrix.values[:, :, target], own) for target in range(len(TARGETS)))
        found[name] = (valence, arousal)
    return found


def mean_of_others(values: Float, own: int) -> Float:
    """Float64 (R,): the mean of all columns of (R, A) but one; NaN where nobody else rated."""
    others = np.delete(values, own, axis=1)
    counts = np.isfinite(others).sum(axis=1)
    total = np.where(np.isfinite(others), others, 0.0).sum(axis=1)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def measure_icc(values: Float) -> Icc:
    """The ICCs of ratings (R, A), NaN where there is none."""
    given = np.isfinite(values)
    complete = values[given.all(axis=1)]
    if len(complete) >= max(_LEAST_ROWS, _LEAST_COMPLETE * len(values)) and values.shape[1] >= 2:
        return _two_way(complete)
    return _one_way(values[given.sum(axis=1) >= 2])


def _with_rest(values: Float, own: int) -> WithRest:
    rest = mean_of_others(values, own)
    both = np.isfinite(rest) & np.isfinite(values[:, own])
    count = int(both.sum())
    if count < _LEAST_ROWS:
        return WithRest(count, *[float("nan")] * 4)
    x, y = rest[both], values[both, own]
    return WithRest(count, ccc(x, y), cc(x, y), float(y.mean() - x.mean()), float(y.std()))


def _two_way(x: Float) -> Icc:
    n, k = x.shape
    rows, columns, grand = x.mean(axis=1), x.mean(axis=0), x.mean()
    between = k * float(((rows - grand) ** 2).sum()) / (n - 1)
    judges = n * float(((columns - grand) ** 2).sum()) / (k - 1)
    rest = float(((x - rows[:, None] - columns[None] + grand) ** 2).sum()) / ((n - 1) * (k - 1))
    return Icc(
        case=2,
        n=n,
        k=float(k),
        single=_ratio(between - rest, between + (k - 1) * rest + k * (judges - rest) / n),
        mean=_ratio(between - rest, between + (judges - rest) / n),
        single_fixed=_ratio(between - rest, between + (k - 1) * rest),
        mean_fixed=_ratio(between - rest, between),
    )


def _one_way(x: Float) -> Icc:
    nan = float("nan")
    if len(x) < _LEAST_ROWS:
        return Icc(1, len(x), nan, nan, nan, nan, nan)
    given = np.isfinite(x)
    counts = given.sum(axis=1)
    total, n = int(counts.sum()), len(x)
    safe = np.where(given, x, 0.0)
    rows = safe.sum(axis=1) / counts
    grand = safe.sum() / total
    between = float((counts * (rows - grand) ** 2).sum()) / (n - 1)
    within = float(np.where(given, (safe - rows[:, None]) ** 2, 0.0).sum()) / max(total - n, 1)
    k = (total - float((counts**2).sum()) / total) / (n - 1)
    single, mean = _ratio(between - within, between + (k - 1) * within), _ratio(between - within, between)
    return Icc(1, n, k, single, mean, nan, nan)


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else float("nan")
