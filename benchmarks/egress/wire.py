"""The connection to the broker, byte by byte: an end of TLS before the broker, TLS's records, and MQTT in them.

Nothing is put into the device for that. What came to the end of TLS has to be what the kernel was given; each record has
to open with OpenSSL and to hold as much as it can; each MQTT packet has to be the one that is built from its fields.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
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
    """One packet; what follows `data` is a PUBLISH's. `expiry_s` 0: the broker keeps it for ever."""

    name: str
    data: bytes
    topic: str = ""
    payload: bytes = b""
    message_id: int = 0
    retain: bool = False
    expiry_s: int = 0


class Terminator:
    """Ends TLS before a broker without. A context manager; serves each connection in a thread.

    Args:
        listening: a bound socket.
        certificate, key: PEM files.
        port: the broker's, on loopback.

    Attributes:
        sessions: in the order of their beginning.
    """

    def __init__(self, listening: socket.socket, certificate: Path, key: Path, port: int) -> None:
        self.sessions: list[Session] = []
        self._listening, self._port = listening, port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.num_tickets = 0
        self._context.load_cert_chain(certificate, key)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Terminator:
        self._listening.listen()
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:  # shut down
                return
            self.sessions.append(Session())
            self._threads.append(threading.Thread(target=self._serve, args=(client, self.sessions[-1]), daemon=True))
            self._threads[-1].start()

    def _serve(self, client: socket.socket, session: Session) -> None:
        came, told = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(came, told, server_side=True)
        with client, socket.create_connection((HOST, self._port)) as broker:
            while True:
                ready, _, _ = select.select([client, broker], [], [])
                try:
                    if client in ready:
                        data = client.recv(_MOST)
                        session.came += data
                        came.write(data)
                        for inside in iter(lambda: _open(tls), b""):
                            session.inside += inside
                            broker.sendall(inside)
                        if not data:
                            return
                    if broker in ready:
                        if not (answer := broker.recv(_MOST)):
                            return
                        tls.write(answer)
                    client.sendall(told.read())
                except OSError:  # what does not open, or is lost, shows in what was kept
                    return


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
    """Accounts for each byte that TLS is made of.

    Args:
        ledger: where to.
        sent: what the kernel was given.
        session: what came of it.
        known: see `hellos`.
    """
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
    """All packets of a stream; their bytes add up to it.

    Raises:
        MqttError: at the place where the packets end.
    """
    rest = bytearray(stream)
    for first, body in cut_packets(rest):
        data = _whole(first, body)
        if not stream.startswith(data):
            raise MqttError("a packet whose length is written in another way")
        stream = stream[len(data) :]
        if first >> 4 == 3:
            yield _read_publish(first, body, data)
        elif data in _FIXED or first == 0x10:
            yield Packet(_FIXED.get(data, "CONNECT"), data)
        else:
            raise MqttError("a packet that the device does not send")
    if rest:
        raise MqttError("bytes that are no MQTT packet")


def connect_packet(client_id: str, keepalive_s: int, will: tuple[str, bytes], username: str, password: str) -> bytes:
    """The whole CONNECT of a device: clean start, a retained last will of QoS 1, no property."""
    words = [client_id.encode(), b"", will[0].encode(), will[1], username.encode(), password.encode()]
    texts = [_sized(word) if word else b"\0" for word in words]  # the empty one: the last will's properties
    return _whole(0x10, _sized(b"MQTT") + b"\5\xee" + keepalive_s.to_bytes(2, "big") + b"\0" + b"".join(texts))


def _read_publish(first: int, body: bytes, data: bytes) -> Packet:
    at = 2 + int.from_bytes(body[:2], "big")
    topic, message_id, expiry_s = body[2:at], 0, 0
    if first & 6:
        message_id, at = int.from_bytes(body[at : at + 2], "big"), at + 2
    if body[at : at + 2] == bytes([5, _EXPIRY]):
        expiry_s, at = int.from_bytes(body[at + 2 : at + 6], "big"), at + 5
    payload = body[at + 1 :]
    again = _sized(topic) + (message_id.to_bytes(2, "big") if message_id else b"")
    again += (bytes([5, _EXPIRY]) + expiry_s.to_bytes(4, "big") if expiry_s else b"\0") + payload
    if first & 12 or again != body:
        raise MqttError("a PUBLISH with something beside topic, number, expiry and payload")
    name = topic.decode("utf-8", "backslashreplace")
    return Packet("PUBLISH", data, name, payload, message_id, bool(first & 1), expiry_s)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _whole(first: int, body: bytes) -> bytes:
    size, length = len(body), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([first]) + length + bytes([size]) + body
