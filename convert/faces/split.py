"""What earlier runs held out, by a fixed hash of the group; `groups.split_of` is the split of the face table."""

from __future__ import annotations

import hashlib

from convert.faces.records import LabelledFrame

VALIDATION_SHARE = 0.15


def held_out(group: str, share: float = VALIDATION_SHARE) -> bool:
    """Whether a group of pictures that belong together is validation; the same on every machine, for ever."""
    digest = hashlib.sha256(f"affect-edge validation {group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def is_held_out(frame: LabelledFrame) -> bool:
    """Whether a frame takes part in no fit: as its data set declares, or by the hash of its group."""
    return held_out(frame.group) if frame.part is None else frame.part != "train"
