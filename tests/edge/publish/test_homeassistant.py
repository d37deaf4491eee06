"""Home Assistant's discovery: its form, its words, its way through the gate, and on a real broker."""

from __future__ import annotations

import json
import logging
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from edge.config import Config, HomeAssistantConfig
from edge.publish.egress import EgressError, Gate
from edge.publish.example import BUSY, ORIGIN, example_health, example_statuses, example_windows
from edge.publish.homeassistant import MAX_DISCOVERY_BYTES, decode_discovery, discovery_message, encode_discovery
from edge.publish.message import Origin
from edge.publish.payload import ModelPayload, encode
from edge.values import Message

SCHEMA = json.loads((Path(__file__).with_name("homeassistant-device-discovery.schema.json")).read_text())
TOPIC = "homeassistant/device/affect_berlin_door/config"


def announced(origin: Origin = ORIGIN, prefix: str = "homeassistant") -> Message:
    message = discovery_message(HomeAssistantConfig(discovery="announce", prefix=prefix), origin, window_s=60)
    assert message is not None
    return message


def written() -> dict[str, Any]:
    return json.loads(announced().payload)


def test_the_message_has_the_published_form() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(written(), SCHEMA)


@pytest.mark.parametrize(
    "breach",
    [
        lambda told: told.pop("origin"),
        lambda told: told.pop("device"),
        lambda told: told["device"].pop("identifiers"),
        lambda told: told["origin"].pop("name"),
        lambda told: told["components"]["valence"].pop("platform"),
        lambda told: told["components"]["valence"].pop("unique_id"),
        lambda told: told["components"]["valence"].pop("state_topic"),
        lambda told: told["components"]["visits"].update(state_class="sum"),
        lambda told: told["components"]["connected"].update(device_class="temperature"),
        lambda told: told.update(weather="rain"),
        lambda told: told.update(availability_topic="x"),
    ],
)
def test_the_form_refuses_what_home_assistant_would(breach: Any) -> None:
    told = written()
    breach(told)
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(told)


def test_it_is_off_unless_asked_for_and_removing_is_an_empty_retained_message() -> None:
    assert discovery_message(HomeAssistantConfig(), ORIGIN, window_s=60) is None
    removed = discovery_message(HomeAssistantConfig(discovery="remove"), ORIGIN, window_s=60)
    assert removed == Message(topic=TOPIC, payload=b"", qos=1, retain=True)
    assert (announced().topic, announced().qos, announced().retain) == (TOPIC, 1, True)
    assert announced(prefix="ha/test").topic == "ha/test/device/affect_berlin_door/config"


@pytest.mark.parametrize("prefix", ["", "/ha", "ha/", "ha/#", "+", "ha//x", "a" * 65])
def test_a_prefix_that_is_no_topic_is_refused(prefix: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"prefix": prefix}, HomeAssistantConfig)


def test_two_devices_never_share_an_identity() -> None:
    one, other = replace(ORIGIN, site="a-b", device="c"), replace(ORIGIN, site="a", device="b-c")
    assert announced(one).topic != announced(other).topic
    ids = [component["unique_id"] for component in written()["components"].values()]
    assert len(set(ids)) == len(ids)


def test_names_speak_of_expressions_and_of_visits_only() -> None:
    names = [component["name"] for component in written()["components"].values()]
    assert {"Expression valence", "Expression arousal", "Visits (not unique visitors)"} <= set(names)
    text = announced().payload.decode()
    assert not re.search(r"emotion|mood|sentiment|happy|visitor count|people", text, re.IGNORECASE)
    notes = [part["json_attributes_template"] for part in written()["components"].values() if "note" in str(part)]
    assert len(notes) == 2
    assert all("An expression is not a feeling" in note for note in notes)


def test_nothing_measured_is_in_it() -> None:
    """The same bytes whatever happens: all of it is known when the device starts."""
    assert announced().payload == announced().payload
    assert decode_discovery(announced().payload).device.sw_version
    assert encode_discovery(decode_discovery(announced().payload)) == announced().payload


def test_the_longest_names_stay_below_its_limit() -> None:
    origin = Origin(
        site="s" * 32,
        device="d" * 32,
        tz="z" * 64,
        tags={},
        model=ModelPayload(name="m" * 32, version=10**9, sha256="0" * 64),
    )
    size = len(announced(origin, prefix="p" * 64).payload)
    assert size < MAX_DISCOVERY_BYTES
    assert size > 2048, "it would fit into the limit of every other message; give up its own"


def test_values_are_found_where_the_messages_have_them() -> None:
    """Every `value_json.x.y` of a template leads to a field of the message on that topic."""
    messages = {
        ORIGIN.topic("window"): json.loads(encode(example_windows()[0])),
        ORIGIN.topic("health"): json.loads(encode(example_health())),
        ORIGIN.topic("status"): json.loads(encode(example_statuses()[0])),
    }
    for key, component in written()["components"].items():
        paths = re.findall(r"value_json((?:\.\w+)+)", component["value_template"])
        assert paths, key
        for path in paths:
            value = messages[component["state_topic"]]
            for part in path[1:].split("."):
                assert part in value, (key, path)
                value = value[part]


def test_templates_show_the_values() -> None:
    jinja2 = pytest.importorskip("jinja2", reason="needs Jinja2, which renders templates as Home Assistant does")
    examples = {"window": example_windows()[0], "health": example_health(), "status": example_statuses()[0]}

    def render(key: str, message: Any = None) -> str:
        component = written()["components"][key]
        kind = component["state_topic"].rpartition("/")[2]
        value = message or json.loads(encode(examples[kind]))
        return str(jinja2.Template(component["value_template"]).render(value_json=value))

    shown = {"valence": "0.21", "arousal": "-0.05", "visits": "7", "unscored_visits": "1", "scored_s": "84.3"}
    shown |= {"connected": "ON", "temperature": "58.4", "throttled": "OFF", "under_voltage": "OFF"}
    shown |= {"demand": "21.0", "suppressed": "27.0", "outbox": "0"}
    assert {key: render(key) for key in written()["components"]} == shown
    quiet = json.loads(encode(example_windows()[1]))
    assert (render("valence", quiet), render("visits", quiet)) == ("None", "2")  # unknown, and known
    late = json.loads(encode(example_windows()[0])) | {"historical": True}
    assert [render(key, late) for key in ("valence", "arousal", "visits", "scored_s")] == [""] * 4
    silent = json.loads(encode(example_health()))
    silent["board"] = dict.fromkeys(silent["board"])
    silent["load"]["demand"] = silent["suppressed_share"] = None
    unknown = ("temperature", "throttled", "under_voltage", "demand", "suppressed")
    assert {render(key, silent) for key in unknown} == {"None"}
    note = jinja2.Template(written()["components"]["valence"]["json_attributes_template"])
    note.environment.filters["tojson"] = json.dumps
    assert "not a feeling" in json.loads(note.render(value_json={}))["note"]


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def packet(topic: str, payload: bytes) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic.encode() + b"\0\1\0" + payload
    return b"\x33" + _varint(len(body)) + body


def test_the_gate_lets_these_very_bytes_pass_and_no_others() -> None:
    message = announced()
    gate = Gate(ORIGIN, properties=True, discovery=message)
    gate.check(packet(TOPIC, message.payload))
    changed = message.payload.replace(b"Face-seconds scored", b"Face-seconds scared")
    for payload in (changed, message.payload + b" ", b"", b"{}", b"\xff\xd8\xff"):
        with pytest.raises(EgressError):
            gate.check(packet(TOPIC, payload))
    for topic in ("homeassistant/device/affect_berlin_till/config", "homeassistant/sensor/x/config"):
        with pytest.raises(EgressError, match="to a topic"):
            gate.check(packet(topic, message.payload))
    with pytest.raises(EgressError, match="packet of"):
        gate.check(packet(TOPIC, b"x" * 9000))
    with pytest.raises(EgressError, match="packet of"):  # the larger limit is that topic's alone
        gate.check(packet(ORIGIN.topic("window"), b"x" * 4000))


def test_the_gate_knows_no_discovery_unless_it_is_configured() -> None:
    with pytest.raises(EgressError, match="to a topic"):
        Gate(ORIGIN, properties=True).check(packet(TOPIC, announced().payload))
    removed = Message(topic=TOPIC, payload=b"", qos=1, retain=True)
    gate = Gate(ORIGIN, properties=True, discovery=removed)
    gate.check(packet(TOPIC, b""))
    with pytest.raises(EgressError):
        gate.check(packet(TOPIC, announced().payload))


def test_the_gate_refuses_a_known_message_that_is_not_of_its_form() -> None:
    odd = Message(topic=TOPIC, payload=b'{"picture":"..."}', qos=1, retain=True)
    with pytest.raises(EgressError):
        Gate(ORIGIN, properties=True, discovery=odd).check(packet(TOPIC, odd.payload))


def retained(port: int, *login: str) -> bytes:
    """What the broker keeps on the discovery topic, empty for nothing."""
    command = f"mosquitto_sub -h 127.0.0.1 -p {port} -t {TOPIC} -C 1 -W 1 --retained-only"
    return subprocess.run([*command.split(), *login], capture_output=True, check=False).stdout.strip()


def test_a_broker_keeps_it_from_the_first_session_on_and_forgets_it_when_told(
    mosquitto: Any, make_publisher: Any, until: Any
) -> None:
    mosquitto.start()
    publisher, _ = make_publisher(discovery=announced())
    publisher.start()
    until(lambda: retained(mosquitto.port) == announced().payload)
    mosquitto.kill()
    mosquitto.start()  # without persistence: it has forgotten everything
    until(lambda: retained(mosquitto.port) == announced().payload)
    publisher.close()
    assert retained(mosquitto.port) == announced().payload  # a device that is off stays known
    remover, _ = make_publisher(discovery=Message(topic=TOPIC, payload=b"", qos=1, retain=True))
    remover.start()
    until(lambda: retained(mosquitto.port) == b"")


def test_an_access_list_that_forbids_it_is_named_and_windows_go_on(
    mosquitto: Any, make_publisher: Any, until: Any, tmp_path: Path, caplog: Any
) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic write affect/v1/berlin/door/#\n")
    mosquitto.start("allow_anonymous true", f"acl_file {rules}")
    caplog.set_level(logging.INFO)
    publisher, outbox = make_publisher(discovery=announced())
    publisher.start()
    until(lambda: "refuses this device's discovery" in caplog.text)
    publisher.publish(BUSY)
    until(lambda: outbox.counts().waiting == 0)
    assert outbox.counts().refused == 0


def test_the_pages_line_in_the_access_list_lets_it_pass(
    mosquitto: Any, make_publisher: Any, until: Any, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text("utf-8")
    rules, passwords, secret = tmp_path / "acl", tmp_path / "passwords", tmp_path / "mqtt-password"
    blocks = re.findall(r"```acl\n(.*?)```", page, re.DOTALL)
    rules.write_text("\n".join([*blocks, "user looker", "topic read #"]) + "\n")
    for flags, user in ((["-c", "-b"], "door"), (["-b"], "looker")):
        subprocess.run(["mosquitto_passwd", *flags, passwords, user, "right"], check=True)
    secret.write_text("right\n")
    secret.chmod(0o600)
    mosquitto.start("allow_anonymous false", f"password_file {passwords}", f"acl_file {rules}")
    publisher, _ = make_publisher(discovery=announced(), username="door", password_file=str(secret))
    publisher.start()
    until(lambda: retained(mosquitto.port, "-u", "looker", "-P", "right") == announced().payload)


def test_the_pages_configuration_is_valid() -> None:
    page = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text("utf-8")
    (text,) = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    assert msgspec.toml.decode(text, type=Config).homeassistant.discovery == "announce"
