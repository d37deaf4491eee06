"""Whether one estimator agrees better with a reference than another: both on the same items, resampled together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convert.metrics import TARGETS, bootstrap_ccc, ccc


class Difference(NamedTuple):
    """CCC of two estimators of one target, and of the first less the second.

    Attributes:
        items: compared.
        groups: that were resampled as wholes; as many as items where there are none.
        ours, other: CCC with the reference.
        difference: ours less other.
        low, high: bounds of its 95% percentile bootstrap interval.
    """

    items: int
    groups: int
    ours: float
    other: float
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the interval excludes zero, otherwise `undecided`."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "undecided"


def paired_bootstrap(
    reference: ArrayLike,
    ours: ArrayLike,
    other: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n: int = 2000,
    seed: int = 0,
) -> dict[str, Difference]:
    """The difference in CCC with its interval, by target.

    Args:
        reference, ours, other: (N, 2), columns by `TARGETS`, of the same items in the same order.
        groups: (N,) names or numbers of what belongs together (a video, a person); drawn as wholes, since items of
            one group are not independent. None draws items.
        n: resamples.
        seed: of the resampling.

    Raises:
        ValueError: the shapes differ, there is no item, or there is a single group, which leaves nothing to draw.
    """
    columns = [np.asarray(values, np.float64) for values in (reference, ours, other)]
    shape = columns[0].shape
    if any(values.shape != shape for values in columns) or shape[1:] != (len(TARGETS),) or not shape[0]:
        raise ValueError(f"reference, ours and other must be (N, {len(TARGETS)}): {[v.shape for v in columns]}")
    if groups is not None and np.shape(groups) != (shape[0],):
        raise ValueError(f"groups must name each of {shape[0]} items, not {np.shape(groups)}")
    count = shape[0] if groups is None else len(np.unique(np.asarray(groups)))
    found = {}
    for t, target in enumerate(TARGETS):
        truth, first, second = (values[:, t] for values in columns)
        drawn = [bootstrap_ccc(truth, said, groups, draws=n, seed=seed) for said in (first, second)]
        if drawn[0] is None or drawn[1] is None:
            raise ValueError("all items are of one group, so nothing can be resampled; give groups=None")
        low, high = np.percentile(drawn[0] - drawn[1], [2.5, 97.5])
        a, b = ccc(truth, first), ccc(truth, second)
        found[target] = Difference(shape[0], count, a, b, a - b, float(low), float(high))
    return found
