"""What a broker, or someone in its place, may send to a device: bytes of any kind, and payloads.

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
from edge.contract import encode
from edge.publish.credentials import Credentials
from edge.publish.gate import Gate, GateError
from edge.publish.session import LOST, REJECTED, TAKEN_OVER, UNREACHABLE, End, Session
from scripts.mqtt_examples import BUSY, EXAMPLES, ORIGIN

fuzz = settings.get_profile("fuzz")
PAYLOADS = [encode(message) for messages in EXAMPLES.values() for message in messages]
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


Talk = Callable[[bytes], End]


@pytest.fixture(scope="module")
def talk() -> Iterator[Talk]:
    """Runs a session against a server that answers with given bytes, to its end."""
    server = Server()

    def talk(answer: bytes) -> End:
        server.answer = answer
        session = Session(MqttConfig(host="127.0.0.1", port=server.port), Credentials(), "affect", Gate(None))
        session.open()
        for _ in range(3000):
            if session.end:
                break
            session.work(1.0)
        session.drop()
        return session.end

    yield talk
    server.close()


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
    end = talk(ACCEPTED + answer if accepted else answer)
    assert end.what in (LOST, REJECTED, TAKEN_OVER, UNREACHABLE)
    assert end.why.isprintable()


@pytest.mark.parametrize("quality", [0, 1])
def test_a_message_that_nobody_asked_for_ends_the_session(talk: Talk, quality: int) -> None:
    body = b"\0\1a" + (b"\0\1" if quality else b"") + b"\0x"
    assert talk(ACCEPTED + packet(0x30 | quality << 1, body)) == End(LOST, "it sent a message that nobody asked for")


@pytest.mark.parametrize(
    "flood", [b"\x40\xff\xff\xff\x7f" + b"x" * 1_000_000, packet(0x34, b"\0\1a\0\1\0" + b"x" * 50_000) * 20]
)
def test_what_a_broker_sends_without_being_asked_is_not_collected(talk: Talk, flood: bytes) -> None:
    """One packet of 256 MB, and many that wait for a second half of their delivery."""
    assert talk(ACCEPTED + flood) == End(LOST, "it sent more than any answer takes")


@settings(fuzz, max_examples=fuzz.max_examples * 8)
@given(st.sampled_from(PAYLOADS), st.sampled_from(["window", "status", "health", "x"]), st.data())
def test_a_message_with_a_piece_exchanged_is_stopped_or_one_of_the_contract_s(
    whole: bytes, kind: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(whole)))
    spoilt = whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + data.draw(st.integers(0, 8)) :]
    gate = Gate(ORIGIN, {BUSY.epoch, "0.1.0", "95a7b3e"})
    try:
        message = gate.check(ORIGIN.topic(kind), spoilt)
    except GateError:
        return
    assert message is not None
    assert encode(message) == spoilt


@settings(fuzz, max_examples=fuzz.max_examples * 4)
@given(st.text(max_size=60) | st.just(ORIGIN.topic("window")), st.binary(max_size=200))
def test_the_gate_lets_pass_or_raises_its_own_error_only(topic: str, data: bytes) -> None:
    with pytest.raises(GateError):
        Gate(ORIGIN).check(topic, data)
