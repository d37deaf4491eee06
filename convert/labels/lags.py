"""How far each annotator's trace comes after the others': a reaction takes seconds, and not everybody's the same.

Each annotator is held against the mean of the others, all made comparable in level and spread, and shifted by whole
steps of the grid within a bound to where the two correlate best over all items and both targets; this is repeated,
since the others move too. Only differences can be seen: what all have in common is not in the traces
(Mariooryad & Busso, IEEE TAFFC 2015, look for it in the recordings). So lags are given against the median annotator's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from convert.labels.matrix import Float, RatingMatrix

MAX_LAG_S = 4.0
_PASSES = 4
_LEAST_CORRELATION = 0.2  # below, no shift is worth believing
_LEAST_OVERLAP = 10  # steps


def estimate_lags(matrix: RatingMatrix, *, max_lag_s: float = MAX_LAG_S) -> dict[str, float]:
    """Seconds by which each annotator comes later than the median one; negative is earlier.

    Somebody whom no shift makes agree with the others has lag 0, as has everybody where there are no traces or fewer
    than two annotators.

    Args:
        matrix: of traces that were not shifted yet.
        max_lag_s: the search's bound, to both sides of the others' mean.
    """
    names = matrix.annotators
    if matrix.times_s is None or len(names) < 2:
        return dict.fromkeys(names, 0.0)
    bound = round(max_lag_s / matrix.step_s)
    times_s = matrix.times_s
    blocks = [_alike(_dense(matrix.values[rows], times_s[rows], matrix.step_s)) for _, rows in matrix.blocks()]
    lags = np.zeros(len(names), int)
    found = np.zeros(len(names), bool)
    for _ in range(_PASSES):
        before = lags.copy()
        for own in range(len(names)):
            scores = _score(blocks, lags, own, bound)
            best = int(np.argmax(scores))
            found[own] = bool(scores[best] >= _LEAST_CORRELATION)
            lags[own] = best - bound if found[own] else 0
        middle = int(np.median(lags[found])) if found.any() else 0
        lags = np.where(found, np.clip(lags - middle, -bound, bound), 0)
        if np.array_equal(lags, before):
            break
    return {name: float(lag * matrix.step_s) for name, lag in zip(names, lags, strict=True)}


def at_bound(lags_s: Mapping[str, float], max_lag_s: float, step_s: float) -> list[str]:
    """Who lies at the search's bound, and so perhaps beyond it."""
    return [name for name, lag in lags_s.items() if abs(lag) >= max_lag_s - step_s / 2]


def _score(blocks: list[Float], lags: np.ndarray, own: int, bound: int) -> Float:
    """The mean correlation at each lag from −bound to bound, weighted by how much there is to compare."""
    total, weight = np.zeros(2 * bound + 1), np.zeros(2 * bound + 1)
    for block in blocks:
        others = np.stack([_shift(block[:, n], lags[n]) for n in range(block.shape[1]) if n != own], axis=1)
        mean = _mean(others)
        for place, lag in enumerate(range(-bound, bound + 1)):
            moved = _shift(block[:, own], lag)
            for target in range(block.shape[2]):
                both = np.isfinite(moved[:, target]) & np.isfinite(mean[:, target])
                count = int(both.sum())
                if count >= _LEAST_OVERLAP:
                    total[place] += count * _correlate(moved[both, target], mean[both, target])
                    weight[place] += count
    # A long shift leaves little to compare, which is easily alike by chance: it must not win by that.
    enough = weight >= weight.max() / 2
    return np.where(enough & (weight > 0), total / np.maximum(weight, 1), -1.0)


def _shift(trace: Float, steps: int) -> Float:
    """A trace (T, K) brought forward by some steps, NaN where nothing comes in."""
    moved = np.full_like(trace, np.nan)
    if steps > 0:
        moved[:-steps] = trace[steps:]
    elif steps < 0:
        moved[-steps:] = trace[:steps]
    else:
        moved[:] = trace
    return moved


def _alike(block: Float) -> Float:
    """Every annotator's trace with mean 0 and spread 1: a bias or a timid hand is no lag."""
    given = np.isfinite(block)
    counts = np.maximum(given.sum(axis=0), 1)
    off = block - np.where(given, block, 0.0).sum(axis=0) / counts
    spread = np.sqrt((np.where(given, off, 0.0) ** 2).sum(axis=0) / counts)
    return np.where(spread > 0, off / np.maximum(spread, 1e-12), np.nan)


def _dense(values: Float, times_s: Float, step_s: float) -> Float:
    """Rows of one item with those in between that nobody rated, so that a shift of rows is one in time."""
    place = np.rint((times_s - times_s[0]) / step_s).astype(int)
    dense = np.full((int(place[-1]) + 1, *values.shape[1:]), np.nan)
    dense[place] = values
    return dense


def _mean(values: Float) -> Float:
    counts = np.isfinite(values).sum(axis=1)
    total = np.where(np.isfinite(values), values, 0.0).sum(axis=1)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def _correlate(a: Float, b: Float) -> float:
    spread = a.std() * b.std()
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread > 0 else 0.0
