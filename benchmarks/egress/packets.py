"""MQTT 5 as the device sends it: each packet read field by field, nothing left over.

Knows CONNECT, PUBLISH, PUBACK, PINGREQ and DISCONNECT, with no property but a PUBLISH's expiry. A packet of
any other type, or a byte behind the last field, raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_NAMES = {1: "CONNECT", 3: "PUBLISH", 4: "PUBACK", 12: "PINGREQ", 14: "DISCONNECT"}
_VERSION, _EXPIRY = 5, 2
_USERNAME, _PASSWORD, _RETAIN, _WILL, _CLEAN = 0x80, 0x40, 0x20, 0x04, 0x02


class PacketError(ValueError):
    """Bytes that are no MQTT packet of this device; says what, never which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet.

    Attributes:
        name: its type.
        size: all of its bytes.
        topic, payload: of a PUBLISH, or of the last will in a CONNECT.
        words: every other text in it.
        expiry_s: how long the broker keeps a PUBLISH for who is away; 0: for ever.
    """

    name: str
    size: int
    topic: str = ""
    payload: bytes = b""
    words: tuple[str, ...] = ()
    keepalive_s: int = 0
    message_id: int = 0
    expiry_s: int = 0


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise PacketError("an MQTT packet that ends too soon")
        self._at += size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def block(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        return self.block().decode("utf-8", "backslashreplace")

    def expiry(self) -> int:
        """The Message Expiry Interval (MQTT 5, 3.3.2.3.3), the one property that there may be; 0 without."""
        size = self.number(1)
        if size not in (0, 5) or (size and self.number(1) != _EXPIRY):
            raise PacketError("a PUBLISH with another property than its expiry")
        return self.number(4) if size else 0

    def no_properties(self) -> None:
        if self.take(1) != b"\0":
            raise PacketError("an MQTT packet with properties")

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        if self._at != len(self._data):
            raise PacketError(f"{len(self._data) - self._at} bytes behind the last field of an MQTT packet")


def read_packets(stream: bytes) -> Iterator[Packet]:
    """All packets of a stream; their sizes add up to it.

    Raises:
        PacketError: at the place where the packets end.
    """
    where = 0
    while where < len(stream):
        size, count = 0, 0
        for count, byte in enumerate(stream[where + 1 : where + 5], 1):
            size |= (byte & 0x7F) << (7 * (count - 1))
            if not byte & 0x80:
                break
        else:
            raise PacketError("bytes that are no MQTT packet")
        begin, end = where + 1 + count, where + 1 + count + size
        kind, flags = stream[where] >> 4, stream[where] & 0x0F
        if kind not in _NAMES or end > len(stream) or (kind != 3 and flags):
            raise PacketError("bytes that are no MQTT packet of this device")
        yield _read(_NAMES[kind], flags, stream[begin:end], end - where)
        where = end


def _read(name: str, flags: int, body: bytes, size: int) -> Packet:
    reader = _Reader(body)
    packet = Packet(name=name, size=size)
    if name == "CONNECT":
        packet = _read_connect(reader, size)
    elif name == "PUBLISH":
        packet = _read_publish(reader, flags, size)
    elif name == "PUBACK":
        packet = Packet(name=name, size=size, message_id=reader.number(2))
        if body[2:] and reader.take(1) != b"\0":
            raise PacketError("a PUBACK with a reason")
    elif name == "DISCONNECT" and body:
        if reader.take(1) != b"\0":
            raise PacketError("a DISCONNECT with a reason")
        if len(body) > 1:
            reader.no_properties()
    reader.end()
    return packet


def _read_connect(reader: _Reader, size: int) -> Packet:
    if reader.text() != "MQTT" or reader.number(1) != _VERSION:
        raise PacketError("a CONNECT that is not MQTT 5")
    flags, keepalive_s = reader.number(1), reader.number(2)
    reader.no_properties()
    words = [reader.text()]
    topic, payload = "", b""
    if flags & _WILL:
        reader.no_properties()
        topic, payload = reader.text(), reader.block()
    words += [reader.text() for bit in (_USERNAME, _PASSWORD) if flags & bit]
    if flags & 1 or not flags & _CLEAN or flags & 0x18 not in (0, 0x08) or (flags & _RETAIN and not flags & _WILL):
        raise PacketError("a CONNECT with flags that the device does not use")
    return Packet(name="CONNECT", size=size, topic=topic, payload=payload, words=tuple(words), keepalive_s=keepalive_s)


def _read_publish(reader: _Reader, flags: int, size: int) -> Packet:
    quality = flags >> 1 & 3
    if quality > 1 or flags & 8:  # the device sends no QoS 2, and repeats under a new session only
        raise PacketError("a PUBLISH with flags that the device does not use")
    topic = reader.text()
    message_id = reader.number(2) if quality else 0
    expiry_s = reader.expiry()
    payload = reader.rest()
    return Packet(name="PUBLISH", size=size, topic=topic, payload=payload, message_id=message_id, expiry_s=expiry_s)
