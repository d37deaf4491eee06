"""A fleet made from a table, and Mosquitto brokers that it logs in to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from benchmarks.soak.broker import Broker
from firmware_config.fleet.folder import PASSWORD

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJrnGw1rXHNQvO3mVZ8hxkqH0vV9y2u9yq1ZlJ4qYxTt admin\n"
DEFAULTS = """profile = "rpi5"
tz = "Europe/Berlin"
broker = "broker.example"
addresses = "192.0.2.7"
resolvers = "192.0.2.1"
purpose = "audience-measurement"
notice = "at the door"
legal_basis = "legitimate-interest"
controller = "Museum & Co"
contact = "privacy@museum.example"
retention_days = "90"
notice_version = "1"
notice_date = "2026-11-01"
jurisdiction = "DE"
"""


@pytest.fixture
def until() -> Callable[..., Any]:
    def until(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
        end_s = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < end_s, "waited in vain"
            time.sleep(0.02)
        return value

    return until


@pytest.fixture
def firmware_config(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a verb; returns exit code, standard output and standard error."""
    from firmware_config.__main__ import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["firmware_config", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def enrol(firmware_config, tmp_path: Path) -> Callable[..., Any]:
    """`enrol` of a table's text into `tmp_path/fleet`."""
    (tmp_path / "defaults.toml").write_text(DEFAULTS)
    (tmp_path / "admin.pub").write_text(KEY)

    def run(table: str, *options: object) -> tuple[int, str, str]:
        (tmp_path / "fleet.csv").write_text(table, encoding="utf-8")
        return firmware_config(
            *("enrol", tmp_path / "fleet.csv", "--defaults", tmp_path / "defaults.toml"),
            *("--ssh-key", tmp_path / "admin.pub", "--out", tmp_path / "fleet", *options),
        )

    return run


@pytest.fixture
def start_broker(needs_mosquitto: str, tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    brokers: list[Broker] = []

    def start(*rules: str) -> Broker:
        broker = Broker(tmp_path / f"broker-{len(brokers)}", rules)
        brokers.append(broker)
        broker.start()
        return broker

    try:
        yield start
    finally:
        for broker in brokers:
            broker.kill()


class Login:
    """One MQTT 5 connection; `code` is the CONNACK's reason, `publish` returns the PUBACK's."""

    def __init__(self, port: int, username: str, password: str, *, ca: Path | None = None, **options: Any) -> None:
        self.code: int | None = None
        self.messages: list[paho.MQTTMessage] = []
        self.ended = False
        self._acks: dict[int, int] = {}
        self._event = threading.Event()
        self._ready = threading.Event()
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, reconnect_on_failure=False, **options
        )
        client.username_pw_set(username, password)
        client.on_connect = lambda _c, _d, _f, reason, _p: self._connected(reason.value)
        client.on_disconnect = lambda *_: setattr(self, "ended", True)
        client.on_publish = lambda _c, _d, mid, reason, _p: self._acked(mid, reason.value)
        client.on_message = lambda _c, _d, message: self.messages.append(message)
        client.on_subscribe = lambda *_: self._ready.set()
        self.client = client
        if ca is not None:
            client.tls_set(str(ca))
        client.connect("localhost", port)
        client.loop_start()
        assert self._event.wait(10)

    def _connected(self, code: int) -> None:
        self.code = code
        self._event.set()

    def _acked(self, mid: int, code: int) -> None:
        self._acks[mid] = code

    def subscribe(self, topic: str) -> None:
        self._ready.clear()
        self.client.subscribe(topic, qos=1)
        assert self._ready.wait(10)

    def publish(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> int:
        mid = self.client.publish(topic, payload, qos=1, retain=retain).mid
        end_s = time.monotonic() + 10
        while mid not in self._acks:
            assert time.monotonic() < end_s, "no acknowledgement"
            time.sleep(0.005)
        return self._acks.pop(mid)

    def close(self) -> None:
        with suppress(OSError):
            self.client.disconnect()
        self.client.loop_stop()
        self.client.on_connect = self.client.on_disconnect = self.client.on_publish = None
        self.client.on_message = self.client.on_subscribe = None


@pytest.fixture
def login() -> Iterator[Callable[..., Login]]:
    made: list[Login] = []

    def connect(port: int, username: str, password: str, **options: Any) -> Login:
        made.append(Login(port, username, password, **options))
        return made[-1]

    try:
        yield connect
    finally:
        for one in made:
            one.close()


@pytest.fixture
def password_of(tmp_path: Path) -> Callable[[str], str]:
    """The password in a folder of the fleet."""
    return lambda folder: (tmp_path / "fleet" / folder / PASSWORD).read_text().strip()
