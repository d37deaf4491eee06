"""The outbox: windows from their closing until the broker has said that it holds them.

Owns the epoch, the numbering and what is still owed. Knows nothing of MQTT.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from edge.publish.message import Origin
from edge.publish.payload import WindowPayload
from edge.values import WindowAggregate


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCounts:
    """How an outbox is doing.

    Attributes:
        waiting: windows that are to be sent; refused ones are not among them.
        evicted: windows lost because the outbox or its disk was full, or because they were too old. One whose
            acknowledgement was under way counts too, so this may err upwards by the few in flight, never downwards.
        refused: windows that the broker ever refused, each counted once.
        interrupted: runs that did not end in order; each lost the window that was open.
        resets: broken databases set aside in this run, with what was in them.
    """

    waiting: int
    evicted: int
    refused: int
    interrupted: int = 0
    resets: int = 0


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
