"""Home Assistant's device discovery: one retained message that tells it how to read the contract's own topics.

Owns its form and its words. Everything in it comes from the configuration and from here; it holds no value that was
ever measured. Format: home-assistant.io/integrations/mqtt, "Device discovery payload", read 2026-11; Home Assistant
2024.12 and later know it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from edge.config import HomeAssistantConfig
from edge.publish.message import Origin
from edge.release import VERSION
from edge.values import Message

MAX_DISCOVERY_BYTES = 8192  # its own limit, since it describes a dozen entities; the longest names make it 6.5 KB
_STALE = 3  # a value is out of date when so many of its messages did not come
_HEALTH_S = 60
_NOTE = "How faces look, as a mean over visits. An expression is not a feeling, and nothing here is about one person."


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class DeviceEntry(_Part, frozen=True, kw_only=True):
    """What Home Assistant shows as the device."""

    identifiers: list[str]
    name: str
    manufacturer: str
    model: str
    sw_version: str


class OriginEntry(_Part, frozen=True, kw_only=True):
    """Which software sends the message; required by Home Assistant."""

    name: str
    sw_version: str


class Availability(_Part, frozen=True, kw_only=True):
    """Where it is told whether the device is connected."""

    topic: str
    value_template: str


class Component(_Part, frozen=True, kw_only=True):
    """One entity: where its value comes from and how it is shown."""

    platform: Literal["sensor", "binary_sensor"]
    unique_id: str
    name: str
    state_topic: str
    value_template: str
    expire_after: int | None = None
    device_class: Literal["temperature", "connectivity", "problem", "duration"] | None = None
    state_class: Literal["measurement", "total_increasing"] | None = None
    unit_of_measurement: str | None = None
    suggested_display_precision: int | None = None
    entity_category: Literal["diagnostic"] | None = None
    icon: str | None = None
    json_attributes_topic: str | None = None
    json_attributes_template: str | None = None
    availability: list[Availability] | None = None


class DiscoveryPayload(_Part, frozen=True, kw_only=True):
    """The whole message."""

    device: DeviceEntry
    origin: OriginEntry
    availability: list[Availability]
    components: dict[str, Component]
    qos: int


def discovery_message(config: HomeAssistantConfig, origin: Origin, *, window_s: int) -> Message | None:
    """The message that a configuration wants: the device, an empty one that makes it forgotten, or none.

    Raises:
        ValueError: it is larger than `MAX_DISCOVERY_BYTES`.
    """
    if config.discovery == "off":
        return None
    topic = f"{config.prefix}/device/{_identity(origin)}/config"
    payload = b"" if config.discovery == "remove" else encode_discovery(discovery_payload(origin, window_s=window_s))
    return Message(topic=topic, payload=payload, qos=1, retain=True)


def discovery_payload(origin: Origin, *, window_s: int) -> DiscoveryPayload:
    """The device as Home Assistant is told of it.

    Args:
        origin: whose topics are read.
        window_s: how often a window comes, seconds.
    """
    entities = _Entities(origin, window_s)
    return DiscoveryPayload(
        device=DeviceEntry(
            identifiers=[_identity(origin)],
            name=f"affect-edge {origin.site} {origin.device}",
            manufacturer="affect-edge",
            model=f"{origin.model.name} {origin.model.version}",
            sw_version=VERSION,
        ),
        origin=OriginEntry(name="affect-edge", sw_version=VERSION),
        availability=[Availability(topic=origin.topic("status"), value_template="{{ value_json.state }}")],
        components=entities.all(),
        qos=1,
    )


def encode_discovery(payload: DiscoveryPayload) -> bytes:
    """The payload as JSON.

    Raises:
        ValueError: larger than `MAX_DISCOVERY_BYTES`.
    """
    data = msgspec.json.encode(payload)
    if len(data) > MAX_DISCOVERY_BYTES:
        raise ValueError(f"discovery: {len(data)} bytes, more than {MAX_DISCOVERY_BYTES}")
    return data


def decode_discovery(data: bytes) -> DiscoveryPayload:
    """Reads a payload.

    Raises:
        ValueError: it is none.
    """
    try:
        return msgspec.json.decode(data, type=DiscoveryPayload)
    except msgspec.MsgspecError as error:
        raise ValueError(f"DiscoveryPayload: {error}") from error


def _identity(origin: Origin) -> str:
    """Names the device in Home Assistant; `_` cannot be part of a site or device, so no two share it."""
    return f"affect_{origin.site}_{origin.device}"


class _Entities:
    """Writes the entities of one device."""

    def __init__(self, origin: Origin, window_s: int) -> None:
        self._identity = _identity(origin)
        self._window, self._health, self._status = (origin.topic(kind) for kind in ("window", "health", "status"))
        self._window_s = window_s

    def all(self) -> dict[str, Component]:
        return {
            "valence": self._expression("valence", "Expression valence", "mdi:emoticon-outline"),
            "arousal": self._expression("arousal", "Expression arousal", "mdi:pulse"),
            "visits": self._of_window("visits", "Visits (not unique visitors)", icon="mdi:walk"),
            "unscored_visits": self._of_window("unscored_visits", "Visits without a score", icon="mdi:walk"),
            "scored_s": self._of_window("scored_s", "Face-seconds scored", unit="s", icon="mdi:timer-outline"),
            "connected": Component(
                platform="binary_sensor",
                unique_id=f"{self._identity}_connected",
                name="Connected",
                state_topic=self._status,
                value_template="{{ 'ON' if value_json.state == 'online' else 'OFF' }}",
                device_class="connectivity",
                entity_category="diagnostic",
                availability=[],  # it says `off` itself; the shared one would make it unavailable
            ),
            "temperature": self._of_health(
                "temperature", "Board temperature", "value_json.board.temperature_c", "temperature", unit="°C"
            ),
            "throttled": self._problem("throttled", "Processor held back"),
            "under_voltage": self._problem("under_voltage", "Power supply too weak"),
            "demand": self._of_health(
                "demand",
                "Load",
                "(value_json.load.demand * 100) | round if value_json.load.demand is not none",
                unit="%",
            ),
            "outbox": self._of_health("outbox", "Windows waiting for the broker", "value_json.outbox"),
            "suppressed": self._of_health(
                "suppressed",
                "Windows with too few visits for scores",
                "(value_json.suppressed_share * 100) | round if value_json.suppressed_share is not none",
                unit="%",
            ),
        }

    def _of_window(
        self, key: str, name: str, value: str | None = None, *, unit: str | None = None, icon: str, note: bool = False
    ) -> Component:
        # A window of an outage comes late and must not look like now; an empty result leaves a number as it is.
        template = f"{{% if not value_json.historical %}}{{{{ {value or f'value_json.{key}'} }}}}{{% endif %}}"
        return Component(
            platform="sensor",
            unique_id=f"{self._identity}_{key}",
            name=name,
            state_topic=self._window,
            value_template=template,
            expire_after=_STALE * self._window_s,
            state_class="measurement",  # never a total: visits of two windows do not add up
            unit_of_measurement=unit,
            icon=icon,
            suggested_display_precision=2 if note else None,
            json_attributes_topic=self._window if note else None,
            json_attributes_template=f"{{{{ {{'note': '{_NOTE}'}} | tojson }}}}" if note else None,
        )

    def _expression(self, key: str, name: str, icon: str) -> Component:
        value = f"value_json.{key}.mean if value_json.{key} else none"  # `None` is Home Assistant's word for unknown
        return self._of_window(key, name, value, icon=icon, note=True)

    def _of_health(
        self,
        key: str,
        name: str,
        value: str,
        device_class: Literal["temperature"] | None = None,
        *,
        unit: str | None = None,
    ) -> Component:
        return Component(
            platform="sensor",
            unique_id=f"{self._identity}_{key}",
            name=name,
            state_topic=self._health,
            value_template=f"{{{{ {value} else none }}}}" if " if " in value else f"{{{{ {value} }}}}",
            expire_after=_STALE * _HEALTH_S,
            device_class=device_class,
            state_class="measurement",
            unit_of_measurement=unit,
            entity_category="diagnostic",
        )

    def _problem(self, key: str, name: str) -> Component:
        value = f"value_json.board.{key}"
        return Component(
            platform="binary_sensor",
            unique_id=f"{self._identity}_{key}",
            name=name,
            state_topic=self._health,
            value_template=f"{{{{ none if {value} is none else 'ON' if {value} else 'OFF' }}}}",
            expire_after=_STALE * _HEALTH_S,
            device_class="problem",
            entity_category="diagnostic",
        )
