"""Home Assistant's discovery: its form, its words, and its templates on real messages.

A running Home Assistant 2025.4.4 showed the same states for these messages, without a warning (2026-11).
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
import jsonschema
import msgspec
import pytest
from msgspec.structs import replace

from edge import contract
from edge.config import Config, HomeAssistantConfig, WindowConfig
from edge.publish.homeassistant import discovery_message
from edge.publish.session import Message
from scripts.mqtt_examples import BUSY, HEALTH, OFFLINE, ONLINE, ORIGIN, QUIET

SCHEMA = json.loads((Path(__file__).with_name("homeassistant-device-discovery.schema.json")).read_text())
PAGE = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text("utf-8")
TOPIC = "homeassistant/device/affect_berlin_door/config"
KEPT = ""  # what a template gives when the sensor is to stay as it is
UNKNOWN = "None"  # and what Home Assistant reads as unknown


def announced(origin: contract.Origin = ORIGIN, prefix: str = "homeassistant", window_s: int = 60) -> Message:
    home = HomeAssistantConfig(discovery="announce", prefix=prefix)
    message = discovery_message(Config(homeassistant=home, window=WindowConfig(window_s=window_s)), origin)
    assert message is not None
    assert (message.qos, message.retain) == (1, True)
    return message


def written() -> dict[str, Any]:
    return json.loads(announced()[1])


def shown(
    key: str, message: contract.Window | contract.Health | contract.Status, *, now: datetime | None = None
) -> str:
    """What Home Assistant makes of a message's bytes with the template of an entity."""
    component = written()["components"][key]
    assert component["state_topic"] == ORIGIN.topic(message.schema.rpartition("/")[2])
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    environment.globals |= {
        "now": lambda: now or BUSY.end + timedelta(seconds=4),
        "as_timestamp": lambda at: (at if isinstance(at, datetime) else datetime.fromisoformat(at)).timestamp(),
    }
    value = json.loads(contract.encode(message).replace(b'Z"', b'+00:00"'))  # which Python 3.10 does not read
    return str(environment.from_string(component["value_template"]).render(value_json=value))


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


def test_it_is_off_unless_asked_for_and_removing_is_an_empty_message() -> None:
    assert discovery_message(Config(), ORIGIN) is None
    removed = Config(homeassistant=HomeAssistantConfig(discovery="remove"))
    assert discovery_message(removed, ORIGIN) == Message(TOPIC, b"", retain=True)
    assert announced()[0] == TOPIC
    assert announced(prefix="ha/test")[0] == "ha/test/device/affect_berlin_door/config"


@pytest.mark.parametrize("prefix", ["", "/ha", "ha/", "ha/#", "+", "ha//x", "a" * 65])
def test_a_prefix_that_is_no_topic_is_refused(prefix: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"prefix": prefix}, HomeAssistantConfig)


def test_two_devices_never_share_an_identity() -> None:
    one, other = replace(ORIGIN, site="a-b", device="c"), replace(ORIGIN, site="a", device="b-c")
    assert announced(one)[0] != announced(other)[0]
    ids = [component["unique_id"] for component in written()["components"].values()]
    assert len(set(ids)) == len(ids)


def test_names_speak_of_expressions_and_of_visits_only() -> None:
    names = [component["name"] for component in written()["components"].values()]
    assert {"Expression valence", "Expression arousal", "Visits (not unique visitors)"} <= set(names)
    text = announced()[1].decode()
    assert not re.search(
        r"emotion|mood|sentiment|happy|visitor count|people", text.replace("few_people", ""), re.IGNORECASE
    )
    notes = [part["json_attributes_template"] for part in written()["components"].values() if "note" in str(part)]
    assert len(notes) == 2
    for note in notes:
        attributes = json.loads(jinja2.Template(note).render(value_json={}))
        assert "An expression is not a feeling" in attributes["note"]


def test_nothing_measured_is_in_it() -> None:
    """The same bytes whatever happens: all of it is known when the device starts."""
    assert announced() == announced()


def test_the_longest_names_stay_below_8_kib() -> None:
    model = contract.Model(name="m" * 32, version=10**9, sha256="0" * 64)
    origin = contract.Origin(site="s" * 32, device="d" * 32, tz="z" * 64, tags={}, model=model, policy="0" * 32)
    assert len(announced(origin, prefix="p" * 64)[1]) < 8192


def test_every_template_shows_its_value() -> None:
    values = {
        "valence": (BUSY, "0.22"),
        "arousal": (BUSY, "-0.04"),
        "visits": (BUSY, "47"),
        "unscored_visits": (BUSY, "6"),
        "scored_s": (BUSY, "412.3"),
        "connected": (ONLINE, "ON"),
        "temperature": (HEALTH, "58.4"),
        "throttled": (HEALTH, "OFF"),
        "under_voltage": (HEALTH, "OFF"),
        "demand": (HEALTH, "21.0"),
        "waiting": (HEALTH, "0"),
        "suppressed": (HEALTH, "27.0"),
    }
    assert values.keys() == written()["components"].keys()
    assert {key: shown(key, message) for key, (message, _) in values.items()} == {
        key: text for key, (_, text) in values.items()
    }
    assert shown("connected", OFFLINE) == "OFF"


WINDOW_KEYS = ("valence", "arousal", "visits", "unscored_visits", "scored_s")


@pytest.mark.parametrize(("late_s", "texts"), [(59, ["0.22", "-0.04", "47", "6", "412.3"]), (60, [KEPT] * 5)])
def test_a_window_that_comes_a_window_late_changes_nothing(late_s: int, texts: list[str]) -> None:
    """After an outage, or from a device whose clock is wrong."""
    now = BUSY.end + timedelta(seconds=late_s)
    assert [shown(key, BUSY, now=now) for key in WINDOW_KEYS] == texts
    in_1970 = replace(BUSY, start=contract.instant(0), end=contract.instant(60 * 10**9), clock="unsynced")
    assert [shown(key, in_1970, now=now) for key in WINDOW_KEYS] == [KEPT] * 5


def test_a_window_counts_as_late_by_its_own_length() -> None:
    for window_s in (60, 900):
        template = json.loads(announced(window_s=window_s)[1])["components"]["visits"]["value_template"]
        assert f"< {window_s} " in template


def test_with_too_few_visits_expressions_are_unknown_and_visits_are_known() -> None:
    now = QUIET.end + timedelta(seconds=4)
    assert [shown(key, QUIET, now=now) for key in WINDOW_KEYS] == [UNKNOWN, UNKNOWN, "5", "1", UNKNOWN]


@pytest.mark.parametrize("reason", ["closed", "camera"])
def test_a_window_in_which_nothing_was_looked_at_makes_every_sensor_unknown(reason: contract.Suppressed) -> None:
    """Else hours of zeros would count in Home Assistant's means."""
    blind = replace(QUIET, suppressed=reason, observed_s=0.0, visits=0, unscored_visits=0)
    now = QUIET.end + timedelta(seconds=4)
    assert [shown(key, blind, now=now) for key in WINDOW_KEYS] == [UNKNOWN] * 5


def test_what_the_device_does_not_know_is_unknown() -> None:
    nothing = replace(
        HEALTH,
        board=contract.Board(),
        load=replace(HEALTH.load, demand=None),
        windows=contract.zeros(contract.Windows) | {"closed": 5},
    )
    keys = ("temperature", "throttled", "under_voltage", "demand", "suppressed")
    assert {shown(key, nothing) for key in keys} == {UNKNOWN}
    hot = replace(HEALTH, board=replace(HEALTH.board, throttled=True, under_voltage=True))
    assert {shown(key, hot) for key in ("throttled", "under_voltage")} == {"ON"}


def test_values_go_out_of_date_when_messages_stay_away() -> None:
    components = written()["components"]
    stale = {key: part.get("expire_after") for key, part in components.items()}
    assert stale == dict.fromkeys(components, 180) | {"connected": None}


def test_after_a_crash_values_come_back_with_the_next_health_report_and_not_with_the_session() -> None:
    told = written()
    assert told["availability_mode"] == "latest"
    templates = {part["topic"]: jinja2.Template(part["value_template"]) for part in told["availability"]}
    answers = [
        templates[ORIGIN.topic(kind)].render(value_json=json.loads(contract.encode(message)))
        for kind, message in (("status", OFFLINE), ("status", ONLINE), ("health", HEALTH))
    ]
    assert answers == ["offline", "", "online"]  # an empty one changes nothing
    assert told["components"]["connected"]["availability"] == []


def test_the_pages_configuration_is_valid() -> None:
    (text,) = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    assert msgspec.toml.decode(text, type=Config).homeassistant.discovery == "announce"
