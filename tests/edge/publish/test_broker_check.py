"""The broker's part of the examination, against a real Mosquitto with one fault planted each."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge.cli.doctor import broker
from edge.cli.doctor.broker import check_broker, check_drop_in
from edge.cli.doctor.finding import Level
from edge.config import Config, DeviceConfig, MqttConfig
from edge.model.bundle import default_bundle, load_bundle
from edge.publish.message import origin_of

DEVICE = DeviceConfig(site="museum", name="hall-2")
ORIGIN = origin_of(DEVICE, load_bundle(default_bundle()))


def config(port: int, **mqtt: object) -> Config:
    return Config(device=DEVICE, mqtt=MqttConfig(host="127.0.0.1", port=port, **mqtt))


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
    findings = check_broker(given, ORIGIN)
    assert {finding.level for finding in findings} == {Level.PASS}
    assert "affect/v1/museum/hall-2/trial was acknowledged" in found(findings, "publishing").said


def test_trial_is_empty_not_retained_and_leaves_a_running_device_alone(
    mosquitto, listen, make_publisher, until
) -> None:
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, _ = make_publisher(port=mosquitto.port, origin=ORIGIN)
    publisher.start()
    until(lambda: listener.states() == ["online"])
    assert {one.level for one in check_broker(config(mosquitto.port), ORIGIN)} == {Level.PASS}
    until(lambda: any(message.topic.endswith("/trial") for message in listener.messages))
    (trial,) = [message for message in listener.messages if message.topic.endswith("/trial")]
    assert (trial.payload, trial.retain) == (b"", False)
    assert publisher.counts().reconnects == 0
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
    finding = found(check_drop_in(given, "affect-edge.service", root=tmp_path), "service filter")
    assert finding.level is level
    assert said in finding.said


def test_address_that_a_name_gained_is_warned_about(tmp_path, monkeypatch, found) -> None:
    drop_in(tmp_path, "IPAddressAllow=192.0.2.10 192.0.2.53\n")
    monkeypatch.setattr(broker, "broker_addresses", lambda host, port: ["192.0.2.10", "192.0.2.11"])
    given = Config(device=DEVICE, mqtt=MqttConfig(host="broker.example", tls=True))
    finding = found(check_drop_in(given, "affect-edge.service", root=tmp_path), "service filter")
    assert finding.level is Level.WARN
    assert "192.0.2.11" in finding.said


def test_machine_without_the_service_is_no_fault(tmp_path, found) -> None:
    assert found(check_drop_in(Config(), "affect-edge.service", root=tmp_path), "service filter").level is Level.SKIP
