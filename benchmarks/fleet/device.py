"""One device as the broker sees it: a TLS connection, a status in every session, a window at QoS 1 an interval."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass, field

from msgspec.structs import replace

from benchmarks.fleet.packets import CONNACK, DISCONNECT, PING, PUBACK, Message, connect, publish, reason, take_packets
from edge.backoff import Backoff
from edge.clock import NS
from edge.contract import Health, Status, Window, encode, instant
from edge.publish.connection_log import STABLE_S
from edge.publish.mqtt import FIRST_DELAY_S
from edge.publish.pacing import stagger_s
from scripts.mqtt_examples import BUSY, HEALTH, OFFLINE, ONLINE, ORIGIN

KEEPALIVE_S = 60
LONGEST_BACKOFF_S = 60.0  # the default of mqtt.backoff_max_s
_PATIENCE_S = 20.0  # for a connection and its handshake, as long as the device's own two timeouts


@dataclass(slots=True)
class Tally:
    """What all devices saw.

    Attributes:
        sent: windows written; `acked` of them were acknowledged with success, `refused` with a failure.
        written_s: monotonic second at which each window was written.
        latencies_s: from writing a window to its acknowledgement.
        unanswered: windows whose connection ended first.
        failed_connects: tries that found no broker, or no end of the handshake.
        connected: devices in a session now.
        since_s: monotonic second at which each session that holds now began.
    """

    sent: int = 0
    acked: int = 0
    refused: int = 0
    unanswered: int = 0
    failed_connects: int = 0
    connected: int = 0
    bytes_sent: int = 0
    written_s: list[float] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    since_s: dict[int, float] = field(default_factory=dict)


class SimulatedDevice(asyncio.Protocol):
    """Connects, and again after the product's own pause; publishes when it is told to.

    Args:
        number: of the device; makes its name.
        port: of the broker, on this machine.
        tls: context of all devices; None for plain text.
        tally: of all devices.
        handshakes: at most so many at once while the fleet is being set up; not in a reconnect storm.
        window_s: its interval.

    Attributes:
        stagger_s: its own pause after what happens to all devices at once.
    """

    def __init__(
        self,
        number: int,
        port: int,
        tls: ssl.SSLContext | None,
        tally: Tally,
        handshakes: asyncio.Semaphore,
        window_s: int,
    ) -> None:
        self._number, self._port, self._tls, self._tally, self._handshakes = number, port, tls, tally, handshakes
        self._origin = replace(ORIGIN, site=f"store-{number // 20}", device=f"cam-{number % 20}")
        self.stagger_s = stagger_s(self._origin.site, self._origin.device, window_s)
        self._seq = 0
        self._packet = 0
        self._owed: dict[int, float] = {}
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None
        self._ended = asyncio.Event()
        self._closing = False

    async def live(self) -> None:
        """Sessions, one after the other, until `close`."""
        backoff, first = Backoff(FIRST_DELAY_S, LONGEST_BACKOFF_S), True
        loop = asyncio.get_running_loop()
        while not self._closing:
            begun_s = time.monotonic()
            self._ended.clear()
            try:
                if first:
                    async with self._handshakes:
                        await self._open(loop)
                else:
                    await self._open(loop)
            except (OSError, asyncio.TimeoutError):
                self._tally.failed_connects += 1
            else:
                first = False
                await self._ended.wait()
            if self._closing:
                return
            lasted = time.monotonic() - begun_s >= STABLE_S
            await asyncio.sleep(backoff.next_s(lasted=lasted) + (self.stagger_s if lasted else 0.0))

    def send_window(self, end_ns: int, window_s: int) -> None:
        """Closes a window; nothing while there is no session, since this device has no outbox."""
        if self._transport is None or self._number not in self._tally.since_s:
            return
        self._seq += 1
        epoch, start, end = f"{self._number:08x}", instant(end_ns - window_s * NS), instant(end_ns)
        name = f"{self._origin.device}/{epoch}/{self._seq}"
        window = replace(BUSY, id=name, epoch=epoch, seq=self._seq, start=start, end=end)
        self._owed[self._send(self._message("window", window))] = time.perf_counter()
        self._tally.sent += 1
        self._tally.written_s.append(time.monotonic())

    def send_health(self) -> None:
        """Reports as the example in the documents does, at QoS 0."""
        if self._number in self._tally.since_s:
            self._send(self._message("health", HEALTH)._replace(qos=0))

    def ping(self) -> None:
        """Keeps the session alive."""
        if self._transport is not None:
            self._transport.write(PING)

    def close(self) -> None:
        """Leaves in order, for good."""
        self._closing = True
        if self._transport is not None:
            self._transport.write(DISCONNECT)
            self._transport.close()
        self._ended.set()

    @property
    def open(self) -> bool:
        """Whether there is a connection, in whatever state."""
        return self._transport is not None

    def abort(self) -> None:
        """Cuts the connection, if there is one."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over: says hello."""
        self._transport = transport  # type: ignore[assignment]
        client_id = f"affect-{self._origin.site}-{self._origin.device}"
        self._write(connect(client_id, self._message("status", OFFLINE), KEEPALIVE_S))

    def data_received(self, data: bytes) -> None:
        """Answers to hello and to windows."""
        self._data += data
        for kind, body in take_packets(self._data):
            if kind == CONNACK and reason(kind, body) < 0x80:
                self._tally.connected += 1
                self._tally.since_s[self._number] = time.monotonic()
                self._send(self._message("status", replace(ONLINE, since=instant(time.time_ns()))))
            elif kind == PUBACK:
                written_s = self._owed.pop(int.from_bytes(body[:2], "big"), None)
                if written_s is None:  # of the status
                    continue
                if reason(kind, body) < 0x80:
                    self._tally.acked += 1
                    self._tally.latencies_s.append(time.perf_counter() - written_s)
                else:
                    self._tally.refused += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 — asyncio's signature
        """The session is over."""
        if self._tally.since_s.pop(self._number, None) is not None:
            self._tally.connected -= 1
        self._tally.unanswered += len(self._owed)
        self._owed.clear()
        self._data.clear()
        self._transport = None
        self._ended.set()

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        name = "localhost" if self._tls is not None else None
        connecting = loop.create_connection(lambda: self, "127.0.0.1", self._port, ssl=self._tls, server_hostname=name)
        await asyncio.wait_for(connecting, _PATIENCE_S)

    def _message(self, kind: str, message: Window | Status | Health) -> Message:
        """One of the documents' examples as this device sends it."""
        payload = encode(replace(message, site=self._origin.site, device=self._origin.device))
        return Message(self._origin.topic(kind), payload, retain=kind == "status")

    def _send(self, message: Message) -> int:
        self._packet = self._packet % 65535 + 1
        self._write(publish(message, self._packet))
        return self._packet

    def _write(self, packet: bytes) -> None:
        if self._transport is not None:
            self._tally.bytes_sent += len(packet)
            self._transport.write(packet)
