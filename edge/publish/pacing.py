"""When a device sends: its slot, so that devices do not send at once, and its rate."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

LONGEST_S = 5.0
_SHARE = 0.1  # of a window


def stagger_s(site: str, device: str, window_s: float) -> float:
    """Seconds from the end of a window to the device's slot: always the same, spread evenly over many devices.

    Below a tenth of a window (`window_s` seconds) and `LONGEST_S`.
    """
    digest = hashlib.sha256(f"{site}/{device}".encode()).digest()
    return min(LONGEST_S, _SHARE * window_s) * (int.from_bytes(digest[:6], "big") / 2**48)


class Pace:
    """A rate limit: `per_minute` bytes or messages, of which `burst_s` seconds' worth may be sent at once."""

    def __init__(self, per_minute: float, burst_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._each_s, self._burst_s, self._now_s = 60 / per_minute, burst_s, now_s
        self._paid_s = now_s() - burst_s  # the rate is used up to this second

    def wait_s(self, amount: float) -> float:
        """Seconds until so much may be sent; more than a burst may be sent after a whole burst's pause."""
        now_s = self._now_s()
        return max(max(self._paid_s, now_s - self._burst_s) + min(amount * self._each_s, self._burst_s) - now_s, 0.0)

    def spend(self, amount: float) -> None:
        """Records what was sent; more than allowed makes later messages wait longer."""
        self._paid_s = max(self._paid_s, self._now_s() - self._burst_s) + amount * self._each_s
