"""What OpenCV does not tell of an MP4 or MOV file (ISO/IEC 14496-12)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

Matrix = tuple[int, int, int, int]
"""(a, b, c, d), each −1, 0 or 1: a picture's point (x, y) is shown at (a·x + c·y, b·x + d·y)."""

UPRIGHT: Matrix = (1, 0, 0, 1)
_MOST_BOXES = 10_000  # of one level; a file of nothing else must not take for ever


class Mp4(NamedTuple):
    """How the first video track is turned and mirrored, None without one; whether the file breaks off in a box."""

    matrix: Matrix | None
    cut: bool


def read_mp4(path: Path) -> Mp4 | None:
    """None if the file is neither MP4 nor MOV."""
    length = path.stat().st_size
    with path.open("rb") as file:
        top = list(_boxes(file, _Box(b"", 0, length)))
        moov = next((box for box in top if box.name == b"moov"), None)
        if moov is None and not (top and top[0].name == b"ftyp"):
            return None
        tracks = _boxes(file, moov) if moov is not None else ()
        return Mp4(next(filter(None, (_matrix(file, trak) for trak in tracks)), None), top[-1].end != length)


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


def _matrix(file: BinaryIO, trak: _Box) -> Matrix | None:
    """The signs of a video track's matrix; upright if it does not turn by quarters; None for another track."""
    handler = _find(file, trak, b"mdia", b"hdlr")
    if trak.name != b"trak" or handler is None or _read(file, handler.start + 8, 4) != b"vide":
        return None
    header = _find(file, trak, b"tkhd")
    if header is None:
        return UPRIGHT
    numbers = _read(file, header.start + (52 if _read(file, header.start, 1) == b"\1" else 40), 20)
    a, b, _, c, d = (int.from_bytes(numbers[at : at + 4], "big", signed=True) for at in range(0, 20, 4))
    if not (b == c == 0 and a and d) and not (a == d == 0 and b and c):
        return UPRIGHT
    a, b, c, d = ((number > 0) - (number < 0) for number in (a, b, c, d))
    return a, b, c, d


def _read(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
