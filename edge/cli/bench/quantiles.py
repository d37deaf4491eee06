"""Percentiles with 95 % intervals that assume no distribution; what a sample cannot support stays blank."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np


class Percentile(msgspec.Struct, frozen=True, kw_only=True):
    """A percentile and its 95 % interval, in the sample's unit."""

    value: float
    low: float
    high: float


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """A sample in short: its size, mean and percentiles; None where `n` is too small for an interval."""

    n: int
    mean: float | None = None
    p50: Percentile | None = None
    p90: Percentile | None = None
    p99: Percentile | None = None


def summarize(samples: Sequence[float], *, digits: int = 4) -> Quantiles:
    """Mean and percentiles of a sample, rounded."""
    if not samples:
        return Quantiles(n=0)
    p50, p90, p99 = (percentile(np.sort(samples), q, digits=digits) for q in (0.5, 0.9, 0.99))
    return Quantiles(n=len(samples), mean=round(float(np.mean(samples)), digits), p50=p50, p90=p90, p99=p99)


def percentile(ordered: np.ndarray, q: float, *, digits: int = 4) -> Percentile | None:
    """One percentile of a sorted sample, with the interval between two order statistics that covers it in 95 %.

    (Conover, Practical Nonparametric Statistics, 3.2: the number of samples below the true quantile is binomial.)

    Returns:
        None where no pair of order statistics covers it: below 6 samples for the median, 36 for p90, 368 for p99.
    """
    n, k = len(ordered), np.arange(len(ordered) + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(k[1:]))])
    log_choose = log_factorial[-1] - log_factorial - log_factorial[::-1]
    below = np.cumsum(np.exp(log_choose + k * np.log(q) + (n - k) * np.log1p(-q)))  # P(at most k samples lie below)
    low, high = int(np.searchsorted(below, 0.025, side="right")) - 1, int(np.searchsorted(below, 0.975))
    if low < 0 or high > n - 1:
        return None
    value, least, most = (round(float(x), digits) for x in (np.quantile(ordered, q), ordered[low], ordered[high]))
    return Percentile(value=value, low=least, high=most)
