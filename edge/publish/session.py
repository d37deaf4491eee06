"""One session with a broker, from the TCP connection to its end; owns the paho client, used by one thread.

paho runs without a thread, reconnects or retries, and each message passes the privacy gate. Its `loop` and
`loop_start` would open a listening port.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import sys
import time
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import MqttConfig
from edge.contract import Window
from edge.errors import PublishError
from edge.publish.credentials import Credentials
from edge.publish.gate import Gate, GateError

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0  # for TCP, again for TLS, and twice this for the answer
IN_FLIGHT = 16
REFUSED, TOO_LARGE = 0x80, 0x95  # MQTT 5 reason codes; the first and all larger ones are refusals
UNREACHABLE, REJECTED, LOST = "broker unreachable", "broker rejected this device", "broker connection lost"
TAKEN_OVER, CLOSED = "another client uses this device's name", "closed"
_SESSION_TAKEN_OVER, _KEEP_ALIVE = 0x8E, 0x8D
_HEAD_BYTES = 20  # of a PUBLISH packet at most, beside topic and payload
_ANSWER_BYTES = 1024  # that a broker may send for each of our messages
_SILENT = "it does not answer; are port, TLS and protocol right?"


class Message(NamedTuple):
    """What is sent."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False

    @property
    def size(self) -> int:
        """Bytes of topic and payload."""
        return len(self.topic) + len(self.payload)


class End(NamedTuple):
    """How a session ended, as the log says it; `why` holds no secret."""

    what: str
    why: str


class _Client(paho.Client):
    """paho with the privacy gate in its two calls that publish; `expiry_s` as for `Session`."""

    gate: Gate
    expiry_s = 0

    def publish(
        self, topic: str, payload: Any = None, qos: int = 0, retain: bool = False, properties: Properties | None = None
    ) -> paho.MQTTMessageInfo:
        if properties is not None:
            raise GateError("a message with properties")
        if isinstance(self.gate.check(topic, payload), Window) and self.expiry_s:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = self.expiry_s
        return super().publish(topic, payload, qos, retain, properties)

    def will_set(
        self, topic: str, payload: Any = None, qos: int = 0, retain: bool = False, properties: Properties | None = None
    ) -> None:
        if properties is not None:
            raise GateError("a last will with properties")
        self.gate.check(topic, payload)
        super().will_set(topic, payload, qos, retain)


class Session:
    """A session: `open`, then `work` until `end` is set; `send` while `connected`.

    Args:
        config, credentials: the broker, and how to log in.
        client_id: the same for all sessions of a device, so that a new one ends a half-dead old one, whose last will
            then cannot come after the new one's `online`.
        gate: checks every message.
        will: what the broker publishes if this session breaks.
        expiry_s: how long the broker keeps a window for an absent subscriber, seconds; 0: for ever.

    Raises:
        PublishError: the gate let a planted message pass.
    """

    def __init__(
        self,
        config: MqttConfig,
        credentials: Credentials,
        client_id: str,
        gate: Gate,
        will: Message | None = None,
        expiry_s: int = 0,
    ) -> None:
        self.connected = False
        self.end: End | None = None
        self.in_flight_limit = IN_FLIGHT
        self._config, self._max_bytes = config, sys.maxsize
        self._answers: list[tuple[int, int]] = []
        self._sent, self._opened_s = 0, 0.0
        five = config.protocol == "5"  # clean start and session expiry 0 by default: the outbox keeps what is owed
        version, clean = (paho.MQTTv5, None) if five else (paho.MQTTv311, True)
        client = _Client(CallbackAPIVersion.VERSION2, client_id, clean, protocol=version, reconnect_on_failure=False)
        client.gate, client.expiry_s = gate, expiry_s if five else 0
        for send in (client.publish, client.will_set):
            try:
                send("affect/v1/no/where/window", b"\xff\xd8\xff planted")
            except GateError:
                continue
            raise PublishError("the privacy gate let a planted message pass", fix="nothing is sent; please report this")
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(0)  # no limit: the owner keeps one, so that paho queues nothing
        if will is not None:
            client.will_set(*will)
        if credentials.username:
            client.username_pw_set(credentials.username, credentials.password)
        if credentials.tls is not None:
            client.tls_set_context(credentials.tls)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish = lambda _client, _data, mid, reason, _more: self._answers.append((mid, reason.value))
        client.on_message = lambda *_: self.give_up("it sent a message that nobody asked for")
        self._client = client

    def open(self) -> None:
        """Connects; blocks for at most two `CONNECT_TIMEOUT_S` and the time to resolve the name."""
        self._opened_s = time.monotonic()
        try:
            self._client.connect(self._config.host, self._config.port, keepalive=self._config.keepalive_s)
        except ssl.SSLCertVerificationError as error:
            hint = "; is this device's clock right?" if "not yet valid" in error.verify_message else ""
            self._finish(REJECTED, f"its certificate is not accepted: {error.verify_message}{hint}")
        except ssl.SSLError as error:
            self._finish(REJECTED, f"TLS failed: {error.reason or error}")
        except TimeoutError:
            self._finish(UNREACHABLE, "no answer")
        except UnicodeError:  # from IDNA
            self._finish(UNREACHABLE, "mqtt.host is no valid name")
        except OSError as error:
            self._finish(UNREACHABLE, error.strerror or str(error))

    def fits(self, size: int) -> bool:
        """Whether the broker takes so many bytes of topic and payload."""
        return size + _HEAD_BYTES <= self._max_bytes

    def send(self, message: Message) -> int:
        """Sends a message; returns the number that `work` gives with its answer. The gate may raise GateError."""
        self._sent += 1
        return self._client.publish(*message).mid

    def work(self, timeout_s: float) -> list[tuple[int, int]]:
        """Reads and writes for at most `timeout_s` seconds, less when something comes.

        Returns:
            Number and reason code of each message that was answered, or written with QoS 0. MQTT 3.1.1 has only code 0.
        """
        client, connection = self._client, self._client.socket()
        if not isinstance(connection, socket.socket):
            self._finish(LOST, "it closed without a reason")
            return []
        buffered = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
        writing = [connection] if client.want_write() else []
        readable, writable, _ = select.select([connection], writing, [], 0 if buffered else timeout_s)
        try:
            if readable or buffered:
                client.loop_read()
            if writable:
                client.loop_write()
            client.loop_misc()
        except Exception as error:  # noqa: BLE001 - paho's parser may raise anything
            log.debug("what the broker sent cannot be read: %r", error)
            self.give_up("it sent bytes that are no MQTT")
        lived_s = time.monotonic() - self._opened_s
        # paho alone would collect packets of 256 MB.
        if self.end is None and _received(connection) > 65_536 + _ANSWER_BYTES * self._sent + 16 * lived_s:
            self.give_up("it sent more than any answer takes")
        if not self.connected and lived_s > 2 * CONNECT_TIMEOUT_S:
            self._finish(UNREACHABLE, _SILENT)
        answers, self._answers = self._answers, []
        return answers

    def give_up(self, why: str) -> None:
        """Ends a session that does not work."""
        self._finish(LOST if self.connected else REJECTED, why)

    def disconnect(self) -> None:
        """Ends the session in order: there will be no last will."""
        self._finish(CLOSED, "")
        self._client.disconnect()

    def drop(self) -> None:
        """Closes the connection; the broker publishes the last will unless the session ended in order."""
        self._finish(CLOSED, "")
        client = self._client
        client.on_connect = client.on_publish = client.on_disconnect = client.on_message = None
        if isinstance(connection := client.socket(), socket.socket):
            connection.close()

    def _finish(self, what: str, why: str) -> None:
        self.end = self.end or End(what, why)  # the first reason is the cause
        self.connected = False

    def _on_connect(
        self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._finish(REJECTED, str(reason))
        elif getattr(properties, "MaximumQoS", 2) < 1:
            self._finish(REJECTED, "the broker knows no QoS 1, so it cannot acknowledge windows")
        else:
            self.in_flight_limit = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
            self._max_bytes = getattr(properties, "MaximumPacketSize", sys.maxsize)
            self.connected = True

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, reason: ReasonCode, _more: Any) -> None:
        if flags.is_disconnect_packet_from_server and reason.value == _SESSION_TAKEN_OVER:
            self._finish(TAKEN_OVER, "two devices share a site and a name; give one another `device.name`")
        elif self.connected:
            silent = reason.value == REFUSED  # "unspecified": paho's code for a connection that just ended
            self._finish(LOST, "it closed without a reason" if silent else str(reason))
        elif reason.value == _KEEP_ALIVE:
            self._finish(UNREACHABLE, _SILENT)
        else:
            self._finish(REJECTED, "closed before it answered; are port, TLS and protocol right?")


def _received(connection: socket.socket) -> int:
    """Bytes that the kernel received over a connection; 0 once it is closed."""
    if connection.fileno() < 0:
        return 0
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)  # struct tcp_info of Linux
    return int.from_bytes(info[128:136], sys.byteorder)  # its member tcpi_bytes_received
