"""A stream of bytes cut into MQTT packets, as they come from a socket (OASIS MQTT 5.0, section 2.1)."""

from __future__ import annotations


def cut_packets(data: bytearray) -> list[tuple[int, bytes]]:
    """First byte and body of each whole packet at the beginning; takes them out."""
    packets = []
    while (found := _length(data)) is not None and len(data) >= found[1]:
        packets.append((data[0], bytes(data[found[0] : found[1]])))
        del data[: found[1]]
    return packets


def _length(data: bytearray) -> tuple[int, int] | None:
    """Where the first packet's body begins and ends; None while its length is not there."""
    value = 0
    for place, byte in enumerate(data[1:5]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return 2 + place, 2 + place + value
    return None
