"""The outbox's file: one SQLite table, for one process. Rows are checked one by one; a broken file is set aside."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import stat
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge.errors import PublishError

log = logging.getLogger(__name__)

KEPT_ASIDE = 3
_SUFFIXES = ("-shm", "-wal", "")  # the file itself last: until it is moved, the next start tries again
_LAYOUT = 2  # PRAGMA user_version
_COLUMNS = dict.fromkeys(["end_ns", "trusted", "kept_ns", "begun_ns", "ended_ns", "refused", "digest"], "INTEGER")
_COLUMNS |= {"message": "BLOB", "topic": "TEXT", "boot": "TEXT"}  # beside the key
_NAMES = "key, message, topic, end_ns, trusted, boot, kept_ns, begun_ns, ended_ns, refused, digest"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}  # of a disk that may be well again later
_FIX = "name a file in a folder that this user may write"


@dataclass(slots=True, eq=False)
class Row:
    """A window in the outbox.

    Attributes:
        key: its place in the table; later rows have larger ones.
        message, topic: its bytes, and where they go.
        end_ns: end of its interval as the message says it, UTC nanoseconds; `trusted`: whether that is right.
        boot, kept_ns: run of the machine and monotonic nanoseconds in which it was kept.
        held: its interval in monotonic nanoseconds while it waits for a synchronized clock.
        refused: the last reason code of a refusal; 0: stopped by the privacy gate.
        state: `sent` while its answer is awaited; a `refused` one is not offered in this session.
    """

    key: int
    message: bytes
    topic: str = ""
    end_ns: int = 0
    trusted: bool = False
    boot: str | None = None
    kept_ns: int = 0
    held: tuple[int, int] | None = None
    refused: int | None = None
    state: Literal["waiting", "sent", "refused"] = "waiting"

    def values(self) -> tuple[Any, ...]:
        """As they lie in the table, a digest over all of them last."""
        begun_ns, ended_ns = self.held or (None, None)
        kept = (self.key, self.message, self.topic, self.end_ns, int(self.trusted), self.boot, self.kept_ns)
        values = (*kept, begun_ns, ended_ns, self.refused)
        return (*values, zlib.crc32(repr(values).encode()))


class BrokenDatabaseError(sqlite3.DatabaseError):
    """SQLite cannot read a file through, or it has another layout. `rows` are those that could be read."""

    rows: dict[int, Row]


class Database:
    """The open file.

    Args:
        path: made, for its owner alone, if it is missing.

    Attributes:
        rows: what was in it, by key; read once.
        spoilt: keys of rows that were not what was written.

    Raises:
        PublishError: it cannot be made, is no regular file, or another process holds it.
        BrokenDatabaseError: it is to be set aside.
        OSError, sqlite3.OperationalError: the disk takes nothing now.
    """

    def __init__(self, path: Path) -> None:
        self.rows: dict[int, Row] = {}
        self.spoilt: set[int] = set()
        self._sqlite = _connect(path)
        try:
            self._read()
        except sqlite3.OperationalError as error:
            self.close()
            if "locked" in str(error):
                raise PublishError(f"outbox.path: {path} is in use by another process", fix=_FIX) from error
            raise
        except sqlite3.DatabaseError as error:
            with suppress(sqlite3.Error):
                self._scan("DESC")  # from its other end
            self.close()
            broken = BrokenDatabaseError(str(error))
            broken.rows = dict(sorted(self.rows.items()))
            raise broken from error

    def save(self, put: Iterable[Row], gone: Iterable[int]) -> None:
        """Writes and deletes rows in one transaction, which is on the disk when this returns."""
        self._sqlite.execute("BEGIN IMMEDIATE")
        with self._sqlite:
            self._sqlite.executemany("DELETE FROM windows WHERE key = ?", [(key,) for key in gone])
            places = ", ".join("?" * (len(_COLUMNS) + 1))
            self._sqlite.executemany(
                f"INSERT OR REPLACE INTO windows ({_NAMES}) VALUES ({places})",  # noqa: S608 - constants
                [row.values() for row in put],
            )

    def clean(self) -> None:
        """Empties the log, in which deleted rows could still be read."""
        self._sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Lets go; a file that breaks on its last breath is found broken at the next start."""
        with suppress(sqlite3.Error):
            self._sqlite.close()

    def _read(self) -> None:
        sqlite = self._sqlite
        # Exclusive: a second process must not send what this one sends, and the log needs no shared memory.
        sqlite.execute("PRAGMA locking_mode = EXCLUSIVE")
        with suppress(sqlite3.OperationalError):  # a full disk: it stays in the mode in which it was
            sqlite.execute("PRAGMA journal_mode = WAL")
        sqlite.execute("PRAGMA synchronous = FULL")  # a commit is on the disk, also when the power goes next
        sqlite.execute("PRAGMA secure_delete = ON")
        sqlite.execute("BEGIN IMMEDIATE")
        with sqlite:
            layout = sqlite.execute("PRAGMA user_version").fetchone()[0]
            if not sqlite.execute("SELECT 1 FROM sqlite_master").fetchone():
                sqlite.execute("CREATE TABLE windows (key INTEGER PRIMARY KEY)")
            there = {row[1] for row in sqlite.execute("PRAGMA table_info(windows)")}
            for name in _COLUMNS.keys() - there:
                sqlite.execute(f"ALTER TABLE windows ADD COLUMN {name} {_COLUMNS[name]}")
            if layout == 0:
                sqlite.execute(f"PRAGMA user_version = {_LAYOUT}")
        self._scan("ASC")
        parts = set(sqlite.execute("SELECT type, name FROM sqlite_master"))
        verdict = sqlite.execute("PRAGMA quick_check(1)").fetchone()[0]
        if layout not in (0, _LAYOUT) or parts != {("table", "windows")} or verdict != "ok":
            raise sqlite3.DatabaseError(f"layout {layout}, {len(parts)} parts, {verdict}")

    def _scan(self, order: str) -> None:
        for key, message, topic, end_ns, trusted, boot, kept_ns, begun_ns, ended_ns, refused, digest in (
            self._sqlite.execute(f"SELECT {_NAMES} FROM windows ORDER BY key {order}")  # noqa: S608 - constants
        ):
            held = None if begun_ns is None else (begun_ns, ended_ns)
            row = Row(key, message, topic, end_ns, trusted == 1, boot, kept_ns, held, refused)
            if isinstance(message, bytes) and row.values()[-1] == digest:
                self.rows[key] = row
            else:
                self.spoilt.add(key)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW, 0o600)
        try:
            regular = stat.S_ISREG(os.fstat(handle).st_mode)
            os.fchmod(handle, 0o600)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        raise PublishError(f"outbox.path: {path} cannot be opened ({error.strerror})", fix=_FIX) from error
    if not regular:
        raise PublishError(f"outbox.path: {path} is not a regular file", fix=_FIX)
    sqlite = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    sqlite.text_factory = lambda data: data.decode("utf-8", "replace")
    return sqlite


def set_aside(path: Path, why: str) -> None:
    """Moves a broken file and its log away, under the next free number, and says so.

    Raises:
        OSError: the folder cannot be written.
    """
    number = max(_aside(path), default=0) + 1
    for suffix in _SUFFIXES:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(path.with_name(f"{part.name}.broken-{number}"))
    log.error("outbox: the database was broken (%s) and is set aside as %s.broken-%d", why, path.name, number)
    remove_aside(path)


def remove_aside(path: Path, before_s: float = 0.0) -> None:
    """Removes files that were set aside: all but the last three, and those last written before a UTC second."""
    numbers = sorted(_aside(path))
    for part in path.parent.glob(f"{path.name}*.broken-*"):
        with suppress(OSError, ValueError):
            if int(part.suffix.removeprefix(".broken-")) in numbers[:-KEPT_ASIDE] or part.stat().st_mtime < before_s:
                part.unlink()


def _aside(path: Path) -> set[int]:
    names = [part.suffix.removeprefix(".broken-") for part in path.parent.glob(f"{path.name}*.broken-*")]
    return {int(name) for name in names if name.isdecimal()}
