"""The connection to the broker, byte by byte: an end of TLS before the broker, TLS's records, and MQTT in them.

Nothing is put into the device for that. What came to the end of TLS has to be what the kernel was given; each record
has to open with OpenSSL and to hold as much as it can; each MQTT packet has to be the one that its message makes.
"""

from __future__ import annotations

import select
import socket
import socketserver
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.egress.ledger import Ledger, describe
from benchmarks.packet_stream import cut_packets
from benchmarks.ports import HOST

WIRE = "TLS connection to the broker"
_HELLO, _CHANGE, _DATA = b"\x16\3\1", b"\x14\3\3", b"\x17\3\3"  # type and version of records
_HEAD, _SEAL = 5, 17  # bytes of a record's head, and of its inner type and authentication tag
_FINISHED, _CLOSING = (36, 52), 2
_MOST = 1 << 16
_FIXED = {b"\xc0\0": "PINGREQ", b"\xe0\0": "DISCONNECT"}
_EXPIRY = 2


class MqttError(ValueError):
    """Bytes that are no MQTT packet of this device; says what, never which."""


@dataclass(slots=True)
class Session:
    """One connection of the device: what came, and what OpenSSL found in it."""

    came: bytearray = field(default_factory=bytearray)
    inside: bytearray = field(default_factory=bytearray)


class Packet(NamedTuple):
    """One packet, whole; topic and payload are a PUBLISH's."""

    name: str
    data: bytes
    topic: str = ""
    payload: bytes = b""


class Terminator(socketserver.ThreadingTCPServer):
    """Ends TLS before a broker without, whose port on loopback is given; each connection has a thread.

    Attributes:
        sessions: in the order of their beginning.
    """

    daemon_threads = True

    def __init__(self, certificate: Path, key: Path, port: int) -> None:
        super().__init__((HOST, 0), _Connection)
        self.sessions: list[Session] = []
        self.broker = port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.num_tickets = 0
        self.context.load_cert_chain(certificate, key)


class _Connection(socketserver.BaseRequestHandler):
    server: Terminator
    request: socket.socket

    def setup(self) -> None:
        self._session = Session()
        self.server.sessions.append(self._session)

    def handle(self) -> None:
        came, told = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.server.context.wrap_bio(came, told, server_side=True)
        with socket.create_connection((HOST, self.server.broker)) as broker, suppress(OSError):
            while True:  # until one side ends it, or something does not open, which shows in what was kept
                ready, _, _ = select.select([self.request, broker], [], [])
                if self.request in ready:
                    data = self.request.recv(_MOST)
                    self._session.came += data
                    came.write(data)
                    for inside in iter(lambda: _open(tls), b""):
                        self._session.inside += inside
                        broker.sendall(inside)
                    if not data:
                        return
                if broker in ready:
                    if not (answer := broker.recv(_MOST)):
                        return
                    tls.write(answer)
                self.request.sendall(told.read())


def _open(tls: ssl.SSLObject) -> bytes:
    """What is in the next record; empty when there is none, during the handshake, and at the end."""
    try:
        tls.do_handshake()
        return tls.read(_MOST)
    except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
        return b""


def hellos(context: ssl.SSLContext, host: str, count: int = 8) -> list[bytes]:
    """First records as this machine's OpenSSL sends them with a device's settings; random numbers differ in them."""
    made = []
    for _ in range(count):
        told = ssl.MemoryBIO()
        tls = context.wrap_bio(ssl.MemoryBIO(), told, server_hostname=host)
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            made.append(told.read())
    return made


def hello_problem(record: bytes, known: Sequence[bytes]) -> str:
    """What is wrong with a first record, which may differ from known ones where they differ; empty for nothing."""
    same = all(len(record) == len(other) for other in known) and all(
        len(set(column)) > 1 or column[0] == byte for byte, *column in zip(record, *known, strict=True)
    )
    return "" if same else "a first TLS message that is not OpenSSL's for the broker's name"


def read_records(ledger: Ledger, sent: bytes, session: Session, known: Sequence[bytes]) -> None:
    """Accounts for each byte of TLS in what the kernel was given; `session` is what came of it, `known` of `hellos`."""
    if sent != session.came:
        ledger.find(WIRE, "what came to the broker is not what the kernel was given")
    at, held, number = 0, 0, 0
    while head := sent[at : at + _HEAD]:
        size = _HEAD + int.from_bytes(head[3:], "big")
        record, content = sent[at : at + size], size - _HEAD - _SEAL
        if len(record) < size or head[:3] != (_HELLO, _CHANGE, _DATA)[min(number, 2)]:
            break
        if number == 0:
            if problem := hello_problem(record, known):
                ledger.find(WIRE, problem)
            loose = sum(len(set(column)) > 1 for column in zip(*known, strict=True))
            ledger.account(WIRE, "TLS random numbers and public keys", loose)
            ledger.account(WIRE, "TLS handshake", size - loose)
        elif (number == 1 and record[_HEAD:] == b"\1") or (number == 2 and content in _FINISHED):
            ledger.account(WIRE, "TLS handshake", size)
        elif number > 2 and held + content <= len(session.inside):
            ledger.account(WIRE, "TLS heads, types and authentication tags", size - content)
            held += content
        elif number > 2 and content == _CLOSING and at + size == len(sent):
            ledger.account(WIRE, "TLS closing alert", size)
        else:
            break
        at, number = at + size, number + 1
    if at < len(sent) or held != len(session.inside):
        ledger.find(WIRE, f"bytes that TLS did not send: {describe(sent[at:])}")


def read_packets(stream: bytes) -> Iterator[Packet]:
    """All packets of a stream; their bytes add up to it. A PUBLISH has topic and payload, a JSON object.

    Raises:
        MqttError: at the place where the packets end.
    """
    rest = bytearray(stream)
    for first, body in cut_packets(rest):
        data = whole_packet(first, body)
        if not stream.startswith(data):
            raise MqttError("a packet whose length is written in another way")
        stream = stream[len(data) :]
        if data in _FIXED or first == 0x10:
            yield Packet(_FIXED.get(data, "CONNECT"), data)
        elif first >> 4 == 3:
            begin = 2 + int.from_bytes(body[:2], "big")
            payload = body[max(body.find(b"{", begin), begin) :]
            yield Packet("PUBLISH", data, body[2:begin].decode("utf-8", "backslashreplace"), payload)
        else:
            raise MqttError("a packet that the device does not send")
    if rest:
        raise MqttError("bytes that are no MQTT packet")


def connect_packet(client_id: str, keepalive_s: int, will: tuple[str, bytes], username: str, password: str) -> bytes:
    """The whole CONNECT of a device: clean start, a retained last will of QoS 1, no property."""
    words = [client_id.encode(), b"", will[0].encode(), will[1], username.encode(), password.encode()]
    texts = [_sized(word) if word else b"\0" for word in words]  # the empty one: the last will's properties
    return whole_packet(0x10, _sized(b"MQTT") + b"\5\xee" + keepalive_s.to_bytes(2, "big") + b"\0" + b"".join(texts))


def publish_packet(topic: str, payload: bytes, number: int, *, retain: bool = False, expiry_s: int = 0) -> bytes:
    """The whole PUBLISH of a message; `number` 0: of QoS 0, which nobody answers. Its one property says its expiry."""
    numbered = number.to_bytes(2, "big") if number else b""
    kept = bytes([5, _EXPIRY]) + expiry_s.to_bytes(4, "big") if expiry_s else b"\0"
    return whole_packet(0x30 | 2 * bool(number) | retain, _sized(topic.encode()) + numbered + kept + payload)


def whole_packet(first: int, body: bytes) -> bytes:
    """A packet with its length."""
    size, length = len(body), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([first]) + length + bytes([size]) + body


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
