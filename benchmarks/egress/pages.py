"""SQLite's files as they were written: every byte of every page image, in use or not.

Reads the log (WAL) with its checksums, the journal's head, and table pages. Follows how SQLite works: a page image in
the database is one that stood in the log before, and what lies unused in a page is what an earlier image had there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PAGE = 4096
_WAL_HEAD, _FRAME_HEAD, _JOURNAL_HEAD, _FILE_HEAD = 32, 24, 512, 100
_WAL_MAGIC, _WAL_FORMAT = (0x377F0682, 0x377F0683), 3007000
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_LEAF, _INTERIOR = 13, 5
_BOOKKEEPING = 4  # bytes of a free block's head, which may outlive it
_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)  # of a record's values, by serial type


class PageError(ValueError):
    """Bytes in a file of the outbox that SQLite did not put there; says what, never which."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One row as it lies in a page: its number, its values, its bytes."""

    number: int
    values: tuple[Any, ...]
    data: bytes


@dataclass(slots=True)
class Books:
    """What the bytes of one write were, and the rows in it."""

    parts: dict[str, int] = field(default_factory=dict)
    rows: list[Cell] = field(default_factory=list)

    def add(self, what: str, size: int) -> None:
        if size:
            self.parts[what] = self.parts.get(what, 0) + size


class Database:
    """Follows the writes to one database, its log and its journal, in order."""

    def __init__(self) -> None:
        self._images: dict[int, bytes] = {}
        self._seen: dict[int, list[bytes]] = {}
        self._cells: list[bytes] = []
        self._log = bytearray()
        self._salts = b""
        self._sums = (0, 0)
        self._order = ">"

    def write(self, suffix: str, offset: int, data: bytes) -> Books:
        """Takes one write.

        Args:
            suffix: empty for the database, `-wal` or `-journal`.
            offset: where in the file.
            data: what.

        Raises:
            PageError: something that SQLite would not write there.
        """
        books = Books()
        if suffix == "-wal":
            self._write_log(offset, data, books)
        elif suffix == "-journal":
            _write_journal(offset, data, books)
        else:
            self._write_page(offset, data, books)
        return books

    def _write_log(self, offset: int, data: bytes, books: Books) -> None:
        place, inside = divmod(offset - _WAL_HEAD, _FRAME_HEAD + PAGE)
        if offset == 0 and len(data) == _WAL_HEAD:
            magic, layout, size = struct.unpack(">3I", data[:12])
            if magic not in _WAL_MAGIC or layout != _WAL_FORMAT or size != PAGE:
                raise PageError("a log's head that is not SQLite's")
            self._order, self._salts = (">" if magic & 1 else "<"), data[16:24]
            self._sums = self._checksum((0, 0), data[:24])
            if struct.pack(">2I", *self._sums) != data[24:]:
                raise PageError("a log's head with a false checksum")
            books.add("heads and checksums", _WAL_HEAD)
        elif place >= 0 and inside == 0 and len(data) == _FRAME_HEAD:
            if data[8:16] != self._salts:
                raise PageError("a log entry that does not belong to its log")
            self._log[:] = data
            books.add("heads and checksums", _FRAME_HEAD)
        elif place >= 0 and inside == _FRAME_HEAD and len(data) == PAGE and self._log:
            head, self._log = bytes(self._log), bytearray()
            sums = self._checksum(self._checksum(self._sums, head[:8]), data)
            if struct.pack(">2I", *sums) != head[16:]:
                raise PageError("a log entry with a false checksum")
            self._sums = sums
            number = int.from_bytes(head[:4], "big")
            self._read_page(number, data, books)
            self._images[number] = data
            self._seen.setdefault(number, []).append(data)
        else:
            raise PageError("bytes in the log that are no head and no page")

    def _checksum(self, sums: tuple[int, int], data: bytes) -> tuple[int, int]:
        first, second = sums
        words = struct.unpack(f"{self._order}{len(data) // 4}I", data)
        for even, odd in zip(words[::2], words[1::2], strict=True):
            first = (first + even + second) & 0xFFFFFFFF
            second = (second + odd + first) & 0xFFFFFFFF
        return first, second

    def _write_page(self, offset: int, data: bytes, books: Books) -> None:
        number, inside = divmod(offset, PAGE)
        if inside or len(data) != PAGE:
            raise PageError("bytes in the database that are no page")
        number += 1
        known = self._images.get(number)
        if known is None and number == 1:  # the first page of a new database, before there is a log
            self._read_page(1, data, books)
            self._images[1] = data
            self._seen.setdefault(1, []).append(data)
        elif known == data:
            books.add("pages copied from the log", PAGE)
        else:
            raise PageError("a page in the database that was not in its log")

    def _read_page(self, number: int, data: bytes, books: Books) -> None:
        used = bytearray(PAGE)
        begin = _FILE_HEAD if number == 1 else 0
        if begin:
            if not data.startswith(b"SQLite format 3\0") or any(data[72:92]):
                raise PageError("a first page that is not SQLite's")
            _mark(used, 0, _FILE_HEAD)
        kind = data[begin]
        if kind not in (_LEAF, _INTERIOR):
            self._check_unused(number, data, used, books)  # a page that is free: nothing in it is new
            return
        head = 12 if kind == _INTERIOR else 8
        free, count, _, _ = struct.unpack(">HHHB", data[begin + 1 : begin + 8])
        pointers = struct.unpack(f">{count}H", data[begin + head : begin + head + 2 * count])
        _mark(used, begin, begin + head + 2 * count)
        while free:
            following, size = struct.unpack(">HH", data[free : free + 4])
            _mark(used, free, free + _BOOKKEEPING)
            if following and following < free + size:
                raise PageError("free blocks of a page that are out of order")
            free = following
        books.add("heads and checksums", sum(used))
        for pointer in pointers:
            cell, end = _read_cell(data, pointer, kind)
            _mark(used, pointer, end)
            self._cells.append(data[pointer:end])
            if cell is not None:
                books.rows.append(cell)
            books.add("rows of the outbox" if cell else "heads and checksums", end - pointer)
        self._check_unused(number, data, used, books)

    def _check_unused(self, number: int, data: bytes, used: bytearray, books: Books) -> None:
        """Unused bytes are zero, or were there in an earlier image, or are of a row that was read."""
        before = self._seen.get(number, [])
        for begin, end in _runs(used):
            strange = [
                at for at in range(begin, end) if data[at] and not any(image[at] == data[at] for image in before)
            ]
            for first, last in _neighbours(strange):
                run = data[first:last]
                if last - first > _BOOKKEEPING and not any(run in cell for cell in self._cells):
                    raise PageError(f"{last - first} bytes in an unused part of page {number} that were no row before")
            books.add("unused parts: zero, or left of rows that were read", end - begin)


def _write_journal(offset: int, data: bytes, books: Books) -> None:
    # Of a new database only: its journal has a head, and no page, since there was none before.
    # It is written twice: its mark stays zero until the rest is on the disk.
    marked = data.startswith(_JOURNAL_MAGIC) if len(data) == 12 else not any(data[:12]) and len(data) == _JOURNAL_HEAD
    if offset != 0 or not marked or any(data[28:]):
        raise PageError("bytes in the journal that are not its head")
    books.add("heads and checksums", len(data))


def _read_cell(data: bytes, at: int, kind: int) -> tuple[Cell | None, int]:
    """The row at a place of a table page, and where it ends; None on an inner page, which has numbers only."""
    if kind == _INTERIOR:
        return None, _varint(data, at + 4)[1]
    size, body = _varint(data, at)
    number, body = _varint(data, body)
    end = body + size
    if end > PAGE:
        raise PageError("a row that reaches over its page")
    head_size, where = _varint(data, body)
    head_end, place, values = body + head_size, body + head_size, []
    while where < head_end:
        serial, where = _varint(data, where)
        width = _SIZES[serial] if serial < len(_SIZES) else (serial - 12) // 2
        raw = data[place : place + width]
        place += width
        values.append(_value(serial, raw))
    if place != end:
        raise PageError("a row with something behind its last value")
    return Cell(number, tuple(values), data[at:end]), end


def _value(serial: int, raw: bytes) -> Any:
    if serial == 0:
        return None
    if serial in (8, 9):
        return serial - 8
    if serial < 7:
        return int.from_bytes(raw, "big", signed=True)
    if serial == 7:
        return struct.unpack(">d", raw)[0]
    return raw if serial % 2 == 0 else raw.decode("utf-8", "backslashreplace")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count in range(8):
        value = value << 7 | data[at + count] & 0x7F
        if not data[at + count] & 0x80:
            return value, at + count + 1
    return value << 8 | data[at + 8], at + 9


def _mark(used: bytearray, begin: int, end: int) -> None:
    if end > PAGE or any(used[begin:end]):
        raise PageError("parts of a page that overlap")
    used[begin:end] = b"\1" * (end - begin)


def _runs(used: bytearray) -> Iterator[tuple[int, int]]:
    return _neighbours([at for at in range(PAGE) if not used[at]])


def _neighbours(places: list[int]) -> Iterator[tuple[int, int]]:
    """Rows of places that follow each other: first, and one behind the last."""
    begin = 0
    for index in range(1, len(places) + 1):
        if index == len(places) or places[index] != places[index - 1] + 1:
            yield places[begin], places[index - 1] + 1
            begin = index
