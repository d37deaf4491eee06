"""What a broker, or someone in its place, may send to a device: bytes of any kind.

See `conftest.py` for the deep run.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.config import MqttConfig
from edge.publish.credentials import Credentials
from edge.publish.egress import EgressError, Gate
from edge.publish.example import ORIGIN
from edge.publish.message import offline_message
from edge.publish.session import BrokerSession, Fate

fuzz = settings.get_profile("fuzz")
ACCEPTED = b"\x20\x03\x00\x00\x00"


class Server:
    """Answers each connection with given bytes once it has heard something, and hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(4096)
                    connection.sendall(self.answer)
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(2)
                    while connection.recv(4096):
                        pass
                except OSError:
                    continue


Talk = Callable[[bytes], BrokerSession]


@pytest.fixture(scope="module")
def talk() -> Iterator[Talk]:
    server = Server()
    wake, waker = socket.socketpair()

    def talk(answer: bytes) -> BrokerSession:
        server.answer = answer
        config = MqttConfig(host="127.0.0.1", port=server.port)
        gate = Gate(ORIGIN, properties=True)
        session = BrokerSession(config, Credentials(), "affect-berlin-door", offline_message(ORIGIN), gate)
        session.open()
        for _ in range(3000):
            if session.end:
                break
            session.pump(wake, 1.0)
        session.drop()
        return session

    yield talk
    server.close()
    wake.close()
    waker.close()


def packet(kind: int, body: bytes) -> bytes:
    size, length = len(body), b""
    while True:
        size, byte = divmod(size, 128)
        length += bytes([byte | (0x80 if size else 0)])
        if not size:
            return bytes([kind]) + length + body


PACKETS = st.builds(packet, st.integers(0, 255), st.binary(max_size=60))


@settings(fuzz, max_examples=fuzz.max_examples * 2)
@given(st.binary(max_size=200) | st.lists(PACKETS, max_size=5).map(b"".join), st.booleans())
@example(packet(0x32, b"\0\1a\0\1\0x"), True)
@example(packet(0x34, b"\0\1a\0\1\0x"), True)
@example(packet(0xC0, b""), True)
@example(b"\x30\xff\xff\xff\x7f", True)
@example(b"\xff\xff\xff\xff\xff\xff", True)
@example(packet(0x20, b"\0\0\x03\x21\0\0"), False)
@example(packet(0x40, b""), True)
@example(packet(0x40, b"\0\1\x87\xff"), True)
@example(packet(0xE0, b"\x8e"), True)
@example(packet(0x20, b"\0\0\xff"), False)
def test_any_bytes_of_a_broker_end_the_session_and_nothing_else(talk: Talk, answer: bytes, accepted: bool) -> None:
    session = talk(ACCEPTED + answer if accepted else answer)
    assert session.end is not None
    assert session.end.fate in (Fate.LOST, Fate.REJECTED, Fate.TAKEN_OVER, Fate.UNREACHABLE)
    assert session.end.detail.isprintable()


@pytest.mark.parametrize("kind", [1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 15])
def test_a_packet_that_answers_nothing_is_not_answered(talk: Talk, kind: int) -> None:
    """A PUBLISH would otherwise be acknowledged, which the gate takes for a leak and stops publishing for good."""
    end = talk(ACCEPTED + packet(kind << 4 | 2, b"\0\1a\0\1\0x")).end
    assert end is not None
    assert end.detail == f"it sent an MQTT packet of type {kind}, which answers nothing"


def test_a_packet_of_256_megabytes_is_not_waited_for(talk: Talk) -> None:
    end = talk(ACCEPTED + b"\x40\xff\xff\xff\x7f" + b"x" * 1_000_000).end
    assert end is not None
    assert end.detail == "it sent a packet larger than any answer"


@settings(fuzz, max_examples=fuzz.max_examples * 4)
@given(st.binary(max_size=200) | PACKETS)
@example(b"")
@example(b"\x30")
@example(b"\x32\x05\xff\xff")
@example(packet(0x32, b"\0\0"))
def test_the_gate_lets_pass_or_raises_its_own_error_only(data: bytes) -> None:
    try:
        Gate(ORIGIN, properties=True).check(data)
    except EgressError:
        return
    assert data[0] >> 4 in (1, 12, 14)
