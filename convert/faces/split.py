"""The one split: what is held out. A fixed hash of each group decides, unless a data set declares its own split.

A group (a person, or a video) never lies on both sides; a declared split that breaks this is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from convert.errors import DataError
from convert.faces.records import LabelledFrame

VALIDATION_SHARE = 0.15


def held_out(group: str, share: float = VALIDATION_SHARE) -> bool:
    """Whether a group of pictures that belong together is validation; the same on every machine, for ever."""
    digest = hashlib.sha256(f"affect-edge validation {group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def is_held_out(frame: LabelledFrame) -> bool:
    """Whether a frame takes part in no fit: as its data set declares, or by the hash of its group."""
    return held_out(frame.group) if frame.part is None else frame.part != "train"


def refuse_leaks(frames: Iterable[LabelledFrame]) -> Iterator[LabelledFrame]:
    """Passes frames on, as long as each group keeps to one part of the declared split.

    Raises:
        DataError: a group is in two parts, or partly in none; names it and both labels.
    """
    first: dict[str, LabelledFrame] = {}
    for frame in frames:
        before = first.setdefault(frame.group, frame)
        if before.part != frame.part:
            raise DataError(
                f"{frame.group!r} is in two parts of the split: {before.part or 'none'} ({before.where}) and "
                f"{frame.part or 'none'} ({frame.where}); nobody may be in both"
            )
        yield frame
