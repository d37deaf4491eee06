"""What a broker session has sent and not yet heard of, and what its answers mean for the outbox."""

from __future__ import annotations

import time

from edge.publish.outbox import Outbox
from edge.publish.session import REFUSED, BrokerSession
from edge.values import Message

_RULES = (0x87, 0x97)  # not authorized, quota exceeded: about the device, so another answer may come


class Flight:
    """What one session has sent and not yet heard of.

    Attributes:
        said_goodbye: `offline` was sent.
        status_refused: the broker did not take the last status, so what it retains is not true.
    """

    def __init__(self, session: BrokerSession, outbox: Outbox) -> None:
        self.said_goodbye = False
        self.status_refused = False
        self._heard_s = time.monotonic()
        self._denied = False
        self._session = session
        self._outbox = outbox
        self._sent: dict[int, tuple[str, int | None]] = {}  # by message id: what it is, and its number in the outbox

    @property
    def room(self) -> int:
        """How many more messages the broker takes before it acknowledges one."""
        return self._session.in_flight_limit - len(self._sent)

    @property
    def waiting(self) -> bool:
        return bool(self._sent)

    @property
    def silent_s(self) -> float:
        """Seconds for which an acknowledgement is owed and none came; 0 while none is owed."""
        return time.monotonic() - self._heard_s if self._sent else 0.0

    @property
    def sending(self) -> set[int]:
        """Numbers of the windows on their way."""
        return {seq for _, seq in self._sent.values() if seq is not None}

    def send(self, message: Message, seq: int | None, what: str = "status") -> None:
        """Hands a message over: a window with its number, or something else that is owed to nobody."""
        mid = self._session.send(message)
        if message.qos > 0:
            if not self._sent:
                self._heard_s = time.monotonic()
            self._sent[mid] = (what if seq is None else "window", seq)

    def settle(self) -> list[tuple[str, int]]:
        """Books the acknowledgements that came; returns what each was for, such as `window`, and its reason code."""
        acks, self._session.acks = self._session.acks, []
        settled = []
        for mid, reason_code in acks:
            if mid not in self._sent:  # of QoS 0, which paho reports when it is written: no word of the broker
                continue
            self._heard_s = time.monotonic()
            what, seq = self._sent.pop(mid)
            settled.append((what, reason_code))
            if what == "status":
                self.status_refused = reason_code >= REFUSED
            if seq is None:
                continue
            if reason_code >= REFUSED:
                self._outbox.refuse(seq, reason_code)
                self._denied |= reason_code in _RULES
                continue
            self._outbox.ack(seq)
            if self._denied:  # and now it is not: the rules were changed under a running session
                self._denied = False
                self._outbox.readmit()
        return settled
