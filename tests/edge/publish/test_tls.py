import logging
import socket
import ssl
import threading
import time
import warnings

import pytest


@pytest.fixture
def serve(mosquitto, authority):
    def serve(name: str, *rules: str) -> None:
        files = [f"certfile {authority / name}.pem", f"keyfile {authority / name}.key"]
        mosquitto.start("allow_anonymous true", *files, f"cafile {authority / 'ca.pem'}", *rules)

    return serve


def test_a_broker_with_the_right_certificate_is_served(serve, authority, make_publisher, until, put):
    serve("here")
    publisher, outbox = make_publisher(tls=True, ca_file=str(authority / "ca.pem"))
    publisher.start()
    for _ in range(50):
        put(publisher)
    until(lambda: outbox.delivery().waiting == 0)


@pytest.mark.parametrize(
    ("name", "ca", "why"),
    [
        ("elsewhere", "ca", "IP address mismatch"),
        ("here", "foreign", "certificate"),
    ],
)
def test_a_broker_with_a_wrong_certificate_gets_nothing(serve, authority, make_publisher, caplog, put, name, ca, why):
    caplog.set_level(logging.INFO, logger="edge.publish")
    serve(name)
    publisher, outbox = make_publisher(tls=True, ca_file=str(authority / f"{ca}.pem"))
    publisher.start()
    put(publisher)
    time.sleep(1.5)
    assert outbox.delivery().waiting == 1
    assert publisher.delivery().reconnects == 0
    warnings = [
        record.getMessage() for record in caplog.records if "certificate is not accepted" in record.getMessage()
    ]
    assert len(warnings) == 1
    assert why in warnings[0]


def test_a_broker_that_asks_for_a_certificate_gets_the_devices_own(serve, authority, make_publisher, until, put):
    serve("here", "require_certificate true", "use_identity_as_username true")
    publisher, outbox = make_publisher(
        tls=True,
        ca_file=str(authority / "ca.pem"),
        cert_file=str(authority / "door.pem"),
        key_file=str(authority / "door.key"),
    )
    publisher.start()
    put(publisher)
    until(lambda: outbox.delivery().waiting == 0)


def test_tls_against_a_plain_port_fails_without_a_crash(mosquitto, authority, make_publisher, caplog, until, put):
    caplog.set_level(logging.INFO, logger="edge.publish")
    mosquitto.start()
    publisher, outbox = make_publisher(tls=True, ca_file=str(authority / "ca.pem"))
    publisher.start()
    put(publisher)
    until(lambda: caplog.records)
    assert outbox.delivery().waiting == 1


def test_an_expired_certificate_is_said_once_and_served_when_it_is_renewed(
    serve, mosquitto, authority, make_publisher, caplog, until, put, listen, tmp_path
):
    caplog.set_level(logging.INFO, logger="edge.publish")
    serve("expired")
    publisher, outbox = make_publisher(tls=True, ca_file=str(authority / "ca.pem"))
    publisher.start()
    put(publisher)
    until(lambda: (tmp_path / "mosquitto.log").read_text().count("New connection") >= 2)
    told = [record.getMessage() for record in caplog.records]
    assert sum("certificate has expired" in line for line in told) == 1, told
    assert len(told) == len(set(told)), told
    mosquitto.stop()
    serve("here")
    until(lambda: outbox.delivery().waiting == 0)


def _old_context(kind: int) -> ssl.SSLContext:
    """A side of a connection that speaks TLS 1.1 and nothing newer."""
    context = ssl.SSLContext(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.fixture
def old_server(authority, free_port):
    """Says to what it agreed with each client."""
    context = _old_context(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "here.pem", authority / "here.key")
    server = socket.create_server(("127.0.0.1", free_port))
    agreed: list[str] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    agreed.append(secured.version())
            except OSError as error:
                agreed.append(type(error).__name__)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield agreed
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def test_a_broker_that_speaks_tls_1_1_only_gets_nothing(
    old_server, free_port, authority, make_publisher, caplog, until, put
):
    caplog.set_level(logging.INFO, logger="edge.publish")
    lax = _old_context(ssl.PROTOCOL_TLS_CLIENT)
    lax.load_verify_locations(authority / "ca.pem")
    lax.check_hostname = True
    with socket.create_connection(("127.0.0.1", free_port)) as plain:
        lax.wrap_socket(plain, server_hostname="127.0.0.1").close()
    until(lambda: old_server == ["TLSv1.1"])  # it works for who takes it

    publisher, outbox = make_publisher(tls=True, ca_file=str(authority / "ca.pem"))
    publisher.start()
    put(publisher)
    until(lambda: len(old_server) >= 3)
    assert set(old_server[1:]) <= {"SSLError", "ConnectionResetError", "SSLEOFError"}
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "TLS failed" in told[0]
    assert outbox.delivery().waiting == 1
