"""The outbox on disk: a closed window survives a power cut, a kill and a restart until the broker holds it.

Owns the connection to the database. Every change is one transaction that is on the disk when the call returns.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from edge.clock import NS, Clock
from edge.config import OutboxConfig
from edge.errors import PublishError
from edge.publish.database import close_database, digest, memory_database, open_database, set_aside
from edge.publish.message import Origin, nanoseconds, number_window
from edge.publish.outbox import OutboxCounts
from edge.publish.payload import WindowPayload, decode_window, encode
from edge.types import WindowAggregate

log = logging.getLogger(__name__)

ROW_BYTES = 96  # what a row costs beside its payload, about
_DAY_NS = 86_400 * NS
_Answer = TypeVar("_Answer")


class DurableOutbox:
    """An `Outbox` in an SQLite database; when it is full, the oldest window goes and is counted.

    A database that turns out to be broken is set aside, with whatever was in it, and an empty one with an epoch of
    its own takes its place. A disk that takes nothing any more costs windows, which are counted, and nothing else.

    Args:
        path: the file; None keeps everything in memory.
        limits: bytes and age.
        clock: tells how old a window is; while it is not synchronized, none is too old.
        epoch: of a new database; random when not given.

    Raises:
        PublishError: the file cannot be made, or another process uses it.
    """

    def __init__(self, path: Path | None, limits: OutboxConfig, clock: Clock, *, epoch: str | None = None) -> None:
        self._path = path
        self._limit_bytes = int(limits.max_mb * 1e6)
        self._limit_ns = int(limits.max_age_days * _DAY_NS)
        self._clock = clock
        self._lock = threading.RLock()
        self._resets = 0
        self._unwritten = 0
        self._failing = False
        self._closed = False
        self._epoch, self._seq, self._bytes = "", 0, 0
        if path is None:
            self._database = memory_database(epoch)
        else:
            self._database, self._resets = open_database(path, epoch=epoch)
        self._take_over()

    @property
    def epoch(self) -> str:
        """See `Outbox.epoch`."""
        return self._epoch

    def insert(self, aggregate: WindowAggregate, origin: Origin) -> WindowPayload:
        """See `Outbox.insert`. The window is on the disk when this returns."""
        with self._lock:
            for _ in range(2):
                window = number_window(aggregate, origin, epoch=self._epoch, seq=self._seq + 1)
                payload = encode(window)  # refuses a breach of the contract here, where the caller can be told
                before = self._epoch
                if self._attempt(partial(self._write, window, payload), False):
                    self._seq = window.seq
                    return window
                if self._epoch == before:
                    break
            self._unwritten += 1
            self._seq = window.seq  # the gap shows that one is missing
            return window

    def pending(self, limit: int, sending: Collection[int]) -> list[WindowPayload]:
        """See `Outbox.pending`."""
        if limit < 1:
            return []

        def read() -> list[WindowPayload]:
            rows = self._database.execute(
                "SELECT seq, payload, digest FROM windows WHERE refused IS NULL ORDER BY seq DESC LIMIT ?",
                (limit + len(sending),),
            )
            wanted = [row for row in rows if row[0] not in sending][:limit]
            for seq, payload, written in wanted:
                if written != digest(seq, payload):
                    raise sqlite3.DatabaseError(f"window {seq} is not what was written")
            return [decode_window(payload) for _, payload, _ in wanted]

        return self._attempt(read, [])

    def ack(self, seq: int) -> None:
        """See `Outbox.ack`."""
        self._attempt(lambda: self._delete(seq), None)

    def refuse(self, seq: int, reason_code: int) -> None:
        """See `Outbox.refuse`."""

        def write() -> None:
            with self._transaction():
                first = self._database.execute("SELECT counted FROM windows WHERE seq = ?", (seq,)).fetchone()
                if first == (0,):
                    self._database.execute("UPDATE state SET refused = refused + 1")
                self._database.execute("UPDATE windows SET refused = ?, counted = 1 WHERE seq = ?", (reason_code, seq))

        self._attempt(write, None)

    def refusals(self) -> dict[int, int]:
        """See `Outbox.refusals`."""
        query = "SELECT seq, refused FROM windows WHERE refused IS NOT NULL ORDER BY seq"
        return self._attempt(lambda: dict(self._database.execute(query).fetchall()), {})

    def readmit(self) -> int:
        """See `Outbox.readmit`."""
        statement = "UPDATE windows SET refused = NULL WHERE refused IS NOT NULL"
        return self._attempt(lambda: self._database.execute(statement).rowcount, 0)

    def counts(self) -> OutboxCounts:
        """See `Outbox.counts`."""
        open_rows = "(SELECT COUNT(*) FROM windows WHERE refused IS NULL)"
        query = f"SELECT {open_rows}, evicted, refused, interrupted FROM state"  # noqa: S608 - only constants
        with self._lock:
            waiting, evicted, refused, interrupted = self._attempt(
                lambda: self._database.execute(query).fetchone(), (0, 0, 0, 0)
            )
            return OutboxCounts(
                waiting=waiting,
                evicted=evicted + self._unwritten,
                refused=refused,
                interrupted=interrupted,
                resets=self._resets,
            )

    def close(self) -> None:
        """Notes an orderly end and lets go of the file; may be called twice, and every other call is then idle."""
        with self._lock:
            if not self._closed:
                self._attempt(lambda: self._database.execute("UPDATE state SET running = 0"), None)
                self._closed = True
                close_database(self._database)

    def __enter__(self) -> DurableOutbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take_over(self) -> None:
        """Reads where the last process stopped. One that did not end in order took an open window with it."""
        self._database.execute("UPDATE state SET interrupted = interrupted + running, running = 1")
        self._epoch, self._seq = self._database.execute("SELECT epoch, seq FROM state").fetchone()
        self._bytes = self._database.execute(
            "SELECT IFNULL(SUM(LENGTH(payload) + ?), 0) FROM windows", (ROW_BYTES,)
        ).fetchone()[0]

    def _write(self, window: WindowPayload, payload: bytes) -> bool:
        evicted, self_bytes = self._too_old(), self._bytes + len(payload) + ROW_BYTES
        with self._transaction():
            self._database.execute(
                "INSERT INTO windows (seq, payload, digest) VALUES (?, ?, ?)",
                (window.seq, payload, digest(window.seq, payload)),
            )
            oldest = self._database.execute("SELECT seq, LENGTH(payload) FROM windows ORDER BY seq")
            gone = []
            for seq, size in oldest:
                if seq == window.seq or (self_bytes <= self._limit_bytes and seq not in evicted):
                    break
                gone.append((seq,))
                self_bytes -= size + ROW_BYTES
            oldest.close()
            self._database.executemany("DELETE FROM windows WHERE seq = ?", gone)
            self._database.execute("UPDATE state SET seq = ?, evicted = evicted + ?", (window.seq, len(gone)))
        self._bytes = self_bytes
        return True

    def _too_old(self) -> set[int]:
        """Numbers of the windows that ended longer ago than anyone will ask; the oldest first, without a gap."""
        if not self._clock.synced():
            return set()
        now_ns = self._clock.utc_ns(self._clock.monotonic_ns())
        old = set()
        for seq, payload in self._database.execute("SELECT seq, payload FROM windows ORDER BY seq"):
            if now_ns - nanoseconds(decode_window(payload).end) <= self._limit_ns:
                break
            old.add(seq)
        return old

    def _delete(self, seq: int) -> None:
        row = self._database.execute("SELECT LENGTH(payload) FROM windows WHERE seq = ?", (seq,)).fetchone()
        if row is not None:
            self._database.execute("DELETE FROM windows WHERE seq = ?", (seq,))
            self._bytes -= row[0] + ROW_BYTES

    def _transaction(self) -> sqlite3.Connection:
        """Begins one; the connection as a context manager commits it, or rolls it back."""
        self._database.execute("BEGIN IMMEDIATE")
        return self._database

    def _attempt(self, work: Callable[[], _Answer], otherwise: _Answer) -> _Answer:
        """Does one thing with the database; what it says of itself when that fails is one line a change of state."""
        with self._lock:
            if self._closed:
                return otherwise
            try:
                answer = work()
            except (sqlite3.OperationalError, sqlite3.InterfaceError) as error:  # full, read-only, unreachable
                self._fail(str(error))
            except (sqlite3.DatabaseError, ValueError) as error:  # torn, or not what was written
                self._replace(str(error))
            else:
                if self._failing:
                    self._failing = False
                    log.info("outbox: the disk takes windows again")
                return answer
            return otherwise

    def _fail(self, why: str) -> None:
        if not self._failing:
            self._failing = True
            log.error("outbox: the disk takes nothing (%s); windows are lost until it does", why)

    def _replace(self, why: str) -> None:
        if self._path is None:
            self._fail(why)
            return
        close_database(self._database)
        try:
            set_aside(self._path, why)
            self._database, again = open_database(self._path)
        except PublishError as error:
            self._database = memory_database()
            self._path = None
            log.error("outbox: %s; windows are kept in memory from now on", error)
            again = 0
        self._resets += 1 + again
        # The numbers go on: an acknowledgement that is under way must not meet another window of the same number.
        self._database.execute("UPDATE state SET seq = ?", (self._seq,))
        self._take_over()


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
