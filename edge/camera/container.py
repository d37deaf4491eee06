"""Whether a video file's own count of its frames can be held against it.

Containers that keep no count only estimate one from their length, and an intact MP4 may hide some of its frames
by an edit list; a count that says too much would report damage where there is none.
"""

from __future__ import annotations

from pathlib import Path

_QUICKTIME = frozenset({".mp4", ".m4v", ".mov"})


def count_is_owed(path: Path) -> bool:
    """Whether every frame that the file declares should come out of it.

    True for AVI, whose header counts what was written, and for MP4 and MOV files that end before their last part
    does. False where the count proves nothing.
    """
    if path.suffix.lower() == ".avi":
        return True
    return path.suffix.lower() in _QUICKTIME and _is_cut(path)


def _is_cut(path: Path) -> bool:
    """Whether the last of an MP4's top-level boxes (ISO 14496-12, 4.2) reaches beyond the file."""
    length, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while position + 8 <= length:
            file.seek(position)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            if size == 0:  # up to the end, wherever that is
                return False
            if size < 8:
                return True
            position += size
    return position != length
