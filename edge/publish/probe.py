"""Tests the broker: connects as the device would, has an empty message acknowledged, and disconnects.

Its own client id leaves a running device's session alone; its own topic, `…/probe`, is no window's.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from edge.config import Config
from edge.contract import Origin
from edge.errors import PublishError
from edge.publish.credentials import Credentials
from edge.publish.gate import Gate
from edge.publish.homeassistant import discovery_message
from edge.publish.session import REFUSED, Message, Session

_WAIT_S, _TICK_S = 10.0, 0.2


class Probe:
    """A session that may send only `message`, which is empty, and `discovery`, if that is configured.

    Args:
        config: of the device.
        credentials: how to log in.
        origin: whose rights are tested.

    Raises:
        PublishError: the broker cannot be reached, or rejects this device; says why.
    """

    def __init__(self, config: Config, credentials: Credentials, origin: Origin) -> None:
        self.message = Message(origin.topic("probe"), b"")
        self.discovery = discovery_message(config, origin)
        fixed = {message.topic: message.payload for message in (self.message, self.discovery) if message}
        name = f"affect-{origin.site}-{origin.device}-probe"
        self._session = session = Session(config.mqtt, credentials, name, Gate(None, fixed=fixed))
        self._answers: dict[int, int] = {}
        session.open()
        self._wait(lambda: session.connected)
        if not session.connected:
            said = f"{session.end.what} ({session.end.why})" if session.end else "no answer"
            session.drop()
            raise PublishError(f"{config.mqtt.host}:{config.mqtt.port}: {said}")

    def publish(self, message: Message) -> float:
        """Sends a message; returns the seconds until it was acknowledged.

        Raises:
            PublishError: it was refused, or not acknowledged.
        """
        begun_s, sent = time.monotonic(), self._session.send(message)
        self._wait(lambda: sent in self._answers)
        reason = self._answers.get(sent)
        if reason is None:
            raise PublishError(f"{message.topic}: the broker did not acknowledge a message within {_WAIT_S:g} s")
        if reason >= REFUSED:
            raise PublishError(f"{message.topic}: the broker refused a message (reason 0x{reason:02x})")
        return time.monotonic() - begun_s

    def close(self) -> None:
        """Disconnects."""
        self._session.disconnect()
        self._session.drop()

    def _wait(self, done: Callable[[], bool]) -> None:
        end_s = time.monotonic() + _WAIT_S
        while self._session.end is None and not done() and time.monotonic() < end_s:
            self._answers.update(self._session.work(_TICK_S))
