"""How long after a moment that all devices share one of them speaks, so that a hundred thousand do not at once."""

from __future__ import annotations

import hashlib

LONGEST_S = 5.0
_SHARE = 0.1  # of a window


def stagger_s(site: str, device: str, window_s: float) -> float:
    """Seconds, the same for one device at every start and even over many; below a tenth of a window and `LONGEST_S`.

    Args:
        site, device: whose.
        window_s: length of a window, seconds.
    """
    digest = hashlib.sha256(f"{site}/{device}".encode()).digest()
    return min(LONGEST_S, _SHARE * window_s) * (int.from_bytes(digest[:6], "big") / 2**48)
