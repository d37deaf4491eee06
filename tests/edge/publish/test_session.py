"""Answers that a real Mosquitto does not give on demand, from a server that says a few bytes and no more."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from edge.config import MqttConfig
from edge.publish import session as session_module
from edge.publish.credentials import Credentials
from edge.publish.gate import Gate
from edge.publish.session import IN_FLIGHT, LOST, REJECTED, TAKEN_OVER, UNREACHABLE, End, Session

ACCEPTED = b"\x20\x03\x00\x00\x00"


@pytest.fixture
def talk() -> Iterator[Callable[..., Session]]:
    """Runs a session against a server that answers a CONNECT with the given bytes, until it ended or connected."""
    server = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    sessions: list[Session] = []
    release = threading.Event()

    def talk(answer: bytes, *, hold: bool = False, to_the_end: bool = False, protocol: str = "5") -> Session:
        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)
                if hold:
                    release.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        threads.append(thread)
        config = MqttConfig(host="127.0.0.1", port=server.getsockname()[1], protocol=protocol)
        session = Session(config, Credentials(), "affect-berlin-door", Gate(None))
        sessions.append(session)
        session.open()
        while session.end is None and not (hold and session.connected and not to_the_end):
            session.work(0.1)
        return session

    try:
        yield talk
    finally:
        release.set()
        for session in sessions:
            session.drop()
        for thread in threads:
            thread.join(5)
        server.close()


@pytest.mark.parametrize(
    ("answer", "protocol", "end"),
    [
        (ACCEPTED, "5", End(LOST, "it closed without a reason")),
        (ACCEPTED + b"\xe0\x02\x89\x00", "5", End(LOST, "Server busy")),
        (b"\x20\x03\x00\x86\x00", "5", End(REJECTED, "Bad user name or password")),
        (b"\x20\x02\x00\x05", "3.1.1", End(REJECTED, "Not authorized")),
        (
            b"\x20\x05\x00\x00\x02\x24\x00",
            "5",
            End(REJECTED, "the broker knows no QoS 1, so it cannot acknowledge windows"),
        ),
        (b"", "5", End(REJECTED, "closed before it answered; are port, TLS and protocol right?")),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "5", None),
        (ACCEPTED + b"\x30\x05\x00\x01a\x00x", "5", End(LOST, "it sent a message that nobody asked for")),
    ],
)
def test_why_a_session_ended(talk, answer, protocol, end):
    found = talk(answer, protocol=protocol).end
    assert found == end or (end is None and found.what in (LOST, REJECTED, UNREACHABLE))


def test_a_takeover_is_told_apart_from_a_lost_connection(talk):
    assert talk(ACCEPTED + b"\xe0\x02\x8e\x00").end.what == TAKEN_OVER


def test_a_broker_that_falls_silent_is_given_up_after_the_keep_alive(talk):
    one_second = b"\x20\x06\x00\x00\x03\x13\x00\x01"
    assert talk(one_second, hold=True, to_the_end=True).end == End(LOST, "Keep alive timeout")


def test_a_server_that_never_answers_is_unreachable(talk, monkeypatch):
    monkeypatch.setattr(session_module, "CONNECT_TIMEOUT_S", 0.2)
    assert talk(b"", hold=True).end.what == UNREACHABLE


def test_a_packet_that_never_ends_is_not_collected(talk):
    end = talk(ACCEPTED + b"\x40\xff\xff\xff\x7f" + b"x" * 1_000_000, hold=True, to_the_end=True).end
    assert end == End(LOST, "it sent more than any answer takes")


@pytest.mark.parametrize(
    ("properties", "in_flight", "fits"),
    [
        (b"\x03\x21\x00\x05", 5, True),
        (b"\x03\x21\xff\xff", IN_FLIGHT, True),
        (b"\x05\x27\x00\x00\x04\x00", IN_FLIGHT, False),
    ],
)
def test_the_broker_s_limits_are_kept(talk, properties, in_flight, fits):
    session = talk(b"\x20" + bytes([2 + len(properties)]) + b"\0\0" + properties, hold=True)
    assert session.in_flight_limit == in_flight
    assert session.fits(1024) is fits


@pytest.mark.parametrize("host", ["127.0.0.1.invalid", "x" * 70 + ".example"])
def test_a_name_that_does_not_resolve_is_unreachable(host):
    session = Session(MqttConfig(host=host, plaintext=True), Credentials(), "affect-berlin-door", Gate(None))
    session.open()
    assert session.end.what == UNREACHABLE
