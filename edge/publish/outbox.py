"""The outbox: windows from their closing until the broker holds them.

Owns the epoch, the numbering, what is owed, and which time was claimed. Knows nothing of MQTT. Everything is in memory;
the file follows with each change in one transaction, or later if the disk takes nothing now.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec

from edge.clock import NS, Clock
from edge.config import OutboxConfig
from edge.contract import Delivery, Origin, Window, decode, encode, instant, nanoseconds
from edge.errors import PublishError
from edge.publish.database import BrokenDatabaseError, Database, Row, remove_aside, set_aside
from edge.publish.gate import words_of

log = logging.getLogger(__name__)

ROW_BYTES = 96  # what a row costs beside its message, about
STATE = (0, -1)  # keys of the two rows that both hold `_State`
STOPPED = 0  # in place of a reason code: the gate stopped it
_SLACK_NS = NS  # a time daemon's slow corrections stay below
_DAY_NS = 86_400 * NS
_CLEAN_S = 60.0
_MOST_WORDS = 128
_TRIES = 3


class _State(msgspec.Struct):
    """What the outbox remembers besides windows.

    Attributes:
        epoch, seq: of the latest window.
        evicted, refused, interrupted: counters.
        running: a run began and did not end in order.
        from_ns, until_ns: where synchronized windows have been lately, UTC nanoseconds.
        partial_ns: end of the latest of them if it was cut short: its other part may come from after a restart.
        words: texts of the origins and epochs of this run and earlier ones, whose windows may be owed.
    """

    epoch: str
    seq: int = 0
    evicted: int = 0
    refused: int = 0
    interrupted: int = 0
    running: bool = True
    from_ns: int = 0
    until_ns: int = 0
    partial_ns: int = 0
    words: list[str] = []


class Outbox:
    """Windows that are owed to the broker. Every method may be called from any thread and returns at once.

    A disk that takes nothing, at start or later, costs only the promise that windows outlive the process. A broken file
    is set aside, and what can be read of it carried over.

    Args:
        path: the file; None keeps everything in memory.
        limits: bytes, age, and how long windows wait for a synchronized clock.
        clock: of the device.
        origin: of this run's windows.
        epoch: of a new outbox; random when not given.

    Attributes:
        words: what windows that are owed may say beside this run's own words; grows.

    Raises:
        PublishError: the file cannot be made, or another process uses it.
    """

    def __init__(
        self, path: Path | None, limits: OutboxConfig, clock: Clock, origin: Origin, *, epoch: str = ""
    ) -> None:
        self.words: set[str] = set()
        self._path, self._limits, self._clock = path, limits, clock
        self._topic, self._own_words = origin.topic("window"), list(words_of(origin))
        self._lock = threading.RLock()
        self._rows: dict[int, Row] = {}  # by key, the oldest first
        self._bytes = 0
        self._unsaved: set[int] = set()  # keys of rows that are not in the file as they are here
        self._state = _State(epoch=epoch or secrets.token_hex(4))
        self._file: Database | None = None
        self._file_epoch = ""
        self._resets, self._cleaned_s = 0, 0.0
        self._failing = self._closed = False
        self._remember()
        self._save(first=True)
        self._evict()
        self._save()

    def number(self) -> tuple[str, int]:
        """Epoch and number of the next window."""
        with self._lock:
            return self._state.epoch, self._state.seq + 1

    @property
    def held(self) -> int:
        """How many windows wait for a synchronized clock."""
        with self._lock:
            return sum(row.held is not None for row in self._rows.values())

    def keep(self, window: Window, boot_ns: tuple[int, int] | None) -> None:
        """Keeps a window that has the number of `number`; it is on the disk when this returns, if the disk takes it.

        Args:
            window: the window; where its interval was claimed before, it is kept as `unsynced`.
            boot_ns: its interval in monotonic nanoseconds while the clock is not synchronized: it waits for that.

        Raises:
            ValueError: it is too long; nothing is kept and no number used.
        """
        clock = self._clock
        with self._lock:
            self._settle()  # what was held is older, and claims its time first
            window = self._judge(window)
            message = encode(window)
            held = boot_ns if clock.boot_id is not None and self._limits.hold_unsynced_s > 0 else None
            row = Row(next(reversed(self._rows), 0) + 1, message, self._topic, nanoseconds(window.end))
            row.trusted, row.held = window.clock == "synced", held
            row.boot, row.kept_ns = clock.boot_id, clock.monotonic_ns()
            self._state.seq = window.seq
            self._rows[row.key] = row
            self._bytes += len(message) + ROW_BYTES
            self._unsaved.add(row.key)
            self._evict()
            if not self._save() and self._state.epoch == self._file_epoch:
                # A later run would give this number again: what is in memory alone gets an epoch of its own.
                self._state.epoch, self._state.seq = secrets.token_hex(4), 1
                self._remember()
                name = f"{window.device}/{self._state.epoch}/1"
                row.message = encode(msgspec.structs.replace(window, id=name, epoch=self._state.epoch, seq=1))

    def owed(self, limit: int) -> list[Row]:
        """At most so many windows that may be sent now, the newest first: a live one never waits behind a backlog."""
        with self._lock:
            self._settle()
            waiting = (row for row in reversed(self._rows.values()) if row.state == "waiting" and row.held is None)
            return list(islice(waiting, max(limit, 0)))

    def ack(self, row: Row) -> None:
        """Lets go of a window that the broker holds; nothing happens if it is gone already."""
        with self._lock:
            if self._rows.get(row.key) is row:
                self._drop(row)
                self._save()

    def refuse(self, row: Row, reason: int) -> None:
        """Keeps a window without offering it again: the broker refused it with an MQTT 5 reason code.

        With `STOPPED` for a reason it must not leave, is set aside for good, and counts as lost.
        """
        with self._lock:
            if self._rows.get(row.key) is row:
                self._state.evicted += reason == STOPPED
                self._state.refused += reason != STOPPED and row.refused is None
                row.refused, row.state = reason, "refused"
                self._unsaved.add(row.key)
                self._save()

    def readmit(self, *, sent: bool = False) -> None:
        """Offers refused windows again, to a broker that may have changed its mind; with `sent`, in a new session, also
        those whose answer never came.
        """
        with self._lock:
            for row in self._rows.values():
                if row.refused != STOPPED and (row.state == "refused" or (sent and row.state == "sent")):
                    row.state = "waiting"

    def delivery(self) -> Delivery:
        """Current counters; of connections it knows nothing."""
        with self._lock:
            state = self._state
            return Delivery(
                connected=False,
                waiting=sum(row.state != "refused" for row in self._rows.values()),
                evicted=state.evicted,
                refused=state.refused,
                reconnects=0,
                interrupted=state.interrupted,
                resets=self._resets,
            )

    def close(self) -> None:
        """Notes an orderly end and lets go of the file; may be called twice."""
        with self._lock:
            if self._closed:
                return
            self._state.running = False
            if not self._save() and self._rows:
                log.error("outbox: windows that were in memory alone and are lost: %d", len(self._unsaved))
            self._closed = True
            if self._file is not None:
                with suppress(sqlite3.Error):
                    self._file.clean()
                self._file.close()

    def _save(self, *, first: bool = False) -> bool:
        """Brings the file up to date; False while the disk takes nothing. Every change of state is logged once."""
        for _ in range(_TRIES):
            if self._path is None or self._closed:
                return True
            try:
                if self._file is None:
                    self._file = Database(self._path)
                    self._adopt(self._file.rows, self._file.spoilt)
                self._write(self._file)
            except (sqlite3.OperationalError, sqlite3.InterfaceError, OSError) as error:  # full, read-only, in use
                if first and isinstance(error, PublishError):
                    raise
                if not self._failing:
                    self._failing = True
                    log.error("outbox: the disk takes nothing (%s); windows are kept in memory until it does", error)
                return False
            except sqlite3.DatabaseError as error:
                self._set_aside(self._path, error)
            else:
                return True
        return False

    def _write(self, file: Database) -> None:
        gone = self._unsaved - self._rows.keys()
        put = [self._rows[key] for key in sorted(self._unsaved - gone)]
        state = msgspec.json.encode(self._state)
        file.save([*put, *(Row(key, state) for key in STATE)], gone)
        self._file_epoch = self._state.epoch
        self._unsaved.clear()
        if self._failing:
            self._failing = False
            log.info("outbox: the disk takes windows again")
        if gone and (not self._rows or time.monotonic() - self._cleaned_s > _CLEAN_S):
            self._cleaned_s = time.monotonic()
            file.clean()

    def _adopt(self, rows: dict[int, Row], spoilt: set[int]) -> None:
        """Takes over what an earlier run left. One that did not end in order lost its open window."""
        states = [_read_state(rows.pop(key).message) for key in STATE if key in rows]
        top = max(rows, default=0)
        mine = {key + top: row for key, row in self._rows.items()}  # kept before the file could be read
        for key, row in mine.items():
            row.key = key
        for row in rows.values():
            row.state = "refused" if row.refused == STOPPED else "waiting"
        self._rows = rows | mine
        self._bytes = sum(len(row.message) + ROW_BYTES for row in self._rows.values())
        self._unsaved = mine.keys() | spoilt
        if lost := len(spoilt.difference(STATE)):
            self._state.evicted += lost
            log.error("outbox: windows that were not what was written and are lost: %d", lost)
        if state := next((state for state in states if state is not None), None):
            self._file_epoch = state.epoch
            if self._state.seq:  # numbers of another epoch are in use
                state.epoch, state.seq = self._state.epoch, self._state.seq
            state.interrupted += state.running
            state.running = True
            state.evicted += self._state.evicted
            state.refused += self._state.refused
            self._state = state
            self._remember()

    def _set_aside(self, path: Path, error: sqlite3.DatabaseError) -> None:
        """Lets go of a broken file; all that is known of it goes into a new one."""
        if isinstance(error, BrokenDatabaseError):
            self._adopt(error.rows, set())
        elif self._file is not None:
            self._file.close()
        self._file, self._unsaved = None, set(self._rows)
        self._resets += 1
        try:
            set_aside(path, str(error))
        except OSError as failure:
            self._path = None
            log.error("outbox: %s cannot be set aside (%s); windows are kept in memory from now on", path, failure)

    def _remember(self) -> None:
        """Adds this run's words to those of earlier runs, the latest first."""
        known = dict.fromkeys([*self._own_words, self._state.epoch, *self._state.words])
        self._state.words = list(known)[:_MOST_WORDS]
        self.words.update(self._state.words)

    def _drop(self, row: Row) -> None:
        del self._rows[row.key]
        self._bytes -= len(row.message) + ROW_BYTES
        self._unsaved.add(row.key)

    def _evict(self) -> None:
        """Lets go of what is too old, and of the oldest while there is too much; the newest stays.

        Where the clock cannot tell, a window is as old as it has been here in this run of the machine, or as the run.
        """
        limit_ns, limit_bytes = int(self._limits.max_age_days * _DAY_NS), self._limits.max_mb * 1e6
        now_ns, synced, boot = self._clock.monotonic_ns(), self._clock.synced(), self._clock.boot_id
        utc_ns = self._clock.utc_ns(now_ns)
        newest = next(reversed(self._rows), 0)
        for row in list(self._rows.values()):
            known_ns = now_ns - row.kept_ns if row.boot == boot else now_ns
            age_ns = utc_ns - row.end_ns if row.trusted and synced else known_ns
            if age_ns > limit_ns or (self._bytes > limit_bytes and row.key != newest):
                self._state.evicted += row.refused != STOPPED
                self._drop(row)
        if self._path is not None and synced:
            remove_aside(self._path, (utc_ns - limit_ns) / NS)

    def _settle(self) -> None:
        """Makes stamps final: by the clock once it is right, as they are when it was not in time or in another run.

        Once a window may have been sent it never changes: a second delivery has to be the same.
        """
        now_ns, synced = self._clock.monotonic_ns(), self._clock.synced()
        due = []
        for row in self._rows.values():
            if row.held is not None:
                mine = row.boot == self._clock.boot_id
                if not mine or synced or now_ns - row.held[1] > self._limits.hold_unsynced_s * NS:
                    due.append((row, mine and synced))
        for row, stamp in due:
            if stamp and row.held is not None:
                window = self._judge(_stamped(row.message, *map(self._clock.utc_ns, row.held)))
                row.message, row.end_ns, row.trusted = encode(window), nanoseconds(window.end), window.clock == "synced"
            row.held = None
            self._unsaved.add(row.key)
        if due:
            self._save()

    def _judge(self, window: Window) -> Window:
        """The window, `unsynced` where its interval was claimed before; otherwise it claims it.

        A clock that is set back while the device restarts, or while windows wait for it, would put one window where
        others have been: two synchronized windows of one device never say the same interval.
        """
        state, start_ns, end_ns = self._state, nanoseconds(window.start), nanoseconds(window.end)
        if window.clock == "unsynced":
            return window
        if not state.from_ns - _DAY_NS < end_ns or not start_ns < state.until_ns + _DAY_NS:
            state.from_ns = start_ns  # far from the others: a clock that was years ahead does not claim the years
        elif start_ns < state.until_ns - _SLACK_NS and (not window.partial or end_ns != state.partial_ns):
            return msgspec.structs.replace(window, clock="unsynced")
        state.until_ns, state.partial_ns = end_ns, end_ns if window.partial else 0
        return window


def _stamped(message: bytes, start_ns: int, end_ns: int) -> Window:
    """A window on a clock that is now right; moved only where it was wrong by a second or more."""
    window = msgspec.structs.replace(decode(message, Window), clock="synced")
    if abs(start_ns - nanoseconds(window.start)) < NS and abs(end_ns - nanoseconds(window.end)) < NS:
        return window
    return msgspec.structs.replace(window, start=instant(start_ns), end=instant(end_ns))


def _read_state(data: bytes | None) -> _State | None:
    try:
        return msgspec.json.decode(data or b"", type=_State)
    except msgspec.MsgspecError:
        return None
