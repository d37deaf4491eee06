"""What OpenCV does not tell of an MP4 or MOV file (ISO/IEC 14496-12)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

Matrix = tuple[int, int, int, int]
"""(a, b, c, d), each −1, 0 or 1: a picture's point (x, y) is shown at (a·x + c·y, b·x + d·y)."""

UPRIGHT: Matrix = (1, 0, 0, 1)
_MOST_BOXES = 10_000  # of one level; a file of nothing else must not take for ever


def read_matrix(path: Path) -> Matrix | None:
    """How the first video track is turned and mirrored; None if this is no such file, or broken."""
    with path.open("rb") as file:
        moov = _find(file, _Box(b"", 0, path.stat().st_size), b"moov")
        for trak in _boxes(file, moov) if moov is not None else ():
            handler = _find(file, trak, b"mdia", b"hdlr")
            if trak.name == b"trak" and handler is not None and _read(file, handler.start + 8, 4) == b"vide":
                header = _find(file, trak, b"tkhd")
                return UPRIGHT if header is None else _matrix(file, header)
    return None


def is_mp4(path: Path) -> bool:
    """Whether a file begins as an MP4 does."""
    with path.open("rb") as file:
        return file.read(8)[4:] == b"ftyp"


def is_cut(path: Path) -> bool:
    """Whether the file does not end where its last box does."""
    length = end = path.stat().st_size
    with path.open("rb") as file:
        for box in _boxes(file, _Box(b"", 0, length)):
            end = box.end
    return end != length


class _Box(NamedTuple):
    name: bytes
    start: int  # of its content
    end: int


def _boxes(file: BinaryIO, around: _Box) -> Iterator[_Box]:
    position = around.start
    for _ in range(_MOST_BOXES):
        if position + 8 > around.end:
            return
        head = _read(file, position, 16)
        size, start = int.from_bytes(head[:4], "big"), position + 8
        if size == 1:
            size, start = int.from_bytes(head[8:], "big"), position + 16
        elif size == 0:  # up to the end, wherever that is
            size = around.end - position
        if size < start - position:
            return
        position += size
        yield _Box(head[4:8], start, position)


def _find(file: BinaryIO, box: _Box, *names: bytes) -> _Box | None:
    """The box below another, by the names on the way."""
    found: _Box | None = box
    for name in names:
        found = next((one for one in _boxes(file, found) if one.name == name), None) if found else None
    return found


def _matrix(file: BinaryIO, header: _Box) -> Matrix:
    """The signs of a track header's matrix; upright if it does not turn by quarters."""
    numbers = _read(file, header.start + (52 if _read(file, header.start, 1) == b"\1" else 40), 20)
    a, b, _, c, d = (int.from_bytes(numbers[at : at + 4], "big", signed=True) for at in range(0, 20, 4))
    if not (b == c == 0 and a and d) and not (a == d == 0 and b and c):
        return UPRIGHT
    a, b, c, d = ((number > 0) - (number < 0) for number in (a, b, c, d))
    return a, b, c, d


def _read(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
