"""One session with a broker, from the TCP connection to its end. Owns the paho client; used once, by one thread.

paho runs here without a thread of its own, without reconnecting and without its queue: who may wait, what is
retried and what is owed are decided by `MqttPublisher`, in one place.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import MqttConfig
from edge.publish.credentials import Credentials
from edge.publish.egress import EgressError, Gate
from edge.values import Message

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0  # for the TCP connection, again for the TLS handshake, and twice this for the answer
IN_FLIGHT = 16
REFUSED = 0x80  # MQTT 5 reason codes from here on are refusals
_UNSPECIFIED = 0x80
_KEEP_ALIVE = 0x8D
_TAKEN_OVER = 0x8E
_ANSWERS = (2, 4, 13, 14)  # CONNACK, PUBACK, PINGRESP, DISCONNECT: we subscribe to nothing and send no QoS 2
_MAX_ANSWER_BYTES = 65_536
_READ_BYTES = 4096
_SILENT = "it does not answer; are port, TLS and protocol right?"


class Fate(Enum):
    """How a session ended, in the words of the log."""

    UNREACHABLE = "broker unreachable"
    REJECTED = "broker rejected this device"
    TAKEN_OVER = "another client uses this device's name"
    LOST = "broker connection lost"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class End:
    """Why a session is over; `detail` never holds a secret."""

    fate: Fate
    detail: str


class _GatedClient(paho.Client):
    """Shows every packet to a gate before paho queues it for the socket, and hears only what answers it.

    `_packet_queue` is where paho 2.2.0 passes each of its packets, whole and once; a test notices when it no longer is.
    Without the second, a broker makes paho keep messages nobody asked for, up to 256 MB each, and answer them.

    Attributes:
        objection: what the broker said that it must not, empty while it did not.
    """

    gate: Gate
    objection = ""

    def _packet_queue(self, command: int, packet: Any, *rest: Any) -> Any:
        self.gate.check(bytes(packet))
        return super()._packet_queue(command, packet, *rest)

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._in_packet["remaining_length"] > _MAX_ANSWER_BYTES:
            self.objection = "it sent a packet larger than any answer"
            raise ConnectionError(self.objection)  # which paho takes for a lost connection
        return super()._sock_recv(min(bufsize, _READ_BYTES))

    def _packet_handle(self) -> MQTTErrorCode:
        kind = self._in_packet["command"] >> 4
        if kind not in _ANSWERS:
            self.objection = f"it sent an MQTT packet of type {kind}, which answers nothing"
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        try:
            return super()._packet_handle()
        except EgressError:
            raise
        except Exception as error:  # noqa: BLE001 - paho's parser raises what it likes
            log.debug("a packet of type %d cannot be read: %r", kind, error)
            self.objection = "it sent bytes that are no MQTT"
            return MQTTErrorCode.MQTT_ERR_PROTOCOL


class BrokerSession:
    """A session: `open`, then `pump` until `end` is set; `send` while `connected`.

    Args:
        config: host, port, protocol, keep-alive.
        credentials: TLS and password.
        client_id: the same for every session of a device: a new session then ends an old, half-dead one at once,
            and the broker cannot speak the old one's last will after the new one's `online`.
        will: what the broker says when this session dies.
        gate: looks at every packet before it leaves; `send` and `pump` raise its `EgressError`.
    """

    def __init__(self, config: MqttConfig, credentials: Credentials, client_id: str, will: Message, gate: Gate) -> None:
        self.connected = False
        self.end: End | None = None
        self.in_flight_limit = IN_FLIGHT
        self.acks: list[tuple[int, int]] = []  # (message id, reason code), emptied by the owner
        self._config = config
        self._opened_s = 0.0
        if config.protocol == "5":  # clean start and session expiry 0 are the defaults: the outbox is the memory
            client = _GatedClient(
                CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv5, reconnect_on_failure=False
            )
        else:
            client = _GatedClient(
                CallbackAPIVersion.VERSION2,
                client_id,
                clean_session=True,
                protocol=paho.MQTTv311,
                reconnect_on_failure=False,
            )
        client.gate = gate
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(0)  # no limit there: the owner holds back, so that paho queues nothing
        client.will_set(will.topic, will.payload, qos=will.qos, retain=will.retain)
        if credentials.username:
            client.username_pw_set(credentials.username, credentials.password)
        if credentials.tls is not None:
            client.tls_set_context(credentials.tls)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        self._client = client

    def open(self) -> None:
        """Connects and says hello; blocks for at most two `CONNECT_TIMEOUT_S` and the name's resolution."""
        self._opened_s = time.monotonic()
        try:
            self._client.connect(self._config.host, self._config.port, keepalive=self._config.keepalive_s)
        except ssl.SSLCertVerificationError as error:
            self._finish(Fate.REJECTED, f"its certificate is not accepted: {error.verify_message}")
        except ssl.SSLError as error:
            self._finish(Fate.REJECTED, f"TLS failed: {error.reason or error}")
        except TimeoutError:
            self._finish(Fate.UNREACHABLE, "no answer")
        except UnicodeError:  # of the encoding that names pass through, before any look-up
            self._finish(Fate.UNREACHABLE, "mqtt.host is no valid name")
        except OSError as error:
            self._finish(Fate.UNREACHABLE, error.strerror or str(error))

    def send(self, message: Message) -> int:
        """Hands over a message; returns the id under which its acknowledgement comes."""
        return self._client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain).mid

    def pump(self, wake: socket.socket, timeout_s: float) -> None:
        """Moves bytes for at most `timeout_s` seconds, less when something happens or `wake` becomes readable."""
        connection = self._client.socket()
        if connection is None:
            self._finish(Fate.LOST, "the broker closed the connection")
            return
        buffered = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
        poller = select.poll()
        poller.register(wake.fileno(), select.POLLIN)
        poller.register(connection.fileno(), select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        events = dict(poller.poll(0 if buffered else int(timeout_s * 1000)))
        if wake.fileno() in events:
            wake.recv(4096)
        event = events.get(connection.fileno(), 0)
        if buffered or event & ~select.POLLOUT:  # a hang-up is read too: reading is what reports it
            self._client.loop_read()
        if event & select.POLLOUT:
            self._client.loop_write()
        self._client.loop_misc()
        if not self.connected and self.end is None and time.monotonic() - self._opened_s > 2 * CONNECT_TIMEOUT_S:
            self._finish(Fate.UNREACHABLE, _SILENT)
            self.drop()

    def give_up(self, why: str) -> None:
        """Ends a session that is connected and does not work."""
        self._finish(Fate.LOST, why)

    def disconnect(self) -> None:
        """Ends the session in order: the broker forgets the last will."""
        self._finish(Fate.CLOSED, "")
        self._client.disconnect()

    def drop(self) -> None:
        """Cuts the connection without a word: the broker speaks the last will."""
        self._finish(Fate.CLOSED, "")
        connection = self._client.socket()
        if isinstance(connection, socket.socket):
            connection.close()

    def _finish(self, fate: Fate, detail: str) -> None:
        if self.end is None:  # the first reason is the cause, what follows are its effects
            self.end = End(fate, detail)
        self.connected = False

    def _on_connect(
        self, _client: Any, _data: Any, _flags: paho.ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._finish(Fate.REJECTED, str(reason))
            return
        if getattr(properties, "MaximumQoS", 2) < 1:
            self._finish(Fate.REJECTED, "the broker knows no QoS 1, so it cannot acknowledge windows")
            return
        self.in_flight_limit = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
        self.connected = True

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        self.acks.append((mid, reason.value))

    def _on_disconnect(
        self, _client: Any, _data: Any, flags: paho.DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if flags.is_disconnect_packet_from_server and reason.value == _TAKEN_OVER:
            self._finish(Fate.TAKEN_OVER, "two devices share a site and a name; give one another `device.name`")
        elif self._client.objection:
            self._finish(Fate.LOST if self.connected else Fate.REJECTED, self._client.objection)
        elif self.connected:
            silent = reason.value == _UNSPECIFIED  # paho's word for a connection that just ended
            self._finish(Fate.LOST, "it closed without a reason" if silent else str(reason))
        elif reason.value == _KEEP_ALIVE:
            self._finish(Fate.UNREACHABLE, _SILENT)
        else:
            self._finish(Fate.REJECTED, "closed before it answered; are port, TLS and protocol right?")
