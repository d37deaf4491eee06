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
from edge.publish.database import COLUMNS, Row, close_database, memory_database, open_database, read_rows, set_aside
from edge.publish.message import Origin, nanoseconds, number_window, stamped
from edge.publish.outbox import OutboxCounts
from edge.publish.payload import WindowPayload, decode_window, encode
from edge.publish.reach import Reach, read_reach, write_reach
from edge.values import WindowAggregate

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
        self._hold_ns = int(limits.hold_unsynced_s * NS)
        self._clock = clock
        self._lock = threading.RLock()
        self._resets = 0
        self._unwritten = 0
        self._failing = False
        self._closed = False
        self._epoch, self._seq, self._bytes = "", 0, 0
        self._reach, self._holding = Reach(), True  # whether there may be windows that wait for a clock
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
            if self._holding:
                self._attempt(self._stamp, None)  # what was held is older, and claims its time first
            for _ in range(2):
                window = self._reach.judge(number_window(aggregate, origin, epoch=self._epoch, seq=self._seq + 1))
                row, reach = self._row(window, aggregate.boot_ns), self._reach.after(window)
                before = self._epoch
                if self._attempt(partial(self._write, row, reach), False):
                    self._seq, self._reach = window.seq, reach
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
            self._stamp()
            condition = "refused IS NULL AND boot IS NULL ORDER BY seq DESC LIMIT ?"
            rows = read_rows(self._select(condition, limit + len(sending)))
            return [decode_window(row.payload) for row in rows if row.seq not in sending][:limit]

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
        self._reach, self._holding = read_reach(self._database), True

    def _select(self, condition: str, *values: object) -> sqlite3.Cursor:
        return self._database.execute(f"SELECT {COLUMNS} FROM windows WHERE {condition}", values)  # noqa: S608

    def _row(self, window: WindowPayload, boot_ns: tuple[int, int] | None) -> Row:
        payload = encode(window)  # refuses a breach of the contract here, where the caller can be told
        boot = self._clock.boot_id
        if boot_ns is None or boot is None or not self._hold_ns:
            return Row(seq=window.seq, payload=payload)
        return Row(seq=window.seq, payload=payload, boot=boot, begun=boot_ns[0], ended=boot_ns[1])

    def _stamp(self) -> None:
        """Makes stamps final: by the clock once it is right, as they are when it was not in time or in another run.

        Once a window may have been sent it never changes: a second delivery has to be the same.
        """
        rows = list(read_rows(self._select("boot IS NOT NULL ORDER BY seq"))) if self._holding else []
        if not rows:
            self._holding = False
            return
        now_ns, synced, reach = self._clock.monotonic_ns(), self._clock.synced(), self._reach
        with self._transaction():
            for row in rows:
                if row.boot == self._clock.boot_id and row.begun is not None and row.ended is not None:
                    if synced:
                        times = (self._clock.utc_ns(row.begun), self._clock.utc_ns(row.ended))
                        window = reach.judge(decode_window(stamped(row.payload, *times)))
                        reach = reach.after(window)
                        self._settle(row, encode(window))
                    elif now_ns - row.ended > self._hold_ns:
                        self._settle(row, row.payload)
                else:
                    self._settle(row, row.payload)
            if reach != self._reach:  # or the disk is written once a second for nothing
                write_reach(self._database, reach)
        self._reach = reach

    def _settle(self, held: Row, payload: bytes) -> None:
        row = Row(seq=held.seq, payload=payload)
        statement = "UPDATE windows SET payload = ?, boot = NULL, begun = NULL, ended = NULL, digest = ? WHERE seq = ?"
        self._database.execute(statement, (row.payload, row.digest, row.seq))
        self._bytes += len(payload) - len(held.payload)

    def _write(self, row: Row, reach: Reach) -> bool:
        evicted, self_bytes = self._too_old(), self._bytes + len(row.payload) + ROW_BYTES
        with self._transaction():
            self._database.execute(
                f"INSERT INTO windows ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
                (row.seq, row.payload, row.boot, row.begun, row.ended, row.digest),
            )
            oldest = self._database.execute("SELECT seq, LENGTH(payload) FROM windows ORDER BY seq")
            gone = []
            for seq, size in oldest:
                if seq == row.seq or (self_bytes <= self._limit_bytes and seq not in evicted):
                    break
                gone.append((seq,))
                self_bytes -= size + ROW_BYTES
            oldest.close()
            self._database.executemany("DELETE FROM windows WHERE seq = ?", gone)
            self._database.execute("UPDATE state SET seq = ?, evicted = evicted + ?", (row.seq, len(gone)))
            write_reach(self._database, reach)
        self._bytes = self_bytes
        self._holding |= row.boot is not None
        return True

    def _too_old(self) -> set[int]:
        """Numbers of the windows that ended longer ago than anyone will ask; the oldest first, without a gap."""
        if not self._clock.synced():
            return set()
        now_ns = self._clock.utc_ns(self._clock.monotonic_ns())
        old = set()
        for seq, payload in self._database.execute("SELECT seq, payload FROM windows WHERE boot IS NULL ORDER BY seq"):
            window = decode_window(payload)
            if window.clock == "unsynced" or now_ns - nanoseconds(window.end) <= self._limit_ns:
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
