"""A trial of the broker: connect as the device would, have one empty message acknowledged, and leave.

It uses a client id of its own, so a device that is running keeps its session, and a topic of its own beside the
device's (`…/trial`), so no reader takes it for a window. The message is empty and not retained.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import closing

from edge.config import MqttConfig
from edge.errors import PublishError
from edge.publish.credentials import Credentials
from edge.publish.egress import EgressError, Gate
from edge.publish.message import Origin
from edge.publish.session import REFUSED, BrokerSession
from edge.values import Message

KIND = "trial"
_WAIT_S = 10.0
_LOOK_S = 0.2


class _TrialGate(Gate):
    """Lets nothing pass but the connection and the empty message."""

    def __init__(self, origin: Origin, *, properties: bool) -> None:
        super().__init__(origin, properties=properties)
        self._topics = {origin.topic(KIND).encode(): (_empty, 0)}


def _empty(data: bytes) -> bytes:
    if data:
        raise EgressError("a trial message with something in it")
    return data


def try_connection(config: MqttConfig, credentials: Credentials, origin: Origin) -> BrokerSession:
    """A session that the broker has let in; the caller ends it.

    Raises:
        PublishError: it cannot be reached, or does not let this device in; says why.
    """
    message = Message(topic=origin.topic(KIND), payload=b"", qos=0, retain=False)
    gate = _TrialGate(origin, properties=config.protocol == "5")
    session = BrokerSession(config, credentials, f"affect-{origin.site}-{origin.device}-{KIND}", message, gate)
    session.open()
    _pump(session, lambda: session.connected)
    if not session.connected:
        end = session.end
        session.drop()
        said = f"{end.fate.value} ({end.detail})" if end else "no answer"
        raise PublishError(f"{config.host}:{config.port}: {said}")
    return session


def try_publish(session: BrokerSession, origin: Origin) -> float:
    """Has one empty message acknowledged; returns the seconds that took, and ends the session.

    Raises:
        PublishError: it was refused, or never acknowledged.
    """
    topic = origin.topic(KIND)
    begun_s = time.monotonic()
    sent = session.send(Message(topic=topic, payload=b"", qos=1, retain=False))
    _pump(session, lambda: any(mid == sent for mid, _ in session.acks))
    seconds = time.monotonic() - begun_s
    reasons = [reason for mid, reason in session.acks if mid == sent]
    session.disconnect()
    if not reasons:
        raise PublishError(f"{topic}: the broker did not acknowledge a message within {_WAIT_S:g} s")
    if reasons[0] >= REFUSED:
        raise PublishError(f"{topic}: the broker refused a message (reason 0x{reasons[0]:02x})")
    return seconds


def _pump(session: BrokerSession, done: Callable[[], bool]) -> None:
    wake_in, wake_out = socket.socketpair()
    with closing(wake_in), closing(wake_out):
        end_s = time.monotonic() + _WAIT_S
        while session.end is None and not done() and time.monotonic() < end_s:
            session.pump(wake_out, _LOOK_S)
