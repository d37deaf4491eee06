"""The audit log: what was done with this device, when, and under which policy. No faces, no numbers about people.

One JSON object a line; each holds the SHA-256 of the line before. A second file beside it, the head, holds number and
hash of the last line, and where the kept part begins. So a changed byte, a missing line and a cut end are found. What
is not found: both files rewritten, or both removed, by whoever may write to the folder. Against that, keep a head
outside of the device; `AuditLog.verify` takes it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edge.audit.acts import ACTS as ACTS
from edge.audit.acts import DETAILS
from edge.audit.files import locked, read_all, read_file, replace_file, write_all
from edge.clock import Clock, SystemClock
from edge.config import Config
from edge.errors import AuditError, one_line

log = logging.getLogger(__name__)

KEPT_DAYS = 184  # six months
MAX_BYTES = 4 << 20  # beyond, the older half is deleted early
_MAX_LINE = 4096
_MAX_PENDING = 100
_ZERO = "0" * 64
_KEEP = "copy the log and its .head away before anybody touches them, and find out who could write there"


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One act. `previous`: SHA-256 of the line before, without its newline; zeros for the first line ever."""

    number: Annotated[int, msgspec.Meta(ge=1)]
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    clock: Literal["synced", "unsynced"]
    act: str
    policy: str
    details: dict[str, str]
    previous: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file beside the log. `anchor`: SHA-256 of the line before the first that is kept."""

    number: int = 0
    sha256: str = _ZERO
    first: int = 1
    anchor: str = _ZERO

    def __str__(self) -> str:
        return f"{self.number}:{self.sha256}"


class AuditLog:
    """The log of one device; several processes may append at the same time.

    Args:
        path: the log; its head is kept beside it, with `.head` added.
        clock: gives the time; while that is not known to be right, no line expires.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.path = path
        self._head_path = path.with_name(path.name + ".head")
        self._clock = clock or SystemClock()
        self._failing = False
        self._pending: list[dict[str, Any]] = []

    def append(self, act: str, policy: str, **details: str) -> None:
        """Adds a line; when this returns it is on the disk.

        Args:
            act: one of `ACTS`.
            policy: hash of the policy in force; empty where none is known.
            details: by names of `DETAILS`, in words; cut to 300 characters each.

        Raises:
            AuditError: the log cannot be written. The line is kept in memory and written before the next one.
        """
        if not DETAILS.issuperset(details):
            raise ValueError(f"{sorted(details)} are no details of the audit log")
        self._pending.append(self._entry(act, policy, details))
        del self._pending[:-_MAX_PENDING]
        self._write()

    def try_append(self, act: str, policy: str, **details: str) -> None:
        """As `append`, but what fails is logged and the caller goes on: for a service that runs."""
        try:
            self.append(act, policy, **details)
            self._failing = False
        except AuditError as error:
            if not self._failing:
                log.error("%s; what happens is written when it can be", error.message)
            self._failing = True

    def expire(self) -> None:
        """Deletes lines older than six months; every `append` does, too. Raises AuditError."""
        if self.path.exists():
            self._write()

    def try_expire(self) -> None:
        """As `expire`, but what fails is logged."""
        try:
            self.expire()
        except AuditError as error:
            log.error("%s", error)

    def head(self) -> Head:
        """Number and hash of the last line. Raises AuditError if it is there and cannot be read."""
        try:
            return msgspec.json.decode(read_file(self._head_path), type=Head)
        except FileNotFoundError:
            return Head()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AuditError(f"{self._head_path}: cannot be read ({one_line(error)})", fix=_KEEP) from error

    def verify(self, seen: str = "") -> list[Line]:
        """Checks the chain from the first line that is kept to the head.

        Args:
            seen: a head from before, `NUMBER:SHA256`, as a note outside of this device has it.

        Returns:
            The lines, oldest first.

        Raises:
            AuditError: which line is changed, missing or cut off.
        """
        lines, head = self._check_chain()
        if seen:
            self._check_seen(seen, lines, head)
        told = next((line for _, line in lines if line.act == "log_broken"), None)
        if told is not None:
            raise AuditError(f"{self.path}: was found broken at {told.at:%Y-%m-%d}: {told.details['reason']}", _KEEP)
        return [line for _, line in lines]

    def _check_chain(self) -> tuple[list[tuple[str, Line]], Head]:
        """Each line with its hash."""
        try:
            with locked(self.path, write=False) as file:
                head, whole = self.head(), read_all(file)
        except FileNotFoundError:
            head, whole = self.head(), b""
        except OSError as error:
            raise AuditError(f"{self.path}: cannot be read ({error.strerror})", fix="use sudo") from error
        if whole and head.number == 0:
            raise AuditError(f"{self._head_path}: is missing, so a cut end could not be found", fix=_KEEP)
        checked: list[tuple[str, Line]] = []
        previous, number = head.anchor, head.first
        for place, data in enumerate(whole.split(b"\n")[:-1], 1):
            line = self._decode(place, data)
            if line.number < head.first and not checked:
                continue  # the power failed while it expired
            if line.number != number:
                raise AuditError(f"{self.path}: line {place} is number {line.number}, not {number}", fix=_KEEP)
            if line.previous != previous:
                before = f"line {place - 1} was changed" if place > 1 else "its beginning was cut off or changed"
                raise AuditError(f"{self.path}: {before}", fix=_KEEP)
            previous, number = _sha256(data), number + 1
            checked.append((previous, line))
            if line.number == head.number and previous != head.sha256:
                raise AuditError(f"{self.path}: line {place} was changed", fix=_KEEP)
        if number - 1 < head.number:
            raise AuditError(f"{self.path}: ends with number {number - 1}, and had {head.number}", fix=_KEEP)
        return checked, head

    def _check_seen(self, seen: str, lines: list[tuple[str, Line]], head: Head) -> None:
        found = re.fullmatch(r"(\d{1,12}):([0-9a-f]{64})", seen)
        if not found:
            raise AuditError(f"{seen!r} is no head of an audit log", fix="it is NUMBER:SHA256, as `audit` prints it")
        known = {head.first - 1: head.anchor} | {line.number: sha256 for sha256, line in lines}
        number = int(found[1])
        if number < head.first - 1:
            raise AuditError(f"number {number} has expired; the log begins with {head.first}", fix="take a later head")
        if known.get(number) != found[2]:
            raise AuditError(f"{self.path}: is not the log that had {seen[:24]}...", fix=_KEEP)

    def _entry(self, act: str, policy: str, details: dict[str, str]) -> dict[str, Any]:
        if act not in ACTS:
            raise ValueError(f"{act} is no act of the audit log")
        told = {key: one_line(str(value)) for key, value in details.items()}
        now, known = self._now()
        return {"at": now, "clock": "synced" if known else "unsynced", "act": act, "policy": policy, "details": told}

    def _now(self) -> tuple[datetime, bool]:
        """The time, and whether it is known to be right."""
        known_ns = self._clock.known_utc_ns()
        seconds = (known_ns if known_ns is not None else time.time_ns()) // 1_000_000_000
        return datetime.fromtimestamp(seconds, timezone.utc), known_ns is not None

    def _write(self) -> None:
        """Writes what is pending, and deletes what is too old."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(self.path, write=True) as file:
                head, broken = self._mend(file)
                if broken:
                    self._pending.insert(0, self._entry("log_broken", "", {"reason": broken}))
                while self._pending:
                    head = self._add(file, head, self._pending[0])
                    del self._pending[0]
                self._expire(file, head)
        except OSError as error:
            raise AuditError(
                f"{self.path}: cannot be written ({error.strerror})", "use sudo, or look at the disk"
            ) from error

    def _mend(self, file: int) -> tuple[Head, str]:
        """The head to go on from, and what is wrong with the end of the log; empty: nothing."""
        whole = read_all(file)
        done = whole.rfind(b"\n") + 1
        if done < len(whole):  # the power failed within a line
            os.ftruncate(file, done)
        last = whole[:done].rstrip(b"\n").rpartition(b"\n")[2]
        head, line, reason = Head(), None, ""
        try:
            head = self.head()
            line = self._decode(head.number, last) if last else None
        except AuditError as error:
            reason = error.message
        if not reason and (_sha256(last) if last else head.anchor) == head.sha256:
            return head, ""
        if line is not None and (line.number, line.previous) == (head.number + 1, head.sha256) and head.number:
            return msgspec.structs.replace(head, number=line.number, sha256=_sha256(last)), ""  # the power failed
        number = max(head.number, line.number if line else 0)
        sha256 = _sha256(last) if last else head.sha256
        reason = reason or f"its last line is not number {head.number}, {head.sha256[:12]}"
        return msgspec.structs.replace(head, number=number, sha256=sha256), reason

    def _add(self, file: int, head: Head, entry: dict[str, Any]) -> Head:
        line = Line(number=head.number + 1, previous=head.sha256, **entry)
        data = msgspec.json.encode(line)
        if len(data) >= _MAX_LINE:
            data = msgspec.json.encode(msgspec.structs.replace(line, details={"reason": "too long to be kept"}))
        size = os.fstat(file).st_size
        try:
            write_all(file, data + b"\n")
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)
            raise
        after = msgspec.structs.replace(head, number=line.number, sha256=_sha256(data))
        replace_file(self._head_path, msgspec.json.encode(after), file)
        return after

    def _expire(self, file: int, head: Head) -> None:
        """Rewrites the log without its oldest lines, when they are too old or too many."""
        size = os.fstat(file).st_size
        now, known = self._now()
        oldest = os.pread(file, _MAX_LINE, 0).partition(b"\n")[0]
        if size <= MAX_BYTES and not (known and _is_old(oldest, now)):
            return
        kept, gone = read_all(file).split(b"\n")[:-1], 0
        while gone < len(kept) and size > MAX_BYTES // 2 and (size > MAX_BYTES or gone):
            size, gone = size - len(kept[gone]) - 1, gone + 1
        while known and gone < len(kept) and _is_old(kept[gone], now):
            gone += 1
        until = self._decode(gone, kept[gone - 1])
        head = msgspec.structs.replace(head, first=until.number + 1, anchor=_sha256(kept[gone - 1]))
        replace_file(self._head_path, msgspec.json.encode(head), file)  # first: `verify` passes over lines before it
        replace_file(self.path, b"".join(line + b"\n" for line in kept[gone:]), file)
        with locked(self.path, write=True) as fresh:
            entry = self._entry("log_expired", "", {"lines": str(gone), "until": f"{until.at:%Y-%m-%d}"})
            self._add(fresh, self.head(), entry)

    def _decode(self, place: int, data: bytes) -> Line:
        try:
            return msgspec.json.decode(data, type=Line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise AuditError(f"{self.path}: line {place} was changed ({one_line(error)})", fix=_KEEP) from error


def audit_log(config: Config) -> AuditLog:
    """The log of a configured device, beside its outbox."""
    return AuditLog(Path(config.outbox.path).with_name("audit.jsonl"))


def _is_old(data: bytes, now: datetime) -> bool:
    try:
        return (now - msgspec.json.decode(data, type=Line).at).days >= KEPT_DAYS
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False  # a broken line is evidence, and stays


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
