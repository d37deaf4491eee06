"""Percentiles with intervals that assume no distribution; what a sample cannot support stays blank."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np


class Percentile(msgspec.Struct, frozen=True, kw_only=True):
    """A percentile and its 95 % interval, in the sample's unit."""

    value: float
    low: float
    high: float


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """A sample in short. A percentile is None where `n` is too small for an interval around it.

    Attributes:
        n: samples.
        mean: of them, in their own unit; None of none.
        p50, p90, p99: percentiles.
    """

    n: int
    mean: float | None = None
    p50: Percentile | None = None
    p90: Percentile | None = None
    p99: Percentile | None = None


def summarize(samples: Sequence[float], *, digits: int = 4) -> Quantiles:
    """Mean and percentiles of a sample."""
    ordered = np.sort(np.asarray(samples, np.float64))
    if not ordered.size:
        return Quantiles(n=0)
    return Quantiles(
        n=len(ordered),
        mean=round(float(ordered.mean()), digits),
        **{name: percentile(ordered, q, digits=digits) for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))},
    )


def percentile(ordered: np.ndarray, q: float, *, digits: int = 4) -> Percentile | None:
    """One percentile of a sorted sample, with the interval between two order statistics that covers it in 95 %.

    (Conover, Practical Nonparametric Statistics, 3.2: the number of samples below the true quantile is binomial.)

    Returns:
        None where no pair of order statistics covers it: below 6 samples for the median, 36 for p90, 368 for p99.
    """
    n = len(ordered)
    below = np.cumsum([_binomial(n, k, q) for k in range(n + 1)])  # P(at most k samples lie below the quantile)
    low = int(np.searchsorted(below, 0.025, side="right")) - 1
    high = int(np.searchsorted(below, 0.975, side="left"))
    if low < 0 or high > n - 1:
        return None
    value = float(np.quantile(ordered, q))
    return Percentile(
        value=round(value, digits), low=round(float(ordered[low]), digits), high=round(float(ordered[high]), digits)
    )


def _binomial(n: int, k: int, q: float) -> float:
    choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(choose + k * math.log(q) + (n - k) * math.log1p(-q))
