"""The few MQTT 5 packets that a device needs (OASIS MQTT 5.0, chapters 2 and 3), written as bytes and read again.

Only for load: the device itself speaks through paho, and its packets are judged by the gate in `edge.publish.gate`.
"""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.packet_stream import cut_packets

CONNACK, PUBACK = 2, 4
PING = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"


class Message(NamedTuple):
    """What is published."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


def connect(client_id: str, will: Message, keepalive_s: int) -> bytes:
    """A clean start with a last will, as the device's session begins."""
    flags = 0x02 | 0x04 | will.qos << 3 | will.retain << 5
    head = _text("MQTT") + bytes([5, flags]) + keepalive_s.to_bytes(2, "big") + b"\0"
    body = _text(client_id) + b"\0" + _text(will.topic) + len(will.payload).to_bytes(2, "big") + will.payload
    return _packet(0x10, head + body)


def publish(message: Message, packet_id: int) -> bytes:
    """A message; the packet id counts for QoS 1 only."""
    number = packet_id.to_bytes(2, "big") if message.qos else b""
    return _packet(0x30 | message.qos << 1 | message.retain, _text(message.topic) + number + b"\0" + message.payload)


def take_packets(data: bytearray) -> list[tuple[int, bytes]]:
    """Type and body of each whole packet at the beginning; takes them out."""
    return [(first >> 4, body) for first, body in cut_packets(data)]


def reason(kind: int, body: bytes) -> int:
    """The reason code of a CONNACK or a PUBACK; below 0x80 is success."""
    if kind == CONNACK:
        return body[1]
    return body[2] if len(body) > 2 else 0


def _packet(first: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while True:
        size, low = divmod(size, 128)
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes([first]) + bytes(length) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data
