"""How far time is claimed: two synchronized windows of one device never say the same interval.

The line on which windows lie is a process's. A clock that is set back while the device restarts, or while windows
wait for it to be right, would let them lie where others have been; such a window says `unsynced`.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import msgspec

from edge.clock import NS
from edge.publish.message import nanoseconds
from edge.publish.payload import WindowPayload

_SLACK_NS = NS  # below, a clock moves by a time daemon's slow correction


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Up to where synchronized windows have been.

    Attributes:
        end_ns: UTC; the latest end.
        partial: whether that window was cut short: its other part may come from after a restart.
    """

    end_ns: int = 0
    partial: bool = False

    def judge(self, window: WindowPayload) -> WindowPayload:
        """The window, `unsynced` where its interval is claimed already."""
        if window.clock == "unsynced" or nanoseconds(window.start) >= self.end_ns - _SLACK_NS:
            return window
        if window.partial and self.partial and nanoseconds(window.end) == self.end_ns:
            return window
        return msgspec.structs.replace(window, clock="unsynced")

    def after(self, window: WindowPayload) -> Reach:
        """The reach once this window is kept."""
        end_ns = nanoseconds(window.end)
        if window.clock == "unsynced" or end_ns < self.end_ns:
            return self
        return Reach(end_ns=end_ns, partial=window.partial)


def read_reach(database: sqlite3.Connection) -> Reach:
    """Where an outbox's windows have been."""
    end_ns, partial = database.execute("SELECT reach, reach_partial FROM state").fetchone()
    return Reach(end_ns=end_ns, partial=bool(partial))


def write_reach(database: sqlite3.Connection, reach: Reach) -> None:
    """Keeps it, in the transaction that is open."""
    database.execute("UPDATE state SET reach = ?, reach_partial = ?", (reach.end_ns, int(reach.partial)))
