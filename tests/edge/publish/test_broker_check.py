"""The broker's part of the examination, against a real Mosquitto with one fault planted each."""

from __future__ import annotations

import datetime as dt
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from msgspec.structs import replace

from edge.cli.doctor import broker
from edge.cli.doctor.broker import check_broker, check_drop_in
from edge.cli.doctor.finding import Level
from edge.config import Config, DeviceConfig, HomeAssistantConfig, MqttConfig
from edge.publish.homeassistant import discovery_message
from scripts.mqtt_examples import ORIGIN as EXAMPLE

DEVICE = DeviceConfig(site="museum", name="hall-2")
ORIGIN = replace(EXAMPLE, site=DEVICE.site, device=DEVICE.name)


def config(port: int, discovery: str = "off", **mqtt: object) -> Config:
    return Config(
        device=DEVICE,
        mqtt=MqttConfig(host="127.0.0.1", port=port, **mqtt),
        homeassistant=HomeAssistantConfig(discovery=discovery),
    )


@pytest.fixture
def guarded(mosquitto, tmp_path: Path):
    """A broker that knows hall-2, who may write below its own topic only, and hall-3, who may write nothing."""
    passwords, rules = tmp_path / "passwords", tmp_path / "acl"
    passwords.touch(mode=0o600)
    for name in ("hall-2", "hall-3"):
        subprocess.run(["mosquitto_passwd", "-b", passwords, name, "secret"], check=True, capture_output=True)
    rules.write_text("user hall-2\ntopic write affect/v1/museum/hall-2/#\n")
    rules.chmod(0o600)
    mosquitto.start("allow_anonymous false", f"password_file {passwords}", f"acl_file {rules}")
    return mosquitto


def password(folder: Path, text: str = "secret") -> str:
    path = folder / "password"
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_round_trip_on_a_broker_with_access_list(guarded, tmp_path, found, listen) -> None:
    given = config(guarded.port, username="hall-2", password_file=password(tmp_path))
    findings = list(check_broker(given, ORIGIN))
    assert {finding.level for finding in findings} == {Level.PASS}
    assert "affect/v1/museum/hall-2/probe was acknowledged" in found(findings, "publishing").said


def test_probe_is_empty_not_retained_and_leaves_a_running_device_alone(
    mosquitto, listen, make_publisher, until
) -> None:
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, _ = make_publisher(port=mosquitto.port, origin=ORIGIN)
    publisher.start()
    until(lambda: listener.states() == ["online"])
    assert {one.level for one in check_broker(config(mosquitto.port), ORIGIN)} == {Level.PASS}
    until(lambda: any(message.topic.endswith("/probe") for message in listener.messages))
    (probe,) = [message for message in listener.messages if message.topic.endswith("/probe")]
    assert (probe.payload, probe.retain) == (b"", False)
    assert publisher.delivery().reconnects == 0
    assert listener.states() == ["online"]


def test_wrong_password_refused_right_and_careless_file_are_told_apart(guarded, tmp_path, found) -> None:
    wrong = config(guarded.port, username="hall-2", password_file=password(tmp_path, "guess"))
    finding = found(check_broker(wrong, ORIGIN), "broker session")
    assert finding.level is Level.FAIL
    assert "password" in finding.fix
    mute = config(guarded.port, username="hall-3", password_file=password(tmp_path))
    finding = found(check_broker(mute, ORIGIN), "publishing")
    assert "0x87" in finding.said
    assert "affect/v1/museum/hall-2/#" in finding.fix
    Path(mute.mqtt.password_file).chmod(0o644)
    finding = found(check_broker(mute, ORIGIN), "credentials")
    assert finding.level is Level.FAIL
    assert "chmod" in finding.fix


def test_closed_port_and_unknown_name_are_told_apart(free_port, found) -> None:
    finding = found(check_broker(config(free_port), ORIGIN), "broker session")
    assert "Connection refused" in finding.said
    assert "broker running" in finding.fix
    nowhere = Config(device=DEVICE, mqtt=MqttConfig(host="no-such-host.invalid", plaintext=True))
    finding = found(check_broker(nowhere, ORIGIN), "broker name")
    assert finding.level is Level.FAIL
    assert "does not resolve" in finding.said


def test_broker_s_certificate_of_another_authority_fails_with_the_key_to_set(mosquitto, authority, found) -> None:
    certificate = (f"certfile {authority / 'here.pem'}", f"keyfile {authority / 'here.key'}")
    mosquitto.start(*certificate, "allow_anonymous true")
    given = config(mosquitto.port, tls=True, ca_file=str(authority / "foreign.pem"))
    finding = found(check_broker(given, ORIGIN), "broker session")
    assert "certificate" in finding.said
    assert "mqtt.ca_file" in finding.fix
    assert {
        one.level for one in check_broker(config(mosquitto.port, tls=True, ca_file=str(authority / "ca.pem")), ORIGIN)
    } == {Level.PASS}


@pytest.mark.parametrize(("discovery", "level"), [("announce", Level.FAIL), ("remove", Level.FAIL), ("off", None)])
def test_broker_that_refuses_discovery_is_found_before_the_device_runs(
    guarded, tmp_path, found, discovery, level
) -> None:
    given = config(guarded.port, discovery, username="hall-2", password_file=password(tmp_path))
    findings = list(check_broker(given, ORIGIN))
    assert found(findings, "publishing").level is Level.PASS
    if level is None:
        assert not [one for one in findings if one.check == "discovery"]
        return
    finding = found(findings, "discovery")
    assert finding.level is level
    assert "0x87" in finding.said
    assert "right to write homeassistant/device/affect_museum_hall-2/config" in finding.fix


def test_discovery_is_sent_as_the_device_would_send_it(mosquitto) -> None:
    mosquitto.start()
    assert {one.level for one in check_broker(config(mosquitto.port, "announce"), ORIGIN)} == {Level.PASS}
    topic = "homeassistant/device/affect_museum_hall-2/config"
    told = subprocess.run(
        [*f"mosquitto_sub -h 127.0.0.1 -p {mosquitto.port} -C 1 -W 5 -t {topic}".split()],
        capture_output=True,
        check=True,
    ).stdout
    assert told.strip() == discovery_message(config(mosquitto.port, "announce"), ORIGIN).payload


def test_certificate_of_the_future_names_the_clock_and_not_the_authority(mosquitto, authority, found) -> None:
    """As on a board without a battery clock, which is in 1970 until a time server answers."""
    certificate = authority / "tomorrow.pem"
    certificate.write_bytes(certify_for_tomorrow(authority))
    mosquitto.start(f"certfile {certificate}", f"keyfile {authority / 'here.key'}", "allow_anonymous true")
    given = config(mosquitto.port, tls=True, ca_file=str(authority / "ca.pem"))
    finding = found(check_broker(given, ORIGIN), "broker session")
    assert "not yet valid" in finding.said
    assert "is this device's clock right?" in finding.said
    assert f"it says {time.strftime('%Y-%m-%d', time.gmtime())}" in finding.fix
    assert "timedatectl set-ntp true" in finding.fix
    assert "ca_file" not in finding.fix


def certify_for_tomorrow(authority: Path) -> bytes:
    """The broker's certificate, valid from tomorrow on."""
    ca = x509.load_pem_x509_certificate((authority / "ca.pem").read_bytes())
    here = x509.load_pem_x509_certificate((authority / "here.pem").read_bytes())
    key = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    now, day = dt.datetime.now(dt.timezone.utc), dt.timedelta(days=1)
    names = here.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    builder = x509.CertificateBuilder(
        ca.subject, here.subject, here.public_key(), x509.random_serial_number(), now + day, now + 2 * day
    ).add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def drop_in(root: Path, text: str) -> None:
    folder = root / "etc/systemd/system/affect-edge.service.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "installation.conf").write_text(f"[Service]\n{text}")
    (root / "etc/resolv.conf").write_text("nameserver 192.0.2.53\nnameserver 127.0.0.53\n")


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        ("IPAddressAllow=192.0.2.10\nIPAddressAllow=192.0.2.53\n", Level.PASS, "192.0.2.10"),
        ("IPAddressAllow=192.0.2.99\nIPAddressAllow=192.0.2.53\n", Level.FAIL, "does not allow the broker"),
        ("IPAddressAllow=192.0.2.10\n", Level.FAIL, "does not allow the resolver, 192.0.2.53"),
        ("IPAddressAllow=192.0.2.10 192.0.2.53\nIPAddressAllow=\n", Level.FAIL, "does not allow the broker"),
        ("IPAddressAllow=any\n", Level.WARN, "any address"),
    ],
)
def test_service_filter_is_compared_with_today_s_addresses(tmp_path, monkeypatch, found, text, level, said) -> None:
    drop_in(tmp_path, text)
    monkeypatch.setattr(broker, "broker_addresses", lambda host, port: ["192.0.2.10"])
    given = Config(device=DEVICE, mqtt=MqttConfig(host="broker.example", tls=True))
    finding = check_drop_in(given, "affect-edge.service", root=tmp_path)
    assert finding.level is level
    assert said in finding.said


def test_address_that_a_name_gained_is_warned_about(tmp_path, monkeypatch, found) -> None:
    drop_in(tmp_path, "IPAddressAllow=192.0.2.10 192.0.2.53\n")
    monkeypatch.setattr(broker, "broker_addresses", lambda host, port: ["192.0.2.10", "192.0.2.11"])
    given = Config(device=DEVICE, mqtt=MqttConfig(host="broker.example", tls=True))
    finding = check_drop_in(given, "affect-edge.service", root=tmp_path)
    assert finding.level is Level.WARN
    assert "192.0.2.11" in finding.said


def test_machine_without_the_service_is_no_fault(tmp_path, found) -> None:
    assert check_drop_in(Config(), "affect-edge.service", root=tmp_path).level is Level.SKIP
