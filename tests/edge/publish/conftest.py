"""A real Mosquitto on a free loopback port, a listener, and publishers that are closed whatever happens."""

from __future__ import annotations

import os
import re
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
from msgspec.structs import replace

from edge.clock import SystemClock
from edge.config import Config, HomeAssistantConfig, MqttConfig, OutboxConfig, WindowConfig
from edge.contract import Window, encode
from edge.errors import EdgeError
from edge.publish import Sink
from edge.publish.mqtt import MqttPublisher
from edge.publish.outbox import ROW_BYTES, Outbox
from scripts.mqtt_examples import BUSY, ORIGIN

HOST = "127.0.0.1"
DEFAULTS = OutboxConfig()


def until(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """Waits until the condition gives something true, and returns that."""
    end_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.01)
    return value


@pytest.fixture(name="until")
def until_fixture():
    return until


_RUNNING = " running\n"


@dataclass
class Mosquitto:
    """A broker that can be stopped, killed and started again on its port, with other rules."""

    program: str
    folder: Path
    port: int
    rules: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    persistent: bool = False
    _runs: int = 0

    def start(self, *rules: str) -> None:
        self.rules = list(rules) or self.rules or ["allow_anonymous true"]
        lines = [f"listener {self.port} {HOST}", f"persistence {str(self.persistent).lower()}", *self.rules]
        if os.geteuid() == 0:
            lines.append("user root")
        conf = self.folder / "mosquitto.conf"
        conf.write_text("\n".join(lines) + "\n")
        self._runs = self._log().count(_RUNNING)
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([self.program, "-c", str(conf)], stdout=log, stderr=log)
        until(self._listens)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(5)
            self.process = None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(5)
            self.process = None

    def _listens(self) -> bool:  # by its log: with TLS, a bare TCP connection would be logged as a failed handshake
        assert self.process is not None
        assert self.process.poll() is None, self._log()
        return self._log().count(_RUNNING) > self._runs

    def _log(self) -> str:
        path = self.folder / "mosquitto.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def mosquitto(needs_mosquitto: str, tmp_path: Path, free_port: int) -> Iterator[Mosquitto]:
    broker = Mosquitto(needs_mosquitto, tmp_path, free_port)
    try:
        yield broker
    finally:
        broker.kill()


class Wire:
    """A cable between device and broker that a test can pull, clog or make deaf.

    Attributes:
        connections: how many a device has made.
        mute: takes connections and bytes, and never answers.
        deaf: passes nothing on from the broker but its first packet and answers to pings: no acknowledgement.
        trickle: bytes that pass at once, each 5 ms; 0 for as many as there are.
        lag_s: by how much everything from the broker is late.
    """

    def __init__(self, broker_port: int) -> None:
        self.connections = 0
        self.mute = self.deaf = False
        self.trickle = 0
        self.lag_s = 0.0
        self.port = 0
        self._broker_port = broker_port
        self._pulled = threading.Event()
        self._threads: list[threading.Thread] = []
        self._server: socket.socket | None = None
        self.plug()

    def plug(self) -> None:
        """Listens, on the same port every time."""
        self._pulled = threading.Event()
        self._server = socket.create_server((HOST, self.port))
        self._server.settimeout(0.05)
        self.port = self._server.getsockname()[1]
        self._begin(self._accept, self._server, self._pulled)

    def pull(self) -> None:
        """Cuts what is connected without a word, and refuses what comes."""
        self._pulled.set()
        for thread in self._threads:
            thread.join(5)
        self._threads.clear()
        if self._server is not None:
            self._server.close()
            self._server = None

    def _begin(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, name="wire")
        thread.start()
        self._threads.append(thread)

    def _accept(self, server: socket.socket, pulled: threading.Event) -> None:
        while not pulled.is_set():
            try:
                device, _ = server.accept()
            except TimeoutError:
                continue
            self.connections += 1
            self._begin(self._serve, device, pulled)

    def _serve(self, device: socket.socket, pulled: threading.Event) -> None:
        with device, suppress(OSError):
            if self.mute:
                pulled.wait()
                return
            with socket.create_connection((HOST, self._broker_port)) as broker:
                self._relay(device, broker, pulled)
            device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, as of a dead host

    def _relay(self, device: socket.socket, broker: socket.socket, pulled: threading.Event) -> None:
        heard = 0
        while not pulled.is_set():
            for end in select.select([device, broker], [], [], 0.05)[0]:
                data = end.recv(self.trickle or 65536)
                if not data:
                    return
                if self.trickle:
                    time.sleep(0.005)
                if end is device:
                    broker.sendall(data)
                elif not self.deaf or heard == 0 or data == b"\xd0\0":
                    pulled.wait(self.lag_s)
                    device.sendall(data)
                    heard += 1


@pytest.fixture
def wire(mosquitto: Mosquitto) -> Iterator[Wire]:
    wire = Wire(mosquitto.port)
    try:
        yield wire
    finally:
        wire.pull()


class Listener:
    """Hears everything on a broker, in order of arrival."""

    def __init__(self, port: int, username: str = "", password: str = "") -> None:
        self.messages: list[paho.MQTTMessage] = []
        self.ready = False
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        if username:
            self.client.username_pw_set(username, password)
        self.client.on_connect = lambda client, *_: client.subscribe("affect/v1/#", qos=1)
        self.client.on_subscribe = lambda *_: setattr(self, "ready", True)
        self.client.on_message = lambda _client, _data, message: self.messages.append(message)
        self.client.connect(HOST, port)
        self.client.loop_start()

    def payloads(self, kind: str) -> list[dict[str, Any]]:
        return [msgspec.json.decode(m.payload) for m in list(self.messages) if m.topic.endswith("/" + kind)]

    def ids(self) -> list[str]:
        return [window["id"] for window in self.payloads("window")]

    def states(self) -> list[str]:
        return [status["state"] for status in self.payloads("status")]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        self.client.on_connect = self.client.on_subscribe = self.client.on_message = None


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    listeners: list[Listener] = []

    def begin(port: int, **login: str) -> Listener:
        listener = Listener(port, **login)
        listeners.append(listener)
        until(lambda: listener.ready)
        return listener

    try:
        yield begin
    finally:
        for listener in listeners:
            listener.close()


def put(target: Sink | Outbox, window: Window = BUSY, boot_ns: tuple[int, int] | None = None) -> Window:
    """Gives a window the next number and hands it over; returns it so numbered."""
    epoch, seq = target.number()
    numbered = replace(window, id=f"{window.device}/{epoch}/{seq}", epoch=epoch, seq=seq)
    (target.keep if isinstance(target, Outbox) else target.publish)(numbered, boot_ns)
    return numbered


@pytest.fixture(name="put", scope="session")
def put_fixture():
    return put


@pytest.fixture(scope="session")
def room_for() -> Callable[[int], float]:
    """The `outbox.max_mb` that takes so many windows like `BUSY`, and not one more."""
    return lambda windows: (windows + 0.5) * (len(encode(BUSY)) + ROW_BYTES) / 1e6


@pytest.fixture
def make_publisher(free_port: int) -> Iterator[Callable[..., tuple[MqttPublisher, Outbox]]]:
    """Publishers with a short back-off, not started; `settings` are keys of `[mqtt]`."""
    made: list[MqttPublisher] = []

    def make(
        *,
        origin=ORIGIN,
        clock=None,
        path=None,
        limits=DEFAULTS,
        epoch: str = "",
        backlog=60_000,
        discovery="off",
        **settings: Any,
    ):
        limits = replace(limits, backlog_per_minute=backlog)
        mqtt = MqttConfig(**({"host": HOST, "port": free_port, "backoff_max_s": 1.0} | settings))
        home = HomeAssistantConfig(discovery=discovery)
        config = Config(mqtt=mqtt, outbox=limits, window=WindowConfig(window_s=60), homeassistant=home)
        clock = clock or SystemClock()
        outbox = Outbox(path, limits, clock, origin, epoch=epoch)
        try:
            made.append(MqttPublisher(config, origin, outbox, clock))
        except EdgeError:
            outbox.close()
            raise
        return made[-1], outbox

    try:
        yield make
    finally:
        for publisher in made:
            publisher.close(1.0)


PAGE = Path(__file__).parents[3] / "docs" / "mqtt.md"


@dataclass
class Advised:
    """A broker as docs/mqtt.md advises: TLS, passwords and an access list; every user's password is `right`."""

    port: int
    ca_file: Path
    password_file: Path


@pytest.fixture
def advised_broker(mosquitto: Mosquitto, authority: Path, tmp_path: Path) -> Advised:
    """Runs that broker; its users are `door`, a device, and `analyst`, who may only read."""
    page = PAGE.read_text("utf-8")
    (conf,), rules = re.findall(r"```conf\n(.*?)```", page, re.DOTALL), re.findall(r"```acl\n(.*?)```", page, re.DOTALL)
    (tmp_path / "acl").write_text("\n".join(rules))
    for flags, user in ((["-c", "-b"], "door"), (["-b"], "analyst")):
        subprocess.run(["mosquitto_passwd", *flags, tmp_path / "passwords", user, "right"], check=True)
    (tmp_path / "mqtt-password").write_text("right\n")
    (tmp_path / "mqtt-password").chmod(0o600)
    places = {
        "listener 8883": "",
        "/etc/mosquitto/certs/ca.pem": authority / "ca.pem",
        "/etc/mosquitto/certs/broker": authority / "here",
        "/etc/mosquitto/passwords": tmp_path / "passwords",
        "/etc/mosquitto/affect-edge.acl": tmp_path / "acl",
    }
    for written, here in places.items():
        assert written in conf
        conf = conf.replace(written, str(here))
    mosquitto.start(*conf.splitlines())
    return Advised(mosquitto.port, authority / "ca.pem", tmp_path / "mqtt-password")


@pytest.fixture(scope="session")
def send() -> Callable[..., int]:
    """Publishes one message at QoS 1 in a session of its own and gives the broker's reason code."""

    def publish(
        port: int, topic: str, payload: bytes, *, retain: bool = False, user: str = "", ca_file: Path | None = None
    ) -> int:
        answers: list[int] = []
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        if user:
            client.username_pw_set(user, "right")
        if ca_file:
            client.tls_set(ca_file)
        client.on_publish = lambda _client, _data, _mid, reason, _properties: answers.append(reason.value)
        client.connect(HOST, port)
        client.loop_start()
        client.publish(topic, payload, qos=1, retain=retain)
        try:
            return until(lambda: answers and answers[0] + 1) - 1
        finally:
            client.disconnect()
            client.loop_stop()

    return publish
