"""How well a series of estimates agrees with its ratings, as the Aff-Wild papers measure it.

Kollias et al., "Deep Affect Prediction in-the-wild", IJCV 2019: CCC (Lin 1989), Pearson's CC, RMSE (they report
its square too) and SAGR, the share of estimates whose sign agrees with the rating's.

Moments are the population's, over N, as Lin estimates his coefficient and Kollias et al. write it: with N − 1 in
variances and covariance, but not in the distance of the means, CCC would depend on N. SAGR compares `sign(rating)` with
`sign(estimate)` (Mollahosseini et al. 2017 write it so, with Kronecker's delta), and the sign of 0 is 0: so a rating of
exactly 0 agrees with an estimate of exactly 0 alone. Taking 0 for positive would reward an estimator for saying +0.01
of a neutral face and punish one that says −0.01; leaving such faces out would make n depend on the data.

Intervals are 95% percentile bootstrap intervals that draw whole groups (persons, videos). One group leaves nothing to
draw, so it has no interval: None, never an interval of no width.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

TARGETS = ("valence", "arousal")
_DRAWS = 1000
Float64Array = NDArray[np.float64]


class Agreement(NamedTuple):
    """Agreement of one target. `ccc_low` and `ccc_high` bound the interval of `ccc`; None where there is none."""

    n: int
    ccc: float
    ccc_low: float | None
    ccc_high: float | None
    cc: float
    rmse: float
    sagr: float

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval; −1 to 1, which excludes nothing, where there is none."""
        return (-1.0, 1.0) if self.ccc_low is None or self.ccc_high is None else (self.ccc_low, self.ccc_high)


def ccc(rated: ArrayLike, estimated: ArrayLike) -> float:
    """Concordance correlation coefficient (Lin 1989), −1..1; population moments; 0 where either is constant."""
    x, y = _pair(rated, estimated)
    if _constant(x) or _constant(y):
        return 0.0
    spread = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    return float(2 * np.mean((x - x.mean()) * (y - y.mean())) / spread) if spread > 0 else 0.0


def cc(rated: ArrayLike, estimated: ArrayLike) -> float:
    """Pearson's correlation coefficient, −1..1; 0 where either is constant."""
    x, y = _pair(rated, estimated)
    if _constant(x) or _constant(y):
        return 0.0
    spread = x.std() * y.std()
    return float(np.mean((x - x.mean()) * (y - y.mean())) / spread) if spread > 0 else 0.0


def rmse(rated: ArrayLike, estimated: ArrayLike) -> float:
    """Root of the mean squared error, in the ratings' unit."""
    x, y = _pair(rated, estimated)
    return float(np.sqrt(np.mean((x - y) ** 2)))


def sagr(rated: ArrayLike, estimated: ArrayLike) -> float:
    """Sign agreement, 0–1; zero has a sign of its own, as `sign` has it, so a rating of exactly 0 rarely agrees."""
    x, y = _pair(rated, estimated)
    return float(np.mean(np.sign(x) == np.sign(y)))


def agreement(
    rated: ArrayLike, estimated: ArrayLike, *, groups: ArrayLike | None = None, draws: int = _DRAWS, seed: int = 0
) -> Agreement:
    """All of the above, with a bootstrap interval for CCC.

    Args:
        rated, estimated: (N,), −1..1.
        groups: (N,) of what belongs together, as the frames of one video; drawn whole. None: each by itself.
        draws: bootstrap resamples.
        seed: of the resampling.

    Raises:
        ValueError: the lengths differ or N is 0.
    """
    x, y = _pair(rated, estimated)
    low, high = interval(bootstrap_ccc(x, y, groups, draws=draws, seed=seed))
    return Agreement(x.size, ccc(x, y), low, high, cc(x, y), rmse(x, y), sagr(x, y))


def interval(drawn: Float64Array | None) -> tuple[float, float] | tuple[None, None]:
    """The 95% percentile interval of bootstrap draws; (None, None) where nothing could be drawn."""
    if drawn is None:
        return None, None
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def bootstrap_ccc(
    rated: ArrayLike, estimated: ArrayLike, groups: ArrayLike | None = None, *, draws: int = _DRAWS, seed: int = 0
) -> Float64Array | None:
    """CCC of resamples of whole groups, float64 (draws,); None with a single group.

    The same groups and seed draw the same groups, so draws of two estimators may be subtracted.
    """
    x, y = _pair(rated, estimated)
    x, y = x - x.mean(), y - x.mean()  # near zero, so that squares lose no digits
    drawn = bootstrap_means(np.stack([x, y, x * x, y * y, x * y], axis=1), groups, draws=draws, seed=seed)
    if drawn is None:
        return None
    mx, my, xx, yy, xy = drawn.T
    spread = (xx - mx**2) + (yy - my**2) + (mx - my) ** 2
    return np.where(spread > 1e-12, 2 * (xy - mx * my) / np.maximum(spread, 1e-12), 0.0)


def bootstrap_means(
    values: Float64Array, groups: ArrayLike | None = None, *, draws: int = _DRAWS, seed: int = 0
) -> Float64Array | None:
    """Means of columns over resamples of whole groups: of (N, K), float64 (draws, K); None with a single group."""
    of = np.arange(len(values)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    count = int(of.max()) + 1
    if count < 2:
        return None
    sums = np.zeros((count, values.shape[1] + 1))
    np.add.at(sums, of, np.column_stack([values, np.ones(len(values))]))
    rng = np.random.default_rng(seed)
    times = np.stack([np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(draws)])
    total = times @ sums
    return np.asarray(total[:, :-1] / total[:, -1:], np.float64)


def _constant(values: Float64Array) -> bool:
    """By its values: the variance of equal numbers may be rounded to something above 0."""
    return bool((values == values[0]).all())


def _pair(rated: ArrayLike, estimated: ArrayLike) -> tuple[Float64Array, Float64Array]:
    x, y = np.asarray(rated, np.float64).ravel(), np.asarray(estimated, np.float64).ravel()
    if x.size != y.size or not x.size:
        raise ValueError(f"{x.size} ratings for {y.size} estimates")
    return x, y
