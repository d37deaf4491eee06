"""The one split: which groups of pictures are held out. A fixed hash decides, so adding pictures moves none."""

from __future__ import annotations

import hashlib

VALIDATION_SHARE = 0.15


def held_out(group: str, share: float = VALIDATION_SHARE) -> bool:
    """Whether a group of pictures that belong together is validation; the same on every machine, for ever."""
    digest = hashlib.sha256(f"affect-edge validation {group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
