"""Home Assistant's device discovery: one retained message, without measured values, on how to read our topics.

Format: home-assistant.io/integrations/mqtt, "Device discovery payload", read 2026-11; Home Assistant 2024.12 and later.
"""

from __future__ import annotations

from typing import Any

import msgspec

from edge.config import Config
from edge.contract import Origin
from edge.publish.session import Message
from edge.version import VERSION

_STALE = 3  # a value expires when so many messages are missing
_HEALTH_S = 60
_NOTE = "How faces look, as a mean over visits. An expression is not a feeling, and nothing here is about one person."


def discovery_message(config: Config, origin: Origin) -> Message | None:
    """The message that describes the device whose topics are read, or removes it; None when discovery is off."""
    wanted = config.homeassistant
    if wanted.discovery == "off":
        return None
    topic = f"{wanted.prefix}/device/{_identity(origin)}/config"
    data = b"" if wanted.discovery == "remove" else msgspec.json.encode(_device(origin, config.window.window_s))
    return Message(topic, data, retain=True)


def _device(origin: Origin, window_s: int) -> dict[str, Any]:
    """The device and its entities."""
    identity = _identity(origin)
    # A window that ended more than a window ago, as after an outage, is not shown. An empty result keeps a sensor's
    # value; `none` makes it unknown, so that it is in no mean.
    fresh = f"as_timestamp(now()) - as_timestamp(value_json.end) < {window_s}"

    def sensor(kind: str, key: str, name: str, value: str, stale_s: int, **more: Any) -> dict[str, Any]:
        return {
            "platform": "sensor",
            "unique_id": f"{identity}_{key}",
            "name": name,
            "state_topic": origin.topic(kind),
            "value_template": value,
            "expire_after": stale_s,
            "state_class": "measurement",
        } | more

    def of_window(key: str, name: str, icon: str, value: str = "", **more: Any) -> dict[str, Any]:
        value, more["icon"] = value or f"value_json.{key}", icon
        template = f"{{% if {fresh} %}}{{{{ {value} if value_json.observed_s else none }}}}{{% endif %}}"
        return sensor("window", key, name, template, _STALE * window_s, **more)

    def of_health(key: str, name: str, value: str, **more: Any) -> dict[str, Any]:
        more["entity_category"] = "diagnostic"
        return sensor("health", key, name, f"{{{{ {value} }}}}", _STALE * _HEALTH_S, **more)

    def expression(key: str, icon: str) -> dict[str, Any]:
        value = f"(value_json.{key}.mean if value_json.{key} else none)"
        entity = of_window(key, f"Expression {key}", icon, value, suggested_display_precision=2)
        note = f"{{{{ {{'note': '{_NOTE}'}} | tojson }}}}"
        return entity | {"json_attributes_topic": origin.topic("window"), "json_attributes_template": note}

    def problem(key: str, name: str) -> dict[str, Any]:
        value = f"none if value_json.board.{key} is none else 'ON' if value_json.board.{key} else 'OFF'"
        entity = of_health(key, name, value, device_class="problem") | {"platform": "binary_sensor"}
        return {name: part for name, part in entity.items() if name != "state_class"}

    percent, celsius = {"unit_of_measurement": "%"}, {"unit_of_measurement": "°C", "device_class": "temperature"}
    few = "value_json.windows.few_people"
    looked = f"({few} + value_json.windows.scored)"
    demand = "(value_json.load.demand * 100) | round if value_json.load.demand is not none else none"
    suppressed = f"(100 * {few} / {looked}) | round if {looked} else none"
    components = {
        "valence": expression("valence", "mdi:emoticon-outline"),
        "arousal": expression("arousal", "mdi:pulse"),
        "visits": of_window("visits", "Visits (not unique visitors)", "mdi:walk"),
        "unscored_visits": of_window("unscored_visits", "Visits without a score", "mdi:walk"),
        "scored_s": of_window("scored_s", "Face-seconds scored", "mdi:timer-outline", unit_of_measurement="s"),
        "connected": {
            "platform": "binary_sensor",
            "unique_id": f"{identity}_connected",
            "name": "Connected",
            "state_topic": origin.topic("status"),
            "value_template": "{{ 'ON' if value_json.state == 'online' else 'OFF' }}",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "availability": [],  # not the shared one, which would make it unavailable instead of off
        },
        "temperature": of_health("temperature", "Board temperature", "value_json.board.temperature_c", **celsius),
        "throttled": problem("throttled", "Processor held back"),
        "under_voltage": problem("under_voltage", "Power supply too weak"),
        "demand": of_health("demand", "Load", demand, **percent),
        "waiting": of_health("waiting", "Windows waiting for the broker", "value_json.delivery.waiting"),
        "suppressed": of_health("suppressed", "Windows with too few visits for scores", suppressed, **percent),
    }
    return {
        "device": {
            "identifiers": [identity],
            "name": f"affect-edge {origin.site} {origin.device}",
            "manufacturer": "affect-edge",
            "model": f"{origin.model.name} {origin.model.version}",
            "sw_version": VERSION,
        },
        "origin": {"name": "affect-edge", "sw_version": VERSION},
        # Available again with the first report, not with the session, so that no older value comes back.
        "availability": [
            {"topic": origin.topic("status"), "value_template": "{{ 'offline' if value_json.state == 'offline' }}"},
            {"topic": origin.topic("health"), "value_template": "{{ 'online' }}"},
        ],
        "availability_mode": "latest",
        "components": components,
        "qos": 1,
    }


def _identity(origin: Origin) -> str:
    """Unique, since `_` cannot be part of a site or device."""
    return f"affect_{origin.site}_{origin.device}"
