"""Answers that a real Mosquitto does not give on demand, from a server that says a few bytes and no more."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from edge.config import MqttConfig
from edge.publish import session as session_module
from edge.publish.credentials import Credentials
from edge.publish.egress import Gate
from edge.publish.example import ORIGIN
from edge.publish.message import offline_message
from edge.publish.session import IN_FLIGHT, BrokerSession, End, Fate

ACCEPTED = b"\x20\x03\x00\x00\x00"


@pytest.fixture
def talk(free_port: int) -> Iterator[Callable[[bytes], BrokerSession]]:
    """Runs a session against a server that answers a CONNECT with the given bytes, until it ended or connected."""
    wake, waker = socket.socketpair()
    server = socket.create_server(("127.0.0.1", free_port))
    threads: list[threading.Thread] = []
    sessions: list[BrokerSession] = []
    release = threading.Event()

    def talk(answer: bytes, *, hold: bool = False, to_the_end: bool = False, protocol: str = "5") -> BrokerSession:
        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)
                if hold:
                    release.wait(5)

        thread = threading.Thread(target=serve)
        thread.start()
        threads.append(thread)
        config = MqttConfig(host="127.0.0.1", port=free_port, protocol=protocol)
        session = BrokerSession(
            config, Credentials(), "affect-berlin-door", offline_message(ORIGIN), Gate(ORIGIN, properties=True)
        )
        sessions.append(session)
        session.open()
        for _ in range(50):
            if session.end or (hold and session.connected and not to_the_end):
                break
            session.pump(wake, 0.1)
        return session

    try:
        yield talk
    finally:
        release.set()
        for session in sessions:
            session.drop()
        for thread in threads:
            thread.join(5)
        for each in (wake, waker, server):
            each.close()


def test_a_takeover_is_told_apart_from_a_lost_connection(talk):
    session = talk(ACCEPTED + b"\xe0\x02\x8e\x00")
    assert session.end is not None
    assert session.end.fate is Fate.TAKEN_OVER


def test_a_connection_that_ends_without_a_word_is_lost(talk):
    assert talk(ACCEPTED).end == End(Fate.LOST, "it closed without a reason")


def test_a_broker_that_falls_silent_is_given_up_after_the_keep_alive(talk):
    one_second = b"\x20\x06\x00\x00\x03\x13\x00\x01"
    end = talk(one_second, hold=True, to_the_end=True).end
    assert end == End(Fate.LOST, "Keep alive timeout")


def test_a_server_that_never_answers_is_unreachable(talk, monkeypatch):
    monkeypatch.setattr(session_module, "CONNECT_TIMEOUT_S", 0.2)
    end = talk(b"", hold=True).end
    assert end is not None
    assert end.fate is Fate.UNREACHABLE


def test_a_rejection_carries_the_brokers_reason(talk):
    assert talk(b"\x20\x03\x00\x86\x00").end == End(Fate.REJECTED, "Bad user name or password")


def test_a_rejection_under_3_1_1_carries_the_brokers_reason(talk):
    end = talk(b"\x20\x02\x00\x05", protocol="3.1.1").end
    assert end == End(Fate.REJECTED, "Not authorized")


def test_a_server_that_is_no_broker_is_rejected_with_a_hint(talk):
    end = talk(b"").end
    assert end is not None
    assert end.fate is Fate.REJECTED
    assert "TLS" in end.detail


def test_a_broker_without_qos_1_is_rejected(talk):
    end = talk(b"\x20\x05\x00\x00\x02\x24\x00", hold=True).end
    assert end is not None
    assert "QoS 1" in end.detail


def test_no_more_is_in_flight_than_the_broker_takes(talk):
    assert talk(b"\x20\x06\x00\x00\x03\x21\x00\x05", hold=True).in_flight_limit == 5


def test_a_broker_that_takes_many_does_not_get_more_than_we_hold_back(talk):
    assert talk(b"\x20\x06\x00\x00\x03\x21\xff\xff", hold=True).in_flight_limit == IN_FLIGHT


def test_a_name_that_does_not_resolve_is_unreachable():
    config = MqttConfig(host="127.0.0.1.invalid", plaintext=True)
    session = BrokerSession(
        config, Credentials(), "affect-berlin-door", offline_message(ORIGIN), Gate(ORIGIN, properties=True)
    )
    session.open()
    assert session.end is not None
    assert session.end.fate is Fate.UNREACHABLE
