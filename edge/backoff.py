"""How long to wait before the next try: longer after each failure, and at random, so that devices spread out."""

from __future__ import annotations

import random

_DOUBLINGS = 16


class Backoff:
    """Delays between tries; used by one thread.

    Args:
        first_s: the longest first delay; it doubles with every failure in a row.
        longest_s: where it stops growing.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s, self._longest_s, self._failures = first_s, longest_s, 0

    def next_s(self, *, lasted: bool) -> float:
        """Seconds to wait, between half and all of the present limit; `lasted`: what ended had worked for a while."""
        self._failures = 0 if lasted else min(self._failures + 1, _DOUBLINGS)
        return min(self._longest_s, self._first_s * 2.0**self._failures) * random.uniform(0.5, 1.0)
