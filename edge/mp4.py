"""What an MP4 or MOV file (ISO/IEC 14496-12) says of its picture that OpenCV does not pass on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_MOST_BOXES = 10_000  # of one level; a file of nothing else must not take for ever
_FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_UPRIGHT = (1, 0, 0, 1)


class Track(NamedTuple):
    """The first video track.

    Attributes:
        matrix: (a, b, c, d), each −1, 0 or 1: a picture's point (x, y) is shown at (a·x + c·y, b·x + d·y).
        codec: four characters, such as `avc1`; empty where the file does not say.
    """

    matrix: tuple[int, int, int, int] = _UPRIGHT
    codec: str = ""


def read_track(path: Path) -> Track | None:
    """Reads how the first video track is to be turned or mirrored; None where this is no MP4 or MOV file, or broken."""
    with path.open("rb") as file:
        if file.read(8)[4:] not in _FIRST:
            return None
        moov = next((box for box in _boxes(file, 0, path.stat().st_size) if box.name == b"moov"), None)
        if moov is None:
            return None
        whole = _UPRIGHT
        for box in _boxes(file, moov.start, moov.end):
            if box.name == b"mvhd":
                whole = _matrix(file, box, 36, 48)
            elif box.name == b"trak" and (track := _video_track(file, box)) is not None:
                return track._replace(matrix=_product(track.matrix, whole))
    return None


def is_cut(path: Path) -> bool:
    """Whether the last of the file's boxes reaches beyond its end, or what follows them is none."""
    length, end = path.stat().st_size, 0
    with path.open("rb") as file:
        for box in _boxes(file, 0, length):
            end = box.end
    return end != length


class _Box(NamedTuple):
    name: bytes
    start: int  # of what is in it
    end: int


def _boxes(file: BinaryIO, position: int, end: int) -> Iterator[_Box]:
    for _ in range(_MOST_BOXES):
        if position + 8 > end:
            return
        file.seek(position)
        head = file.read(16)
        size, start = int.from_bytes(head[:4], "big"), position + 8
        if size == 1:
            size, start = int.from_bytes(head[8:16], "big"), position + 16
        elif size == 0:  # up to the end, wherever that is
            size = end - position
        if size < start - position:
            return
        yield _Box(head[4:8], start, position + size)
        position += size


def _find(file: BinaryIO, box: _Box, *names: bytes) -> _Box | None:
    """The box below another, by its path."""
    found: _Box | None = box
    for name in names:
        if found is None:
            return None
        found = next((one for one in _boxes(file, found.start, found.end) if one.name == name), None)
    return found


def _video_track(file: BinaryIO, trak: _Box) -> Track | None:
    handler = _find(file, trak, b"mdia", b"hdlr")
    if handler is None or _bytes(file, handler.start + 8, 4) != b"vide":
        return None
    header = _find(file, trak, b"tkhd")
    table = _find(file, trak, b"mdia", b"minf", b"stbl", b"stsd")
    return Track(
        matrix=_UPRIGHT if header is None else _matrix(file, header, 40, 52),
        codec="" if table is None else _bytes(file, table.start + 12, 4).decode("latin-1"),
    )


def _matrix(file: BinaryIO, box: _Box, short: int, long: int) -> tuple[int, int, int, int]:
    """The four signs of a header's matrix; upright where it is no turn by quarters."""
    version = _bytes(file, box.start, 1)
    numbers = _bytes(file, box.start + (long if version == b"\1" else short), 20)
    a, b, _, c, d = (int.from_bytes(numbers[at : at + 4], "big", signed=True) for at in range(0, 20, 4))
    signs = (_sign(a), _sign(b), _sign(c), _sign(d))
    straight = (b == c == 0 and a and d) or (a == d == 0 and b and c)
    return signs if straight else _UPRIGHT


def _product(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    (a, b, c, d), (e, f, g, h) = one, other
    return a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _bytes(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
