"""The outbox: windows from their closing until the broker has said that it holds them.

Owns the epoch, the numbering and what is still owed. Knows nothing of MQTT.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from edge.publish.message import Origin, number_window
from edge.publish.payload import WindowPayload, encode
from edge.types import WindowAggregate


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCounts:
    """How an outbox is doing.

    Attributes:
        waiting: windows that are to be sent; refused ones are not among them.
        evicted: windows lost because the outbox was full. One whose acknowledgement was under way counts too, so
            this may err upwards by the few in flight, never downwards.
        refused: windows that the broker ever refused, each counted once.
    """

    waiting: int
    evicted: int
    refused: int


class Outbox(Protocol):
    """Windows that are owed to the broker. Every method may be called from any thread and returns at once."""

    @property
    def epoch(self) -> str:
        """Eight hexadecimal digits, random, made with the outbox; with `seq` it makes an id unique."""
        ...

    def insert(self, aggregate: WindowAggregate, origin: Origin) -> WindowPayload:
        """Numbers a window and keeps it, in one step: no number is given twice or lost.

        Kept is the whole payload, not the aggregate: a window sent after a restart still names the tags and the
        model it was made with.

        Raises:
            ValueError: the aggregate breaks the contract; nothing is kept and no number used.
        """
        ...

    def pending(self, limit: int, sending: Collection[int]) -> list[WindowPayload]:
        """What to send next: the newest first, so that a live window never waits behind an outage's backlog.

        Args:
            limit: at most so many.
            sending: numbers (`seq`) that are on their way and to be left out.
        """
        ...

    def ack(self, seq: int) -> None:
        """Lets go of a window that the broker holds; nothing happens if it is gone already."""
        ...

    def refuse(self, seq: int, reason_code: int) -> None:
        """Keeps a window that the broker refused with an MQTT 5 reason code ≥ 0x80, without offering it again."""
        ...

    def refusals(self) -> dict[int, int]:
        """The refused windows that are still kept: reason code by `seq`."""
        ...

    def readmit(self) -> int:
        """Offers the refused windows again, for a broker that may have changed its mind; says how many."""
        ...

    def counts(self) -> OutboxCounts:
        """How it stands."""
        ...


class MemoryOutbox:
    """An outbox that lasts as long as the process; when full, the oldest window goes and is counted.

    Args:
        capacity: most windows kept, refused ones included.
        epoch: eight hexadecimal digits; random when not given.
    """

    def __init__(self, capacity: int, epoch: str | None = None) -> None:
        if capacity < 1:
            raise ValueError("an outbox holds at least one window")
        self._capacity = capacity
        self._epoch = secrets.token_hex(4) if epoch is None else epoch
        self._lock = threading.Lock()
        self._windows: dict[int, WindowPayload] = {}  # by seq, ascending
        self._refused: dict[int, int] = {}
        self._ever_refused: set[int] = set()
        self._seq = 0
        self._evicted = 0
        self._refused_total = 0

    @property
    def epoch(self) -> str:
        return self._epoch

    def insert(self, aggregate: WindowAggregate, origin: Origin) -> WindowPayload:
        with self._lock:
            window = number_window(aggregate, origin, epoch=self._epoch, seq=self._seq + 1)
            encode(window)  # refuses a breach of the contract here, where the caller can be told
            self._seq = window.seq
            self._windows[window.seq] = window
            if len(self._windows) > self._capacity:
                self._forget(next(iter(self._windows)))
                self._evicted += 1
            return window

    def pending(self, limit: int, sending: Collection[int]) -> list[WindowPayload]:
        found: list[WindowPayload] = []
        if limit < 1:
            return found
        with self._lock:
            for seq, window in reversed(self._windows.items()):
                if seq not in self._refused and seq not in sending:
                    found.append(window)
                    if len(found) == limit:
                        break
        return found

    def ack(self, seq: int) -> None:
        with self._lock:
            self._forget(seq)

    def refuse(self, seq: int, reason_code: int) -> None:
        with self._lock:
            if seq not in self._windows:
                return
            self._refused[seq] = reason_code
            if seq not in self._ever_refused:
                self._ever_refused.add(seq)
                self._refused_total += 1

    def refusals(self) -> dict[int, int]:
        with self._lock:
            return dict(self._refused)

    def readmit(self) -> int:
        with self._lock:
            readmitted = len(self._refused)
            self._refused.clear()
            return readmitted

    def counts(self) -> OutboxCounts:
        with self._lock:
            return OutboxCounts(
                waiting=len(self._windows) - len(self._refused),
                evicted=self._evicted,
                refused=self._refused_total,
            )

    def _forget(self, seq: int) -> None:
        self._windows.pop(seq, None)
        self._refused.pop(seq, None)
        self._ever_refused.discard(seq)
