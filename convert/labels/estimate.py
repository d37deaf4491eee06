"""One label from many: the evaluator-weighted estimate, how sure it is, and what that weighs in training.

The evaluator-weighted estimate (Grimm & Kroschel 2005, "Evaluation of natural emotions using self assessment manikins")
is the mean of all ratings, each weighted by how well its annotator correlates with the others, here with the mean of
*the others*, since a mean that holds oneself flatters. Nobody weighs less than nothing.

The estimate's standard error comes from the spread of its ratings, pulled towards the spread of all rows where there
are few: two who happen to agree prove little. A row weighs 1 / (1 + (error / 0.15)²) in training, the two targets'
variances averaged: near 1 where raters are at one, 1/2 where the estimate is uncertain by 0.15.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convert.labels.agreement import agree_with_rest
from convert.labels.matrix import Float, RatingMatrix
from convert.metrics import TARGETS

HALF_WEIGHT_ERROR = 0.15
_PRIOR = 2.0  # ratings' worth of the spread over all rows


class Estimate(NamedTuple):
    """One label a row.

    Attributes:
        values: float64 (R, 2), by `TARGETS`; NaN where nobody who counts rated the target.
        error: float64 (R, 2), the standard error of `values`.
        weight: float64 (R,), in training, 0..1.
        raters: int (R,), how many ratings the row has, of the target with fewer.
        evaluators: by annotator, the weight of each in valence and arousal; they add up to 1.
    """

    values: Float
    error: Float
    weight: Float
    raters: np.ndarray
    evaluators: dict[str, tuple[float, float]]


def estimate_labels(matrix: RatingMatrix) -> Estimate:
    """The evaluator-weighted estimate of every row."""
    rest = agree_with_rest(matrix)
    shares = np.array([[max(np.nan_to_num(part.cc), 0.0) for part in rest[name]] for name in matrix.annotators])
    empty = shares.sum(axis=0) <= 0
    shares[:, empty] = 1.0  # nobody agrees, or there is only one: then all count alike
    shares /= shares.sum(axis=0)
    parts = [_weighted(matrix.values[:, :, target], shares[:, target]) for target in range(len(TARGETS))]
    values, error = (np.stack([part[n] for part in parts], axis=1) for n in (0, 1))
    known = np.where(np.isfinite(error), error**2, 0.0).sum(axis=1) / np.maximum(np.isfinite(error).sum(axis=1), 1)
    evaluators = {
        name: (float(share[0]), float(share[1])) for name, share in zip(matrix.annotators, shares, strict=True)
    }
    return Estimate(
        values=values,
        error=error,
        weight=1 / (1 + known / HALF_WEIGHT_ERROR**2),
        raters=np.isfinite(matrix.values).sum(axis=1).min(axis=1),
        evaluators=evaluators,
    )


def _weighted(x: Float, shares: Float) -> tuple[Float, Float]:
    given = np.isfinite(x)
    weight = np.where(given, shares, 0.0)
    total = weight.sum(axis=1)
    alone = (total <= 0) & given.any(axis=1)  # only people who weigh nothing rated it: better than no label
    weight = np.where(alone[:, None], given.astype(float), weight)
    total = weight.sum(axis=1)
    safe = np.where(given, x, 0.0)
    known = total > 0
    norm = np.maximum(total, 1e-12)
    mean = (weight * safe).sum(axis=1) / norm
    # Kish's effective number of ratings, and the unbiased weighted variance that goes with it.
    effective = np.where(known, total**2 / np.maximum((weight**2).sum(axis=1), 1e-12), 0.0)
    squares = (weight * np.where(given, (safe - mean[:, None]) ** 2, 0.0)).sum(axis=1) / norm
    several = known & (effective > 1 + 1e-9)
    variance = np.where(several, squares * effective / np.maximum(effective - 1, 1e-9), 0.0)
    freedom = np.where(several, effective - 1, 0.0)
    pooled = float((freedom * variance).sum() / freedom.sum()) if freedom.sum() > 0 else HALF_WEIGHT_ERROR**2
    shrunk = (freedom * variance + _PRIOR * pooled) / (freedom + _PRIOR)
    error = np.sqrt(shrunk / np.maximum(effective, 1e-12))
    return np.where(known, mean, np.nan), np.where(known, error, np.nan)
