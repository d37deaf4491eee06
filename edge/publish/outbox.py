"""The outbox numbers windows and keeps them until the broker acknowledges them.

All windows are in memory. Each change is also written to the file in one transaction, or later if the disk fails.
"""

from __future__ import annotations

import logging
import math
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
from edge.contract import Delivery, Origin, Window, encode, nanoseconds
from edge.errors import PublishError
from edge.publish.gate import words_of
from edge.publish.outbox_file import STATE, STOPPED, Database, Row, State, carry_over, remove_aside, set_aside

log = logging.getLogger(__name__)

ROW_BYTES = 96  # about how much a row takes besides its message
_TOLERANCE_NS = NS  # overlaps up to this come from a time daemon's slow corrections
_DAY_NS = 86_400 * NS
_CLEAN_EVERY_S, _MAX_WORDS = 60.0, 128


class Outbox:
    """Windows that are not yet acknowledged. Every method is thread-safe and does not wait for the network.

    While the disk fails, windows are in memory only. A corrupt file is renamed, and its readable rows are kept.

    Args:
        path: the file; None keeps everything in memory.
        limits: largest size and age, and how long windows wait for a synchronized clock.
        clock: of the device.
        origin: site, device and model of this run's windows.
        epoch: of a new outbox; random if empty.

    Attributes:
        words: texts that the stored windows may contain, such as names from earlier runs; grows.

    Raises:
        PublishError: the file cannot be created, or another process uses it.
    """

    def __init__(
        self, path: Path | None, limits: OutboxConfig, clock: Clock, origin: Origin, *, epoch: str = ""
    ) -> None:
        self.words: set[str] = set()
        self._path, self._limits, self._clock = path, limits, clock
        self._topic, self._own_words = origin.topic("window"), list(words_of(origin))
        self._lock = threading.RLock()
        self._rows: dict[int, Row] = {}  # by key, oldest first
        self._unsaved: set[int] = set()  # keys of rows that differ from the file
        self._state = State(epoch=epoch or secrets.token_hex(4))
        self._file: Database | None = None
        self._file_epoch = ""
        self._resets, self._cleaned_s = 0, 0.0
        self._failing = self._closed = False
        self._add_words()
        self._save(first=True)
        self._evict()
        self._save()

    def number(self) -> tuple[str, int]:
        """Epoch and sequence number of the next window."""
        with self._lock:
            return self._state.epoch, self._state.seq + 1

    def held(self) -> int:
        """How many windows wait for a synchronized clock."""
        with self._lock:
            return sum(row.held is not None for row in self._rows.values())

    def keep(self, window: Window, boot_ns: tuple[int, int] | None) -> None:
        """Adds a window. When this returns, it is on the disk, unless the disk fails.

        Args:
            window: numbered by `number`; marked `unsynced` if its interval overlaps an earlier window's.
            boot_ns: its interval in monotonic nanoseconds, if the clock is not synchronized; the window then waits
                until it is.

        Raises:
            ValueError: the window is too long; it is not stored, and its number is not used.
        """
        with self._lock:
            self._release_held()  # older ones first
            boot = self._clock.boot_id
            held = boot_ns if boot is not None and self._limits.hold_unsynced_s > 0 else None
            key, now_ns = next(reversed(self._rows), STATE[-1]) + 1, self._clock.monotonic_ns()
            row = Row(key, b"", self._topic, boot=boot, kept_ns=now_ns, held=held)
            window = self._set_message(row, window)
            self._state.seq = window.seq
            self._rows[key] = row
            self._unsaved.add(key)
            self._evict()
            if not self._save() and self._state.epoch == self._file_epoch:
                # The file does not have this number, so a later run may use it again: change the epoch.
                self._state.epoch, self._state.seq = secrets.token_hex(4), 1
                self._add_words()
                name = f"{window.device}/{self._state.epoch}/1"
                row.message = encode(msgspec.structs.replace(window, id=name, epoch=self._state.epoch, seq=1))

    def adopt(self, origin: Origin) -> None:
        """Takes windows of another policy from now on."""
        with self._lock:
            self._own_words = list(words_of(origin))
            self._add_words()

    def owed(self, limit: int) -> list[Row]:
        """Up to `limit` windows that may be sent now, newest first."""
        with self._lock:
            self._release_held()
            waiting = (row for row in reversed(self._rows.values()) if row.state == "waiting" and row.held is None)
            return list(islice(waiting, max(limit, 0)))

    def ack(self, row: Row) -> None:
        """Deletes an acknowledged window, unless it is already gone."""
        with self._lock:
            if self._rows.get(row.key) is row:
                del self._rows[row.key]
                self._unsaved.add(row.key)
                self._save()

    def refuse(self, row: Row, reason: int) -> None:
        """Marks a window as refused, with the reason code; the next session offers it again.

        A window with the reason `STOPPED` is counted as lost and never sent.
        """
        with self._lock:
            if self._rows.get(row.key) is row:
                self._state.evicted += reason == STOPPED
                self._state.refused += reason != STOPPED and row.refused is None
                row.refused, row.state = reason, "refused"
                self._unsaved.add(row.key)
                self._save()

    def readmit(self, *, sent: bool = False) -> None:
        """Makes refused windows sendable again; with `sent`, in a new session, also those without an answer."""
        with self._lock:
            for row in self._rows.values():
                if row.refused != STOPPED and (row.state == "refused" or (sent and row.state == "sent")):
                    row.state = "waiting"

    def delivery(self) -> Delivery:
        """The outbox's counters; those of the connection are not set."""
        with self._lock:
            return Delivery(
                waiting=sum(row.state != "refused" for row in self._rows.values()),
                evicted=self._state.evicted,
                refused=self._state.refused,
                interrupted=self._state.interrupted,
                resets=self._resets,
            )

    def close(self) -> None:
        """Records a normal end and closes the file; may be called twice."""
        with self._lock:
            self._state.running = False
            if not self._save() and self._rows:
                log.error("outbox: windows that were in memory alone and are lost: %d", len(self._unsaved))
            self._closed = True
            if self._file is not None:
                with suppress(sqlite3.Error):
                    self._file.clean()
                self._file.close()

    def _save(self, *, first: bool = False) -> bool:
        """Writes changes to the file; False while the disk fails. Logs when the disk begins and ceases to fail."""
        for _ in range(3):  # the second try is for a new file, after a corrupt one
            if self._path is None or self._closed:
                return True
            try:
                if self._file is None:
                    self._file = Database(self._path)
                    self._load(self._file)
                self._write(self._file)
            except (sqlite3.OperationalError, sqlite3.InterfaceError, OSError) as error:  # full, read-only, in use
                if first and isinstance(error, PublishError):
                    raise
                if not self._failing:
                    self._failing = True
                    log.error("outbox: the disk takes nothing (%s); windows are kept in memory until it does", error)
                return False
            except sqlite3.DatabaseError as error:
                self._replace_file(self._path, str(error))
            else:
                return True
        return False

    def _write(self, file: Database) -> None:
        if file.broken:
            raise sqlite3.DatabaseError(file.broken)
        gone = self._unsaved - self._rows.keys()
        self._state.saved_ns, self._state.boot = self._clock.monotonic_ns(), self._clock.boot_id
        file.save(self._state, [self._rows[key] for key in sorted(self._unsaved - gone)], gone)
        self._file_epoch = self._state.epoch
        self._unsaved.clear()
        if self._failing:
            self._failing = False
            log.info("outbox: the disk takes windows again")
        if gone and (not self._rows or time.monotonic() - self._cleaned_s > _CLEAN_EVERY_S):
            self._cleaned_s = time.monotonic()
            file.clean()

    def _load(self, file: Database) -> None:
        """Loads an earlier run's rows and state. Windows added before the file could be read come after them."""
        for key, row in enumerate(self._rows.values(), max(file.rows, default=STATE[-1]) + 1):
            row.key = key
        mine = {row.key: row for row in self._rows.values()}
        self._rows, self._unsaved = file.rows | mine, file.damaged | mine.keys()
        if file.damaged:
            self._state.evicted += len(file.damaged)
            log.error("outbox: windows lost because their rows in the file are damaged: %d", len(file.damaged))
        if (state := file.state) is not None:
            self._file_epoch = state.epoch
            self._unsaved |= carry_over(state, file.rows.values(), self._clock.boot_id)
            if self._state.seq:  # this run has already numbered windows in its own epoch
                state.epoch, state.seq = self._state.epoch, self._state.seq
            state.interrupted += state.running
            state.running = True
            state.evicted += self._state.evicted
            state.refused += self._state.refused
            self._state = state
            self._add_words()
        file.rows = {}  # or acknowledged windows would stay in memory

    def _replace_file(self, path: Path, why: str) -> None:
        """Renames a corrupt file; all rows will be written to a new one."""
        if self._file is not None:
            self._file.close()
        self._file, self._unsaved = None, set(self._rows)
        self._resets += 1
        self._state.aside_ns = self._clock.monotonic_ns()
        try:
            set_aside(path, why)
        except OSError as error:
            self._path = None
            log.error("outbox: the corrupt %s cannot be renamed (%s); windows stay in memory from now on", path, error)

    def _add_words(self) -> None:
        """Puts this run's words before those of earlier runs, and keeps the first `_MAX_WORDS`."""
        known = dict.fromkeys([*self._own_words, self._state.epoch, *self._state.words])
        self._state.words = list(known)[:_MAX_WORDS]
        self.words.update(self._state.words)

    def _evict(self) -> None:
        """Deletes windows over the age limit, and the oldest over the size limit.

        Without a synchronized clock, age is the running time since the window was added.
        """
        limit_ns, limit_bytes = int(self._limits.max_age_days * _DAY_NS), self._limits.max_mb * 1e6
        now_ns, synced = self._clock.monotonic_ns(), self._clock.synced()
        utc_ns = self._clock.utc_ns(now_ns)
        total, newest = sum(len(row.message) + ROW_BYTES for row in self._rows.values()), next(reversed(self._rows), 0)
        for row in list(self._rows.values()):
            age_ns = utc_ns - row.end_ns if row.trusted and synced else now_ns - row.kept_ns
            if age_ns > limit_ns or (total > limit_bytes and row.key != newest):
                total -= len(row.message) + ROW_BYTES
                self._state.evicted += row.refused != STOPPED
                del self._rows[row.key]
                self._unsaved.add(row.key)
        if self._path is not None:
            long_ago = now_ns - self._state.aside_ns > limit_ns
            remove_aside(self._path, math.inf if long_ago else (utc_ns - limit_ns) / NS if synced else 0.0)

    def _release_held(self) -> None:
        """Releases held windows: with corrected times once the clock is synchronized, else after the time limit."""
        now_ns, synced, boot = self._clock.monotonic_ns(), self._clock.synced(), self._clock.boot_id
        changed = False
        for row in self._rows.values():
            if row.held is None:
                continue
            if row.boot == boot and synced:
                self._set_message(row, row.stamped(*map(self._clock.utc_ns, row.held)))
            elif row.boot == boot and now_ns - row.held[1] <= self._limits.hold_unsynced_s * NS:
                continue
            row.held, changed = None, True
            self._unsaved.add(row.key)
        if changed:
            self._save()

    def _set_message(self, row: Row, window: Window) -> Window:
        """Sets a row's message. A window that overlaps an earlier one (clock set back) becomes `unsynced`."""
        state, start_ns, end_ns = self._state, nanoseconds(window.start), nanoseconds(window.end)
        near = state.from_ns - _DAY_NS < end_ns and start_ns < state.until_ns + _DAY_NS
        other_part = window.partial and end_ns == state.partial_ns
        if window.clock == "synced" and near and start_ns < state.until_ns - _TOLERANCE_NS and not other_part:
            window = msgspec.structs.replace(window, clock="unsynced")
        row.message, row.end_ns, row.trusted = encode(window), end_ns, window.clock == "synced"
        if row.trusted:
            if not near:
                state.from_ns = start_ns  # the clock was far off before; start over
            state.until_ns, state.partial_ns = end_ns, end_ns if window.partial else 0
        return window
