"""Whether one estimator agrees better with a reference than another: both on the same items, resampled together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convert.metrics import TARGETS, ccc, resample


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
    count = _count_groups(groups, shape[0])
    draws = list(resample(shape[0], groups, np.random.default_rng(seed), n))
    found = {}
    for t, target in enumerate(TARGETS):
        truth, first, second = (values[:, t] for values in columns)
        spread = [ccc(truth[pick], first[pick]) - ccc(truth[pick], second[pick]) for pick in draws]
        low, high = np.percentile(spread, [2.5, 97.5])
        a, b = ccc(truth, first), ccc(truth, second)
        found[target] = Difference(
            items=shape[0], groups=count, ours=a, other=b, difference=a - b, low=float(low), high=float(high)
        )
    return found


def _count_groups(groups: ArrayLike | None, count: int) -> int:
    if groups is None:
        return count
    names = np.asarray(groups)
    if names.shape != (count,):
        raise ValueError(f"groups must name each of {count} items, not {names.shape}")
    found = len(np.unique(names))
    if found == 1:
        raise ValueError("all items are of one group, so nothing can be resampled; give groups=None")
    return found


HEADER = "| data | target | n | ours CCC | other CCC | difference [95%] | ours is |\n|---|---|---|---|---|---|---|"


def to_markdown_rows(data: str, differences: Mapping[str, Difference]) -> str:
    """Rows under `HEADER`, one a target; `data` says what was compared on what."""
    rows = []
    for target, found in differences.items():
        count = str(found.items) if found.groups == found.items else f"{found.items} in {found.groups} groups"
        interval = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
        cells = [data, target, count, f"{found.ours:.3f}", f"{found.other:.3f}", interval, found.verdict]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)
