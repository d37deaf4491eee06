"""What the page tells an operator to write works as written."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec

from edge.config import Config
from edge.publish.example import BUSY, ORIGIN

PAGE = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text()


def _block(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[0]


def test_the_broker_of_the_page_lets_a_device_write_its_own_topics_and_an_analyst_read(
    mosquitto, authority, tmp_path, make_publisher, until
):
    rules, passwords, secret = tmp_path / "acl", tmp_path / "passwords", tmp_path / "mqtt-password"
    rules.write_text(_block("acl"))
    for flags, user in ((["-c", "-b"], "door"), (["-b"], "analyst")):
        subprocess.run(["mosquitto_passwd", *flags, passwords, user, "right"], check=True)
    secret.write_text("right\n")
    secret.chmod(0o600)
    places = {
        "listener 8883": "",
        "/etc/mosquitto/certs/ca.pem": authority / "ca.pem",
        "/etc/mosquitto/certs/broker": authority / "here",
        "/etc/mosquitto/passwords": passwords,
        "/etc/mosquitto/affect-edge.acl": rules,
    }
    conf = _block("conf")
    for written, here in places.items():
        assert written in conf
        conf = conf.replace(written, str(here))
    mosquitto._answers = lambda: True
    mosquitto.start(*conf.splitlines())
    login = {"tls": True, "ca_file": str(authority / "ca.pem"), "username": "door", "password_file": str(secret)}

    own, own_outbox = make_publisher(**login)
    own.start()
    own.publish(BUSY)
    until(lambda: own_outbox.counts().waiting == 0)
    assert own_outbox.counts().refused == 0
    foreign, foreign_outbox = make_publisher(origin=replace(ORIGIN, device="till"), **login)
    foreign.start()
    foreign.publish(BUSY)
    until(lambda: foreign_outbox.counts().refused == 1)

    read = subprocess.run(
        [
            *f"mosquitto_sub -h 127.0.0.1 -p {mosquitto.port} -u analyst -P right -C 1 -W 5".split(),
            *("-t", "affect/v1/+/+/status", "--cafile", authority / "ca.pem"),
        ],
        capture_output=True,
        check=True,
    )
    assert msgspec.json.decode(read.stdout)["state"] == "online"


def test_the_device_configuration_of_the_page_is_valid():
    config = msgspec.toml.decode(_block("toml"), type=Config)
    assert config.mqtt.tls
