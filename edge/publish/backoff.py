"""How long a device waits before it looks for the broker again. Owns no state and no clock."""

from __future__ import annotations

import random

_FIRST_DELAY_S = 0.5


def backoff_s(short_sessions: int, longest_s: float) -> float:
    """Seconds, longer with every failure; random, so that a site's devices do not return in step.

    Args:
        short_sessions: sessions in a row that failed or ended soon.
        longest_s: never more than this.
    """
    return min(longest_s, _FIRST_DELAY_S * 2.0 ** min(short_sessions, 16)) * random.uniform(0.5, 1.0)
