"""When a device sends: its slot after a moment that all devices share, and how much it sends in a minute."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

LONGEST_S = 5.0
_SHARE = 0.1  # of a window


def stagger_s(site: str, device: str, window_s: float) -> float:
    """Seconds from a shared moment to the device's slot, so that a hundred thousand devices do not send at once.

    The same at every start, even over many devices, below a tenth of a window (`window_s` seconds) and `LONGEST_S`.
    """
    digest = hashlib.sha256(f"{site}/{device}".encode()).digest()
    return min(LONGEST_S, _SHARE * window_s) * (int.from_bytes(digest[:6], "big") / 2**48)


class Pace:
    """A steady rate: so much a minute (bytes or messages), of which `burst_s` seconds' worth may be sent at once.

    Used by one thread. `now_s` gives monotonic seconds, for tests.
    """

    def __init__(self, per_minute: float, burst_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._each_s, self._burst_s, self._now_s = 60 / per_minute, burst_s, now_s
        self._paid_s = now_s() - burst_s  # up to this second, what was sent is paid for

    def wait_s(self, amount: float) -> float:
        """Seconds until so much may be sent. More than a burst may be sent after a whole burst's pause."""
        now_s = self._now_s()
        return max(max(self._paid_s, now_s - self._burst_s) + min(amount * self._each_s, self._burst_s) - now_s, 0.0)

    def spend(self, amount: float) -> None:
        """Notes that so much was sent; what could not wait may lead into debt."""
        self._paid_s = max(self._paid_s, self._now_s() - self._burst_s) + amount * self._each_s
