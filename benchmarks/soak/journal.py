"""What was closed, written down beside the outbox: one line a window, on the disk before the pipeline goes on.

The line is drawn here: a window counts as closed when the outbox's `keep` has returned. A process that is killed
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
from edge.contract import Origin, Window
from edge.publish.outbox import Outbox

_LATER = ("start", "end", "clock")  # set when a held window is stamped


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


def content_of(window: Window) -> str:
    """Digest of a window without its times and its clock."""
    fields = {name: getattr(window, name) for name in window.__struct_fields__ if name not in _LATER}
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()[:16]


class JournalingOutbox(Outbox):
    """The device's outbox; each window that it has taken is also written to the journal.

    Args:
        journal: the file, appended to.
    """

    def __init__(self, path: Path | None, limits: OutboxConfig, clock: Clock, origin: Origin, *, journal: Path) -> None:
        self._lines = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        super().__init__(path, limits, clock, origin)

    def keep(self, window: Window, boot_ns: tuple[int, int] | None) -> None:
        """Keeps a window, and notes it under the number that it has then."""
        super().keep(window, boot_ns)
        epoch, following = self.number()
        seq = following - 1
        kept = msgspec.structs.replace(window, id=f"{window.device}/{epoch}/{seq}", epoch=epoch, seq=seq)
        line = Closed(id=kept.id, run=os.getpid(), content=content_of(kept), at_s=time.monotonic())
        os.write(self._lines, msgspec.json.encode(line) + b"\n")
        os.fsync(self._lines)


def read_journal(path: Path) -> list[Closed]:
    """The closed windows in order; a line that a kill has cut short is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Closed) for line in lines]
