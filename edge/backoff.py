"""How long to wait before the next try: longer after every failure up to a limit, and never in step with others."""

from __future__ import annotations

import random
from collections.abc import Callable

_DOUBLINGS = 16


class Backoff:
    """Delays between tries. Used by one thread.

    Args:
        first_s: the longest first delay, after something that lasted; it doubles with every failure.
        longest_s: where it stops growing.
        uniform: gives a number between two, for tests.
    """

    def __init__(
        self, first_s: float, longest_s: float, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._uniform = uniform
        self._failures = 0

    def next_s(self, *, lasted: bool) -> float:
        """Seconds to wait now; between half and all of the present limit, so that a site's devices spread out.

        Args:
            lasted: what just ended had been good for a while, so that this is no failure in a row.
        """
        self._failures = 0 if lasted else min(self._failures + 1, _DOUBLINGS)
        return min(self._longest_s, self._first_s * 2.0**self._failures) * self._uniform(0.5, 1.0)
