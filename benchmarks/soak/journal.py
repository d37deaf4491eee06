"""What was closed, written down beside the outbox: one line a window, on the disk before the pipeline goes on.

The line is drawn here: a window counts as closed when the outbox's `insert` has returned. A process that is killed
between that and the journal's line has closed a window that the journal does not know; it arrives all the same, and
the numbers without a gap tell when it does not.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import msgspec

from edge.clock import Clock
from edge.config import OutboxConfig
from edge.publish.durable import DurableOutbox
from edge.publish.message import Origin
from edge.publish.payload import WindowPayload
from edge.values import WindowAggregate

_LATER = ("start", "end", "clock", "historical")  # set when a held window is stamped, or when it is sent


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """One closed window.

    Attributes:
        id: as in the payload.
        run: the process that closed it.
        content: digest of what may not change any more after the closing; see `content_of`.
        at_s: when, monotonic seconds of the machine.
    """

    id: str
    run: int
    content: str
    at_s: float = 0.0


def content_of(window: WindowPayload) -> str:
    """Digest of a window without its times, its clock and `historical`."""
    fields = {name: getattr(window, name) for name in window.__struct_fields__ if name not in _LATER}
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()[:16]


class JournalingOutbox(DurableOutbox):
    """The device's outbox; each window that it has taken is also written to the journal.

    Args:
        journal: the file, appended to.
    """

    def __init__(self, path: Path | None, limits: OutboxConfig, clock: Clock, *, journal: Path) -> None:
        self._lines = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        super().__init__(path, limits, clock)

    def insert(self, aggregate: WindowAggregate, origin: Origin) -> WindowPayload:
        """See `Outbox.insert`."""
        window = super().insert(aggregate, origin)
        line = Closed(id=window.id, run=os.getpid(), content=content_of(window), at_s=time.monotonic())
        os.write(self._lines, msgspec.json.encode(line) + b"\n")
        os.fsync(self._lines)
        return window


def read_journal(path: Path) -> list[Closed]:
    """The closed windows in order; a line that a kill has cut short is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Closed) for line in lines]
