"""Whether the camera was moved, from where faces appear: their places and sizes, no picture.

The first visits of a run are the reference. The latest ones are compared with it, in each of three numbers: across,
down, and the logarithm of the size. The distance is Kolmogorov and Smirnov's, the largest difference between two
distributions: it knows no unit and no outlier moves it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edge.affect.presence import VisitRecord

ENOUGH = 120  # visits, of the reference and of the latest ones
_FAR = 0.45  # distance from which the camera counts as moved
_BACK = 0.3  # and up to which it does no more


class Moved:
    """Compares the latest visits with the first ones.

    Attributes:
        alarm: whether the camera was moved; None before there are visits enough.
    """

    def __init__(self) -> None:
        self.alarm: bool | None = None
        self._first: list[tuple[float, float, float]] = []
        self._latest: deque[tuple[float, float, float]] = deque(maxlen=ENOUGH)

    def add(self, visits: Iterable[VisitRecord], frame_px: tuple[int, int]) -> None:
        """Adds the visits of a closed window."""
        width, height = frame_px
        for visit in visits:
            x, y = ((a + b) / 2 for a, b in zip(visit.began[:2], visit.ended[:2], strict=True))
            place = (x / width, y / height, float(np.log2(max(visit.ended.size, 1.0) / width)))
            if len(self._first) < ENOUGH:
                self._first.append(place)
            else:
                self._latest.append(place)
        if len(self._latest) == ENOUGH:
            apart = distance(np.array(self._first), np.array(self._latest))
            self.alarm = apart > (_BACK if self.alarm else _FAR)


def distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Kolmogorov and Smirnov's distance, 0 to 1, of the column that differs most; (N, K) and (M, K)."""
    both = np.sort(np.concatenate([one, other]), axis=0)
    return max(
        float(np.abs(_share(column_one, at) - _share(column_other, at)).max())
        for column_one, column_other, at in zip(one.T, other.T, both.T, strict=True)
    )


def _share(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.searchsorted(np.sort(values), at, side="right") / len(values)
