"""Which time is claimed: two synchronized windows of one device never say the same interval.

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
_JOINED_NS = 600 * NS  # spans with a shorter gap are one
MOST_SPANS = 8  # so many are remembered: a clock that was years ahead for a while claims that while, not the years


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where synchronized windows have been.

    Attributes:
        spans: begin and end, UTC nanoseconds; the one that grew last is the last.
        partial: whether the latest window was cut short: its other part may come from after a restart.
    """

    spans: tuple[tuple[int, int], ...] = ()
    partial: bool = False

    def judge(self, window: WindowPayload) -> WindowPayload:
        """The window, `unsynced` where its interval is claimed already."""
        start_ns, end_ns = nanoseconds(window.start), nanoseconds(window.end)
        if window.clock == "unsynced" or not any(
            start_ns < until_ns - _SLACK_NS and end_ns > from_ns + _SLACK_NS for from_ns, until_ns in self.spans
        ):
            return window
        if window.partial and self.partial and end_ns == self.spans[-1][1]:
            return window
        return msgspec.structs.replace(window, clock="unsynced")

    def after(self, window: WindowPayload) -> Reach:
        """The reach once this window is kept."""
        if window.clock == "unsynced":
            return self
        from_ns, until_ns, others = nanoseconds(window.start), nanoseconds(window.end), []
        for begin_ns, end_ns in self.spans:
            if from_ns - end_ns < _JOINED_NS and begin_ns - until_ns < _JOINED_NS:
                from_ns, until_ns = min(from_ns, begin_ns), max(until_ns, end_ns)
            else:
                others.append((begin_ns, end_ns))
        return Reach(spans=(*others[1 - MOST_SPANS :], (from_ns, until_ns)), partial=window.partial)


def read_reach(database: sqlite3.Connection) -> Reach:
    """Where an outbox's windows have been; nowhere, when that can no longer be read: windows are worth more."""
    spans, partial = database.execute("SELECT reach, reach_partial FROM state").fetchone()
    try:
        known = msgspec.json.decode(spans, type=tuple[tuple[int, int], ...])
    except (msgspec.MsgspecError, TypeError):
        return Reach()
    return Reach(spans=known, partial=partial == 1)


def write_reach(database: sqlite3.Connection, reach: Reach) -> None:
    """Keeps it, in the transaction that is open."""
    spans = msgspec.json.encode(reach.spans)
    database.execute("UPDATE state SET reach = ?, reach_partial = ?", (spans, int(reach.partial)))
