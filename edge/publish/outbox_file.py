"""The outbox's file: one SQLite table, for one process. Each row is a `Row` or the `State`, and its digest."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import stat
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from edge.clock import NS
from edge.contract import Window, decode, instant, nanoseconds
from edge.errors import PublishError

log = logging.getLogger(__name__)

_LAYOUT = 3  # PRAGMA user_version
_TABLE = "CREATE TABLE windows (key INTEGER PRIMARY KEY, data BLOB, digest INTEGER)"
_BESIDE = ("-shm", "-wal", "-journal")  # what SQLite keeps beside the file
STOPPED = 0  # in place of a reason code: the privacy gate stopped it
STATE = (0, 1)  # keys of two rows with the same `State`; windows have larger ones
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}  # the disk may work again later


class Row(msgspec.Struct, eq=False):
    """A window in the outbox, stored as MessagePack."""

    key: int  # later rows have larger ones
    message: bytes
    topic: str = ""
    end_ns: int = 0  # end of its interval in the message, UTC
    trusted: bool = False  # that end is by a synchronized clock
    boot: str | None = None  # the machine's run in which it was kept
    kept_ns: int = 0  # when it was kept, monotonic; negative: before that run
    held: tuple[int, int] | None = None  # its interval, monotonic nanoseconds, while it waits for a synchronized clock
    refused: int | None = None  # reason code of the last refusal, or `STOPPED`
    state: Literal["waiting", "sent", "refused"] = "waiting"  # `refused`: not offered in this session

    def stamped(self, start_ns: int, end_ns: int) -> Window:
        """Its window with the synchronized clock's times, if they differ by a second or more."""
        window = msgspec.structs.replace(decode(self.message, Window), clock="synced")
        moved_ns = max(abs(start_ns - nanoseconds(window.start)), abs(end_ns - nanoseconds(window.end)))
        there = {} if moved_ns < NS else {"start": instant(start_ns), "end": instant(end_ns)}
        return msgspec.structs.replace(window, **there)


class State(msgspec.Struct):
    """What the outbox stores besides windows, as JSON."""

    epoch: str  # of the latest window
    seq: int = 0  # of the latest window
    evicted: int = 0
    refused: int = 0
    interrupted: int = 0
    running: bool = True  # a run has begun and not ended in order
    from_ns: int = 0  # recent synchronized windows lie between this and `until_ns`, UTC
    until_ns: int = 0
    partial_ns: int = 0  # end of the latest of them if it was cut short: a restart may give its other part
    saved_ns: int = 0  # when this was last written, monotonic in the machine's run `boot`
    boot: str | None = None
    aside_ns: int = 0  # when a file was last set aside, likewise
    words: list[str] = []  # texts of the origins and epochs of this run and earlier ones


def carry_over(state: State, rows: Iterable[Row], boot: str | None) -> set[int]:
    """Converts times of earlier runs of the machine to negative ones of this run; returns the keys of changed rows."""
    if state.boot == boot:
        return set()
    state.aside_ns = min(state.aside_ns - state.saved_ns, 0)
    changed = [row for row in rows if row.boot != boot]
    for row in changed:
        row.kept_ns, row.boot, row.held = min(row.kept_ns - state.saved_ns, 0), boot, None
    return {row.key for row in changed}


class Database:
    """The open file; it is made, for its owner alone, if it is missing.

    Attributes:
        rows, state: its content at the start: windows by key.
        damaged: keys of rows with a wrong digest.
        broken: why the file must be set aside; empty if it is good.

    Raises:
        PublishError: it cannot be made, is no regular file, or another process uses it.
        OSError, sqlite3.OperationalError: the disk fails now.
    """

    def __init__(self, path: Path) -> None:
        self.rows: dict[int, Row] = {}
        self.state: State | None = None
        self.damaged: set[int] = set()
        self.broken = ""
        _make(path)
        self._sqlite = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self._sqlite.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            self._read()
        except sqlite3.OperationalError as error:
            self.close()
            if "locked" not in str(error):
                raise
            fix = "give each device a path of its own"
            raise PublishError(f"outbox.path: {path} is in use by another process", fix=fix) from error
        except sqlite3.DatabaseError as error:
            self.broken = str(error)
            with suppress(sqlite3.Error):
                self._scan("DESC")  # from its other end
        self.rows = dict(sorted(self.rows.items()))
        self.damaged.difference_update(STATE)

    def save(self, state: State, put: Iterable[Row], gone: Iterable[int]) -> None:
        """Writes and deletes rows in one transaction; it is on the disk when this returns."""
        kept = dict.fromkeys(STATE, msgspec.json.encode(state)) | {row.key: msgspec.msgpack.encode(row) for row in put}
        rows = [(key, data, digest(key, data)) for key, data in kept.items()]
        self._sqlite.execute("BEGIN IMMEDIATE")
        with self._sqlite:
            self._sqlite.executemany("DELETE FROM windows WHERE key = ?", [(key,) for key in gone])
            self._sqlite.executemany("INSERT OR REPLACE INTO windows VALUES (?, ?, ?)", rows)

    def clean(self) -> None:
        """Empties the write-ahead log, which still has deleted rows."""
        self._sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Closes the file; if that fails, the next start finds it broken."""
        with suppress(sqlite3.Error):
            self._sqlite.close()

    def _read(self) -> None:
        ask = self._sqlite.execute
        # Exclusive: no second process sends the same windows, and the log needs no shared memory.
        ask("PRAGMA locking_mode = EXCLUSIVE")
        with suppress(sqlite3.OperationalError):  # a full disk: the mode stays
            ask("PRAGMA journal_mode = WAL")
        ask("PRAGMA synchronous = FULL")  # a commit survives a power cut
        ask("PRAGMA secure_delete = ON")
        ask("BEGIN IMMEDIATE")
        with self._sqlite:
            layout = ask("PRAGMA user_version").fetchone()[0]
            tables = [sql for (sql,) in ask("SELECT sql FROM sqlite_master")]
            if not tables:
                layout, tables = _LAYOUT, [_TABLE]
                ask(_TABLE)
                ask(f"PRAGMA user_version = {_LAYOUT}")
        if (layout, tables) != (_LAYOUT, [_TABLE]):
            raise sqlite3.DatabaseError(f"layout {layout}, {len(tables)} parts")
        self._scan("ASC")
        verdict = ask("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)

    def _scan(self, order: str) -> None:
        found = self._sqlite.execute(f"SELECT key, data, digest FROM windows ORDER BY key {order}")  # noqa: S608
        for key, data, wanted in found:
            with suppress(TypeError, ValueError, msgspec.MsgspecError):
                if digest(key, data) == wanted:
                    if key in STATE:
                        self.state = msgspec.json.decode(data, type=State)
                    else:
                        self.rows[key] = row = msgspec.msgpack.decode(data, type=Row)
                        row.state = "refused" if row.refused == STOPPED else "waiting"
                    continue
            self.damaged.add(key)


def digest(key: int, data: bytes) -> int:
    """What SQLite does not check: that a row is what was written."""
    return zlib.crc32(data, key & 0xFFFFFFFF)


def _make(path: Path) -> None:
    fix = "name a file in a folder that this user may write"
    for beside in (path.with_name(path.name + suffix) for suffix in _BESIDE):
        if beside.is_symlink():  # SQLite would write through it
            raise PublishError(f"outbox.path: {beside} is a link", fix="remove it")
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
        raise PublishError(f"outbox.path: {path} cannot be opened ({error.strerror})", fix=fix) from error
    if not regular:
        raise PublishError(f"outbox.path: {path} is not a regular file", fix=fix)


def set_aside(path: Path, why: str) -> None:
    """Renames a broken file, and logs it; its write-ahead log and the file that was set aside before are deleted."""
    for suffix in _BESIDE:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.replace(aside := _aside(path))
    log.error("outbox: the database was broken (%s) and is set aside as %s", why, aside.name)


def remove_aside(path: Path, before_s: float) -> None:
    """Deletes the file that was set aside if it was last written before a UTC second."""
    with suppress(OSError):
        if _aside(path).lstat().st_mtime < before_s:
            _aside(path).unlink()


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.broken")
