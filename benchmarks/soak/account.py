"""The account: every window that was closed, and what became of it.

Owns no state. Loss is judged from two sides: an id in the journal that never arrived, and a number below the highest
of its epoch that never arrived, since numbers are given in the transaction that keeps the window.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from benchmarks.soak.journal import Closed, content_of
from edge.contract import Window, decode

# A broker saves after each change; killed within a save, it may lose what it acknowledged so long before.
_SAVED_S = 2.0
_TOUCH = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as the subscriber got it."""

    topic: str
    payload: bytes

    @property
    def id(self) -> str:
        """Of the window."""
        return self.payload.partition(b'"id":"')[2].partition(b'"')[0].decode()


@dataclass(slots=True, kw_only=True)
class Account:
    """What became of the windows; each list names ids.

    Attributes:
        closed: by the journals, and by numbers that the journals miss.
        arrived: different windows.
        suppressed: of the arrived, those without scores.
        lost: closed and never arrived, whoever lost them.
        lost_by_broker: of the lost, those that a broker had acknowledged less than two seconds before it was killed.
        unjournaled: arrived, but a kill came between the commit and the journal's line.
        repeats: deliveries beyond the first.
        differing: ids of which two deliveries differ.
        altered: ids whose content is not what was closed.
        overlaps: pairs of synchronized windows of one device that claim one interval, within one process.
        overlaps_across: the same, of two processes.
    """

    closed: int = 0
    arrived: int = 0
    suppressed: int = 0
    unsynced: int = 0
    epochs: int = 0
    lost: list[str] = field(default_factory=list)
    lost_by_broker: list[str] = field(default_factory=list)
    unjournaled: list[str] = field(default_factory=list)
    repeats: int = 0
    differing: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    overlaps: list[str] = field(default_factory=list)
    overlaps_across: list[str] = field(default_factory=list)


def settle(
    closed: Sequence[Closed],
    arrivals: Sequence[Arrival],
    *,
    acknowledged: Mapping[str, float] | None = None,
    broker_killed_s: Sequence[float] = (),
) -> Account:
    """Compares what was closed with what arrived.

    Args:
        closed: all journals.
        arrivals: all messages, repeats included.
        acknowledged: when the broker acknowledged each id, monotonic seconds, seen on the wire.
        broker_killed_s: when the broker was killed.
    """
    deliveries: dict[str, list[Window]] = defaultdict(list)
    for arrival in arrivals:
        window = decode(arrival.payload, Window)
        deliveries[window.id].append(window)
    journal = {entry.id: entry for entry in closed}
    if len(journal) != len(closed):
        raise ValueError("an id was given to two windows")
    account = Account(arrived=len(deliveries), repeats=len(arrivals) - len(deliveries))
    known = journal.keys() | deliveries.keys()
    owed = known | _below(known)
    account.closed, account.lost = len(owed), sorted(owed - deliveries.keys())
    account.lost_by_broker = [name for name in account.lost if _forgotten(name, acknowledged or {}, broker_killed_s)]
    account.unjournaled = sorted(deliveries.keys() - journal.keys())
    account.epochs = len({name.rpartition("/")[0] for name in known})
    for name, windows in deliveries.items():
        first = windows[0]
        if any(window != first for window in windows[1:]):
            account.differing.append(name)
        if name in journal and content_of(first) != journal[name].content:
            account.altered.append(name)
        account.suppressed += first.suppressed is not None
        account.unsynced += first.clock == "unsynced"
    _find_overlaps(account, [windows[0] for windows in deliveries.values()], journal)
    return account


def longest_pause_s(closed: Sequence[Closed]) -> float:
    """Between two windows of a device that is never restarted, seconds: every interval has to give one."""
    return max((later.at_s - one.at_s for one, later in pairwise(closed)), default=0.0)


def _below(ids: Iterable[str]) -> set[str]:
    """All numbers from 1 to the highest of each epoch, as ids."""
    highest: dict[str, int] = defaultdict(int)
    for name in ids:
        epoch, _, seq = name.rpartition("/")
        highest[epoch] = max(highest[epoch], int(seq))
    return {f"{epoch}/{seq}" for epoch, last in highest.items() for seq in range(1, last + 1)}


def _forgotten(name: str, acknowledged: Mapping[str, float], killed_s: Sequence[float]) -> bool:
    at_s = acknowledged.get(name)
    return at_s is not None and any(0 <= kill_s - at_s <= _SAVED_S for kill_s in killed_s)


def _find_overlaps(account: Account, windows: Sequence[Window], journal: Mapping[str, Closed]) -> None:
    lines: dict[str, list[Window]] = defaultdict(list)
    for window in windows:
        if window.clock == "synced":
            lines[window.device].append(window)
    for line in lines.values():
        line.sort(key=lambda window: (window.start, window.end))
        reach: Window | None = None  # of those so far, the one that ends last
        for window in line:
            if reach is not None and reach.end - window.start > _TOUCH and not _cut(reach, window):
                runs = [journal[name].run if name in journal else None for name in (reach.id, window.id)]
                found = account.overlaps if runs[0] == runs[1] else account.overlaps_across
                found.append(f"{reach.id} {_span(reach)}, {window.id} {_span(window)}")
            if reach is None or window.end > reach.end:
                reach = window


def _cut(one: Window, other: Window) -> bool:
    """Two parts of one interval, before and after a restart, as the contract has it."""
    return one.partial and other.partial and one.end == other.end


def _span(window: Window) -> str:
    def short(at: datetime) -> str:
        return at.isoformat(timespec="milliseconds").removesuffix("+00:00")

    return f"{short(window.start)}–{short(window.end)}"
