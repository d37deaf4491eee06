"""A token bucket: how much may leave now, and how long the next must wait."""

from __future__ import annotations

import time
from collections.abc import Callable


class TokenBucket:
    """Fills at a steady rate up to a capacity. Used by one thread.

    Args:
        per_minute: tokens that come back in a minute.
        capacity: the most that can be saved up, and what it starts with.
        now_s: monotonic seconds, for tests.
    """

    def __init__(self, per_minute: float, capacity: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_minute / 60
        self._capacity = capacity
        self._now_s = now_s
        self._tokens = capacity
        self._filled_s = now_s()

    def take(self, tokens: float) -> bool:
        """Takes that many, or none when they are not there. More than the capacity are there when it is full."""
        self._fill()
        if self._tokens < min(tokens, self._capacity):
            return False
        self._tokens -= tokens
        return True

    def charge(self, tokens: float) -> None:
        """Takes that many at once, into debt where need be: for what must not wait."""
        self._fill()
        self._tokens -= tokens

    def wait_s(self, tokens: float) -> float:
        """Seconds until that many are there."""
        self._fill()
        return max(min(tokens, self._capacity) - self._tokens, 0.0) / self._per_s

    def _fill(self) -> None:
        now_s = self._now_s()
        self._tokens = min(self._capacity, self._tokens + (now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s
