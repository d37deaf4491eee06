"""A store's gateway with two real brokers: device → store → centre, over TLS, with a line that is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from benchmarks.soak.broker import Broker
from benchmarks.soak.proxy import Proxy
from edge.clock import SystemClock
from edge.config import Config, MqttConfig, OutboxConfig, WindowConfig
from edge.publish.mqtt import MqttPublisher
from edge.publish.outbox import Outbox
from firmware_config.gateway.command import CONF
from firmware_config.gateway.configuration import ETC
from scripts.mqtt_examples import BUSY, ORIGIN

_TABLE = "site,device\nberlin,door\nberlin,hall\nparis,door\n"


class Chain:
    """Device, store, line and centre."""

    def __init__(self, folder: Path, authority: Path, start_broker: Callable[..., Broker]) -> None:
        self.fleet = folder / "fleet"
        self._authority = authority
        self._start = start_broker
        self._made: list[MqttPublisher] = []
        self.proxy: Proxy | None = None

    def centre(self, certificate: str = "here") -> Broker:
        files = self.fleet / "broker"
        self.central = self._start(
            "listener {port} 127.0.0.1",
            f"certfile {self._authority}/{certificate}.pem",
            f"keyfile {self._authority}/{certificate}.key",
            "allow_anonymous false",
            f"password_file {files}/passwords",
            f"acl_file {files}/acl",
            "persistence true",
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 1000000",
            "log_type all",
        )
        return self.central

    def store(self) -> Broker:
        """The store as generated, but for its places, its port and its patience."""
        own = self.fleet / "gateways" / "berlin"
        text = (own / CONF).read_text()
        for given, here in (
            (f"{ETC}/store", f"{self._authority}/here"),
            (f"{ETC}/central-ca.pem", f"{self._authority}/ca.pem"),
            (f"{ETC}/", f"{own}/"),
            ("listener 8883\n", "listener {port} 127.0.0.1\n"),
            ("restart_timeout 5 120\n", "restart_timeout 1 2\n"),
        ):
            assert given in text
            text = text.replace(given, here)
        self.berlin = self._start("persistence true", *text.splitlines())
        return self.berlin

    def device(self, name: str = "door") -> tuple[MqttPublisher, Outbox]:
        """The product's own publisher, as the configuration of the fleet has it."""
        mqtt = MqttConfig(
            host="localhost",
            port=self.berlin.port,
            tls=True,
            ca_file=str(self._authority / "ca.pem"),
            username=f"berlin.{name}",
            password_file=str(self.fleet / "devices" / "berlin" / name / "mqtt-password"),
            bytes_per_minute=1_000_000,
            backoff_max_s=1.0,
        )
        limits, clock, origin = OutboxConfig(backlog_per_minute=60_000), SystemClock(), replace(ORIGIN, device=name)
        outbox = Outbox(None, limits, clock, origin)
        config = Config(mqtt=mqtt, outbox=limits, window=WindowConfig(window_s=60))
        publisher = MqttPublisher(config, origin, outbox, clock)
        self._made.append(publisher)
        publisher.start()
        return publisher, outbox

    def close(self) -> None:
        for publisher in self._made:
            publisher.close(1.0)
        if self.proxy is not None:
            self.proxy.close()


@pytest.fixture
def chain(enrol, firmware_config, tmp_path, authority, start_broker) -> Iterator[Chain]:
    chain = Chain(tmp_path, authority, start_broker)
    try:
        assert enrol(_TABLE, "--reader", "analyst")[0] == 0
        make_gateway(firmware_config, tmp_path, authority, "localhost")
        yield chain
    finally:
        chain.close()


def make_gateway(firmware_config, tmp_path: Path, authority: Path, central: str) -> tuple[int, str, str]:
    said = firmware_config(
        *("gateway", "--site", "berlin", "--central", central),
        *("--fleet", tmp_path / "fleet", "--ca-file", authority / "ca.pem"),
    )
    assert said[0] == 0, said[2]
    return said


@pytest.fixture
def running(chain, firmware_config, tmp_path, authority) -> Chain:
    """Everything up, the line a relay that can be cut."""
    chain.centre()
    chain.proxy = Proxy(chain.central.port)
    make_gateway(firmware_config, tmp_path, authority, f"localhost:{chain.proxy.port}")
    chain.store()
    return chain


@pytest.fixture
def listen(login, password_of, authority) -> Callable[..., Any]:
    """A subscriber at the centre."""

    def listen(port: int, topic: str = "affect/#") -> Any:
        client = login(port, "analyst", password_of("readers/analyst"), ca=authority / "ca.pem")
        client.subscribe(topic)
        return client

    return listen


def ids(listener: Any) -> list[str]:
    return [window["id"] for window in windows(listener)]


def windows(listener: Any) -> list[dict[str, Any]]:
    return [msgspec.json.decode(m.payload) for m in list(listener.messages) if m.topic.endswith("/window")]


def publish(publisher: MqttPublisher, outbox: Outbox, count: int, until) -> list[str]:
    """Closes windows and waits until the store has acknowledged them; their ids."""
    before, sent = outbox.delivery().refused, []
    for _ in range(count):
        epoch, seq = publisher.number()
        device = publisher._origin.device
        sent.append(f"{device}/{epoch}/{seq}")
        publisher.publish(replace(BUSY, device=device, id=sent[-1], epoch=epoch, seq=seq), None)
    until(lambda: outbox.delivery().waiting == 0, 60)
    assert outbox.delivery().refused == before
    return sent


def test_a_window_reaches_the_centre_through_the_store_and_status_stays_retained(running, listen, until):
    publisher, outbox = running.device()
    sent = publish(publisher, outbox, 20, until)
    late = listen(running.central.port)
    until(lambda: any(m.topic == "affect/v1/berlin/door/status" for m in late.messages))
    status = next(m for m in late.messages if m.topic == "affect/v1/berlin/door/status")
    assert status.retain
    assert msgspec.json.decode(status.payload)["state"] == "online"
    (state,) = [m for m in late.messages if m.topic == "affect/gateway/berlin/state"]
    assert (state.payload, state.retain) == (b"1", True)
    more = publish(publisher, outbox, 20, until)
    until(lambda: set(ids(late)) >= set(more))
    assert len(set(sent + more)) == 40
    publisher.close(2.0)
    until(lambda: any(b'"offline"' in m.payload for m in late.messages))


@pytest.mark.slow
def test_a_cut_line_loses_nothing_and_repeats_are_identical(running, listen, until):
    publisher, outbox = running.device()
    hall, hall_outbox = running.device("hall")
    listener = listen(running.central.port)
    sent = publish(publisher, outbox, 5, until)
    for _ in range(2):
        running.proxy.cut()
        until(lambda: [m.payload for m in listener.messages if m.topic.endswith("/state")][-1:] == [b"0"])
        sent += publish(publisher, outbox, 40, until)  # the store acknowledges while nobody hears it
        sent += publish(hall, hall_outbox, 40, until)
        running.proxy.mend()
        until(lambda owed=set(sent): set(ids(listener)) >= owed, 60)
    assert outbox.delivery().waiting == 0
    assert set(ids(listener)) == set(sent)
    contents: dict[str, set[bytes]] = {}
    for message in listener.messages:
        if message.topic.endswith("/window"):
            window = msgspec.json.decode(message.payload)
            contents.setdefault(window["id"], set()).add(message.payload)
    assert {len(different) for different in contents.values()} == {1}


@pytest.mark.slow
def test_a_killed_store_loses_at_most_the_last_window_it_acknowledged(running, listen, until):
    publisher, outbox = running.device()
    listener = listen(running.central.port)
    sent = publish(publisher, outbox, 1, until)
    until(lambda: set(ids(listener)) >= set(sent))
    running.proxy.cut()
    sent += publish(publisher, outbox, 60, until)
    running.berlin.kill()
    running.berlin.start()
    running.proxy.mend()
    until(lambda: len(set(sent) - set(ids(listener))) <= 1, 60)
    assert set(ids(listener)) <= set(sent)


@pytest.mark.slow
def test_a_killed_centre_loses_nothing_that_the_store_still_holds(running, listen, until):
    publisher, outbox = running.device()
    first = listen(running.central.port)
    sent = publish(publisher, outbox, 5, until)
    until(lambda: set(ids(first)) >= set(sent))
    running.central.kill()
    sent = publish(publisher, outbox, 40, until)
    running.proxy.cut()
    running.central.start()
    again = listen(running.central.port)
    running.proxy.mend()
    until(lambda: set(ids(again)) >= set(sent), 60)


def test_nothing_comes_down_from_the_centre(running, login, password_of, authority, listen, until):
    publisher, outbox = running.device()
    listener = listen(running.central.port)
    sent = publish(publisher, outbox, 1, until)
    until(lambda: set(ids(listener)) >= set(sent))
    # Somebody at the centre with the gateway's own rights speaks below the site's topics.
    users = running.fleet / "broker"
    acl = (users / "acl").read_text()
    (users / "acl").write_text(acl.replace("user analyst\n", "user analyst\ntopic readwrite #\n"))
    own = running.fleet / "gateways" / "berlin"
    (own / "acl").write_text((own / "acl").read_text() + "\nuser berlin.hall\ntopic read #\n")
    running.central.reload()
    running.berlin.reload()
    ca = authority / "ca.pem"
    ear = login(running.berlin.port, "berlin.hall", password_of("devices/berlin/hall"), ca=ca)
    ear.subscribe("#")
    mouth = login(running.central.port, "analyst", password_of("readers/analyst"), ca=ca)
    for topic in ("affect/v1/berlin/door/window", "affect/v1/paris/door/window", "affect/gateway/berlin/state", "x"):
        until(lambda topic=topic: mouth.publish(topic, b"from above") < 0x80)
    publish(publisher, outbox, 5, until)
    until(lambda: sum(m.topic.endswith("/window") for m in ear.messages) >= 5)
    assert not [m.topic for m in ear.messages if m.payload == b"from above"]


def test_what_the_centre_refuses_is_gone_which_is_why_its_rights_are_generated(running, listen, until):
    publisher, outbox = running.device()
    acl = running.fleet / "broker" / "acl"
    given = acl.read_text()
    acl.write_text(given.replace("topic write affect/v1/berlin/+/+\n", ""))
    running.central.reload()
    listener = listen(running.central.port)
    refused = publish(publisher, outbox, 3, until)
    log = running.central._folder / "mosquitto.log"
    until(lambda: "Denied PUBLISH" in log.read_text())
    acl.write_text(given)
    running.central.reload()
    until(lambda: set(publish(publisher, outbox, 1, until)) & set(ids(listener)))
    assert not set(refused) & set(ids(listener))


def test_a_centre_with_a_certificate_for_another_name_gets_nothing(
    chain, firmware_config, tmp_path, authority, listen, until
):
    chain.centre("elsewhere")
    make_gateway(firmware_config, tmp_path, authority, f"localhost:{chain.central.port}")
    chain.store()
    publisher, outbox = chain.device()
    publish(publisher, outbox, 5, until)
    log = tmp_path / "broker-0" / "mosquitto.log"
    until(lambda: "alert" in log.read_text() or "error" in log.read_text().lower())
    assert "gateway@berlin" not in log.read_text()  # it never came so far as to say its name


def test_the_sites_devices_are_known_to_their_store_only(chain):
    central = (chain.fleet / "broker" / "passwords").read_text()
    store = (chain.fleet / "gateways" / "berlin" / "passwords").read_text()
    assert [line.partition(":")[0] for line in central.splitlines()] == ["paris.door", "gateway@berlin", "analyst"]
    assert [line.partition(":")[0] for line in store.splitlines()] == ["berlin.door", "berlin.hall"]
    assert (chain.fleet / "gateways" / "berlin" / CONF).stat().st_mode & 0o777 == 0o600


def test_a_gateway_made_again_changes_nothing(chain, firmware_config, tmp_path, authority):
    before = {path: path.read_bytes() for path in chain.fleet.rglob("*") if path.is_file()}
    _, out, _ = make_gateway(firmware_config, tmp_path, authority, "localhost")
    assert out.startswith("unchanged")
    assert {path: path.read_bytes() for path in chain.fleet.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("central", ["two words", "host:99999", "a\nb", ""])
def test_a_centre_that_is_no_address_is_refused(firmware_config, tmp_path, central):
    code, _, err = firmware_config("gateway", "--site", "berlin", "--central", central, "--fleet", tmp_path / "fleet")
    assert code == 2
    assert "neither HOST nor HOST:PORT" in err
    assert not (tmp_path / "fleet").exists()
