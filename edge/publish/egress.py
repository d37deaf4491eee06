"""The last look at what leaves: every MQTT packet is read again, and anything but the contract's stops publishing.

Besides the three topics there may be one message known beforehand, to the byte: Home Assistant's discovery. Owns
nothing but the rule. It stands between paho and the socket, so a defect above it, ours or paho's, meets it too.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edge.publish.homeassistant import MAX_DISCOVERY_BYTES, decode_discovery, encode_discovery
from edge.publish.message import Origin
from edge.publish.payload import MAX_BYTES, decode_health, decode_status, decode_window, encode
from edge.values import Message

_CONNECT, _PUBLISH, _PINGREQ, _DISCONNECT = 1, 3, 12, 14
_SMALL = {_PINGREQ: 0, _DISCONNECT: 64}  # bytes after the fixed header
_CONNECT_BYTES = 2 * MAX_BYTES  # will, user name and password
_HEAD_BYTES = 128  # topic, packet id and properties before a payload

_READ: dict[str, Callable[[bytes], bytes]] = {
    "window": lambda data: encode(decode_window(data)),
    "status": lambda data: encode(decode_status(data)),
    "health": lambda data: encode(decode_health(data)),
}


class EgressError(RuntimeError):
    """A packet that is none of the contract's was about to leave; says what it was, never what was in it."""


class Gate:
    """Lets a device's own packets pass.

    Args:
        origin: whose topics these are.
        properties: whether PUBLISH carries MQTT 5 properties.
        discovery: Home Assistant's message, where one is configured; these very bytes pass, and no others.
    """

    def __init__(self, origin: Origin, *, properties: bool, discovery: Message | None = None) -> None:
        self._topics = {origin.topic(kind).encode(): (read, MAX_BYTES) for kind, read in _READ.items()}
        if discovery is not None:
            known = (lambda data: _known(data, discovery.payload), MAX_DISCOVERY_BYTES)
            self._topics[discovery.topic.encode()] = known
        self._properties = properties

    def check(self, packet: bytes) -> None:
        """Looks at one whole packet.

        Raises:
            EgressError: its type, size, topic or payload is not one that this device sends.
        """
        kind, size, start = _fixed_header(packet)
        if kind == _PUBLISH:
            self._check_publish(packet, size, start)
        elif kind == _CONNECT:
            if size > _CONNECT_BYTES:
                raise EgressError(f"a CONNECT packet of {size} bytes")
        elif kind not in _SMALL:
            raise EgressError(f"an MQTT packet of type {kind}")
        elif size > _SMALL[kind]:
            raise EgressError(f"an MQTT packet of type {kind} with {size} bytes")

    def _check_publish(self, packet: bytes, size: int, start: int) -> None:
        topic_end = start + 2 + int.from_bytes(packet[start : start + 2], "big")
        read, limit = self._topics.get(packet[start + 2 : topic_end], (None, MAX_BYTES))
        if read is None:
            raise EgressError("a PUBLISH packet to a topic that is none of this device's")
        if size > limit + _HEAD_BYTES:
            raise EgressError(f"a PUBLISH packet of {size} bytes")
        payload_start = topic_end + (2 if packet[0] & 0x06 else 0)
        if self._properties:
            if packet[payload_start : payload_start + 1] != b"\0":
                raise EgressError("a PUBLISH packet with properties")
            payload_start += 1
        payload = packet[payload_start:]
        if len(payload) > limit:
            raise EgressError(f"a payload of {len(payload)} bytes")
        try:
            again = read(payload)
        except ValueError:
            raise EgressError("a payload that is none of the contract's") from None
        if again != payload:
            raise EgressError("a payload with something beside the contract's fields")
        if payload and not _rounded(msgspec.json.decode(payload)):
            raise EgressError("a payload with a number finer than the contract's 0.01")


def _rounded(value: object) -> bool:
    """Whether no number is finer than the contract has any: decimals are a place to hide in."""
    if isinstance(value, dict):
        return all(map(_rounded, value.values()))
    if isinstance(value, list):
        return all(map(_rounded, value))
    return not isinstance(value, float) or round(value, 2) == value


def _known(data: bytes, expected: bytes) -> bytes:
    """A message known beforehand, which has to be of its own form as well."""
    if data != expected:
        raise ValueError("other bytes than expected")
    return encode_discovery(decode_discovery(data)) if data else data


def _fixed_header(packet: bytes) -> tuple[int, int, int]:
    """Type, bytes that follow, and where they start."""
    size = 0
    for i, byte in enumerate(packet[1:5]):
        size |= (byte & 0x7F) << (7 * i)
        if not byte & 0x80:
            if len(packet) != 2 + i + size:
                break
            return packet[0] >> 4, size, 2 + i
    raise EgressError("bytes that are no MQTT packet")
