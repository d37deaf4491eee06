"""The outbox's file: opened by one process, checked through, and set aside when it is not what was written.

Owns the schema and the file's place. SQLite notices torn pages and cut logs, but not a flipped bit inside a payload:
each row therefore carries a digest, and a database with a single false row is no longer trusted as a whole.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config import OutboxConfig
from edge.errors import PublishError
from edge.publish.payload import MAX_BYTES

log = logging.getLogger(__name__)

_LAYOUT = 1  # PRAGMA user_version
_KEPT_ASIDE = 3  # broken databases that are kept for whoever wants to look; a dying card must not fill itself
_LONGEST = (2 * MAX_BYTES, 64, 64)  # bytes of a payload, of a digest and of a boot id
_SCHEMA = """
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL DEFAULT 0,
    evicted INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    interrupted INTEGER NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    reach BLOB NOT NULL DEFAULT x'5b5d',
    reach_partial INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE windows (
    seq INTEGER PRIMARY KEY,
    payload BLOB NOT NULL,
    digest BLOB NOT NULL,
    refused INTEGER,
    counted INTEGER NOT NULL DEFAULT 0,
    boot TEXT,
    begun INTEGER,
    ended INTEGER
);
"""
# What came after the first release; a database from before gets it when it is opened.
_LATER_COLUMNS = {"reach": "BLOB NOT NULL DEFAULT x'5b5d'", "reach_partial": "INTEGER NOT NULL DEFAULT 0"}  # of `state`


class BrokenDatabaseError(sqlite3.DatabaseError):
    """A database that cannot be trusted; never leaves this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A window as it lies in the database.

    Attributes:
        seq, payload: its number and its JSON.
        boot, begun, ended: run of the machine and monotonic nanoseconds, while its stamps are not final.
    """

    seq: int
    payload: bytes
    boot: str | None = None
    begun: int | None = None
    ended: int | None = None

    @property
    def digest(self) -> bytes:
        """16 bytes over all of it; a row that does not hash to its own is not what was written."""
        said = f"{self.seq}/{self.boot}/{self.begun}/{self.ended}/".encode()
        return hashlib.sha256(said + self.payload).digest()[:16]


COLUMNS = "seq, payload, boot, begun, ended, digest"


def read_rows(found: Iterable[tuple[Any, ...]]) -> Iterator[Row]:
    """Rows from a query for `COLUMNS`.

    Raises:
        BrokenDatabaseError: one is not what was written.
    """
    for seq, payload, boot, begun, ended, written in found:
        row = Row(seq=seq, payload=payload, boot=boot, begun=begun, ended=ended) if isinstance(payload, bytes) else None
        if row is None or written != row.digest:
            raise BrokenDatabaseError(f"window {seq} is not what was written")
        yield row


def open_database(path: Path, *, epoch: str | None = None) -> tuple[sqlite3.Connection, int]:
    """Opens or makes the outbox's database, for this process alone.

    Args:
        path: the file; its folder is made where it is missing.
        epoch: of a new database; random when not given.

    Returns:
        The connection, in autocommit mode, and how many broken databases had to be set aside for it.

    Raises:
        PublishError: the file cannot be made or read, or another process holds it.
    """
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise PublishError(f"outbox.path: {path.parent} cannot be made ({error.strerror})") from error
    aside = 0
    while True:
        try:
            return _open(path, epoch), aside
        except BrokenDatabaseError as error:
            if aside:
                raise PublishError(
                    f"outbox.path: {path} cannot be made ({error}); is the disk full or dying?"
                ) from error
            set_aside(path, str(error))
            aside += 1


def memory_database(epoch: str | None = None) -> sqlite3.Connection:
    """A database that lasts as long as the process, for a demonstration."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _create(connection, epoch)
    _extend(connection)
    return connection


def set_aside(path: Path, why: str) -> None:
    """Moves a database and its log away, under the next free number, and says so.

    Raises:
        PublishError: the folder cannot be written.
    """
    numbers = sorted(int(old.name.rpartition("-")[2]) for old in _set_aside_before(path))
    number = numbers[-1] + 1 if numbers else 1
    try:
        for suffix in ("-shm", "-wal", ""):  # the database last: until then the next start tries again
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(path.with_name(f"{path.name}{suffix}.broken-{number}"))
        for old in numbers[: -(_KEPT_ASIDE - 1)]:
            for suffix in ("-shm", "-wal", ""):
                path.with_name(f"{path.name}{suffix}.broken-{old}").unlink(missing_ok=True)
    except OSError as error:
        raise PublishError(f"outbox.path: {path} is broken and cannot be set aside ({error.strerror})") from error
    log.error("outbox: the database was broken (%s) and is set aside as %s.broken-%d", why, path.name, number)


def _set_aside_before(path: Path) -> list[Path]:
    return [old for old in path.parent.glob(f"{path.name}.broken-*") if old.name.rpartition("-")[2].isdecimal()]


def _open(path: Path, epoch: str | None) -> sqlite3.Connection:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o640)
        regular = stat.S_ISREG(os.fstat(handle).st_mode)
        os.close(handle)
    except OSError as error:
        raise PublishError(f"outbox.path: {path} cannot be opened ({error.strerror})") from error
    if not regular:
        raise PublishError(f"outbox.path: {path} is not a regular file; name one, or one that is not there yet")
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        # Exclusive: a second process must not send what this one sends, and the log needs no shared memory.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk, also when the power goes next
        connection.execute("PRAGMA journal_size_limit = 1048576")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0 and not _tables(connection):
            _create(connection, epoch)
        _check(connection)
        _extend(connection)
    except BrokenDatabaseError:
        connection.close()
        raise
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the second: SQLite's own words quote what is broken
        connection.close()
        if "locked" in str(error):
            raise PublishError(
                f"outbox.path: {path} is in use by another process; give each device a path of its own"
            ) from error
        raise BrokenDatabaseError(str(error)) from error
    return connection


def _create(connection: sqlite3.Connection, epoch: str | None) -> None:
    connection.execute("BEGIN IMMEDIATE")
    with connection:  # commits
        for statement in filter(str.strip, _SCHEMA.split(";")):
            connection.execute(statement)
        connection.execute("INSERT INTO state (one, epoch) VALUES (1, ?)", (epoch or secrets.token_hex(4),))
        connection.execute(f"PRAGMA user_version = {_LAYOUT}")


def _extend(connection: sqlite3.Connection) -> None:
    """Adds what came later. Nothing is removed and the layout's number stays: an older release reads it still."""
    there = {row[1] for row in connection.execute("PRAGMA table_info(state)")}
    for name, kind in _LATER_COLUMNS.items():
        if name not in there:
            connection.execute(f"ALTER TABLE state ADD COLUMN {name} {kind}")


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _check(connection: sqlite3.Connection) -> None:
    """Reads all of it once: a few thousand rows of a kilobyte take well under a second."""
    layout = connection.execute("PRAGMA user_version").fetchone()[0]
    if layout != _LAYOUT:
        raise BrokenDatabaseError(f"layout {layout}, this release knows {_LAYOUT}")
    long = "LENGTH(payload) > ? OR LENGTH(digest) > ? OR LENGTH(boot) > ?"  # known without reading them
    if connection.execute(f"SELECT 1 FROM windows WHERE {long} LIMIT 1", _LONGEST).fetchone():  # noqa: S608
        raise BrokenDatabaseError("a window is longer than any that was written")
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        raise BrokenDatabaseError(str(verdict))
    state = connection.execute("SELECT epoch, seq, evicted, refused, interrupted FROM state").fetchall()
    if len(state) != 1:
        raise BrokenDatabaseError("its state is missing")
    epoch, *numbers = state[0]
    well_formed = isinstance(epoch, str) and len(epoch) == 8 and set(epoch) <= set("0123456789abcdef")
    if not well_formed or not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise BrokenDatabaseError("its state is not what was written")
    for row in read_rows(connection.execute(f"SELECT {COLUMNS} FROM windows")):  # noqa: S608 - a constant
        if row.seq > numbers[0]:
            raise BrokenDatabaseError(f"window {row.seq} was never given out")


def close_database(connection: sqlite3.Connection) -> None:
    """Lets go; a database that breaks on its last breath is found broken at the next start."""
    with suppress(sqlite3.Error):
        connection.close()


def outbox_path(limits: OutboxConfig, site: str, device: str, state: str, home: Path) -> Path:
    """Where the database lies.

    Args:
        limits: `path` decides when it is given.
        site, device: part of the default, so that two devices of one user do not share it.
        state: the service manager's `STATE_DIRECTORY`, empty without one.
        home: of the user.
    """
    if limits.path:
        return Path(limits.path)
    if state:
        return Path(state.partition(":")[0]) / "outbox.db"
    return home / ".local" / "state" / "affect-edge" / f"{site}-{device}" / "outbox.db"
