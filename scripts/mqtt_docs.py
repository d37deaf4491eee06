"""Writes docs/mqtt from the contract's structs: JSON Schemas, the AsyncAPI document, and every field in words.

A test fails when the written ones differ. They carry the contract's version, not the release's, so they change only
when the contract does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from edge import contract  # noqa: E402  (the checkout this script lies in, not another installation)
from edge.publish.prometheus import Collector  # noqa: E402
from scripts.mqtt_examples import EXAMPLES, HEALTH  # noqa: E402

TARGET = ROOT / "docs" / "mqtt"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DELIVERY = {"window": (1, False), "status": (1, True), "health": (0, False)}
_SCORES = ("valence", "arousal", "quadrants")
_HEAD = "| field | type | always there | meaning |\n|---|---|---|---|\n"
_EVERYWHERE = ("site", "device")
_TOPIC_PART = "{name}, `[a-z0-9-]{{1,32}}`, as configured on the device."
_SERVER = {
    "host": "{host}:{port}",
    "protocol": "mqtt",
    "protocolVersion": "5.0",
    "description": "The broker that the device's configuration names in `[mqtt]`.",
    "variables": {"host": {"description": "`mqtt.host`"}, "port": {"description": "`mqtt.port`", "default": "1883"}},
    "security": [{"$ref": "#/components/securitySchemes/password"}],
}
_SECURE_SERVER = _SERVER | {
    "protocol": "mqtts",
    "description": "The same over TLS (`mqtt.tls = true`), 1.2 or later; certificate and host name are checked.",
    "variables": {"host": {"description": "`mqtt.host`"}, "port": {"description": "`mqtt.port`", "default": "8883"}},
    "security": [
        {"$ref": "#/components/securitySchemes/password"},
        {"$ref": "#/components/securitySchemes/certificate"},
    ],
}
_SECURITY = {
    "password": {"type": "userPassword", "description": "One user a device; `mqtt.username`, `mqtt.password_file`."},
    "certificate": {"type": "X509", "description": "A client certificate; `mqtt.cert_file`, `mqtt.key_file`."},
}


def documents() -> dict[str, str]:
    """Every generated document: its text by file name."""
    texts: dict[str, Any] = {f"{kind}.schema.json": json_schema(kind) for kind in contract.KINDS}
    texts["asyncapi.json"] = asyncapi()
    written = {name: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for name, value in texts.items()}
    return written | {"fields.md": field_tables(), "metrics.md": metrics_table()}


def examples(kind: str) -> list[Any]:
    """Messages of a kind as a device sends them, decoded from their own JSON."""
    return [json.loads(contract.encode(message)) for message in EXAMPLES[kind]]


def json_schema(kind: str) -> dict[str, Any]:
    """JSON Schema 2020-12 of `window`, `status` or `health`; unknown fields are allowed, since fields are added."""
    struct = contract.KINDS[kind]
    (reference,), schemas = msgspec.json.schema_components((struct,), ref_template="#/$defs/{name}")
    _finish(schemas)
    if kind == "window":  # what a type cannot say: the scores are there exactly when `suppressed` is null
        schemas[struct.__name__] |= {
            "if": {"properties": {"suppressed": {"type": "null"}}},
            "then": {"properties": {name: {"type": "object"} for name in _SCORES}},
            "else": {"properties": {name: {"type": "null"} for name in _SCORES}},
        }
    head = {
        "$schema": _DIALECT,
        "$id": f"urn:affect-edge:mqtt:v{contract.VERSION}:{kind}",
        "title": f"affect/v{contract.VERSION}/{kind}",
        "examples": examples(kind),
    }
    return head | reference | {"$defs": schemas}


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0 description of the three topics, as the device sends them."""
    template = "#/components/schemas/{name}"
    _, schemas = msgspec.json.schema_components(tuple(contract.KINDS.values()), ref_template=template)
    _finish(schemas)
    channels, operations, messages = {}, {}, {}
    for kind, struct in contract.KINDS.items():
        qos, retain = _DELIVERY[kind]
        messages[kind] = {
            "name": kind,
            "title": f"affect/v{contract.VERSION}/{kind}",
            "summary": schemas[struct.__name__]["description"],
            "contentType": "application/json",
            "payload": {"$ref": template.format(name=struct.__name__)},
            "examples": [{"payload": payload} for payload in examples(kind)],
        }
        channels[kind] = {
            "address": f"affect/v{contract.VERSION}/{{site}}/{{device}}/{kind}",
            "messages": {kind: {"$ref": f"#/components/messages/{kind}"}},
            "parameters": {
                "site": {"description": _TOPIC_PART.format(name="The place")},
                "device": {"description": _TOPIC_PART.format(name="The device")},
            },
        }
        operations[f"send{kind.capitalize()}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{kind}"},
            "messages": [{"$ref": f"#/channels/{kind}/messages/{kind}"}],
            "bindings": {"mqtt": {"qos": qos, "retain": retain, "bindingVersion": "0.2.0"}},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "affect-edge over MQTT",
            "version": f"{contract.VERSION}.0.0",
            "description": "What a device publishes: aggregated windows, its status and its health. Within version "
            f"{contract.VERSION} fields are only ever added; a message is at most {contract.MAX_BYTES} bytes. "
            "An expression is not a feeling, and visits are not unique visitors.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"tls": _SECURE_SERVER, "plain": _SERVER},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas, "securitySchemes": _SECURITY},
    }


def field_tables() -> str:
    """Every field in words, as Markdown."""
    parts = ["# Fields of the messages\n\nGenerated from the contract's structs; see [the contract](../mqtt.md).\n"]
    told: set[str] = set()
    for kind, kind_struct in contract.KINDS.items():
        for name, struct in json_schema(kind)["$defs"].items():
            if name in told:
                continue
            told.add(name)
            title = f"affect/v{contract.VERSION}/{kind}" if name == kind_struct.__name__ else f"In {kind}: {name}"
            rows = []
            for field, rule in struct["properties"].items():
                always = "yes" if field in struct["required"] else "no"
                rows.append(f"| `{field}` | {_shape(rule)} | {always} | {rule['description']} |")
            parts.append(f"\n## {title}\n\n{struct['description']}\n\n{_HEAD}" + "\n".join(rows) + "\n")
    return "".join(parts)


def metrics_table() -> str:
    """Every Prometheus metric, as Markdown."""
    rows = []
    for family in Collector(lambda: HEALTH).collect():
        (name,) = {sample.name for sample in family.samples} or {family.name}
        labels = {label: None for sample in family.samples for label in sample.labels if label not in _EVERYWHERE}
        values = {name: sorted({sample.labels[name] for sample in family.samples}) for name in labels}
        told = "; ".join(
            f"`{label}`" + (f": {', '.join(values[label])}" if len(values[label]) > 1 else "") for label in labels
        )
        rows.append(f"| `{name}` | {family.type} | {told} | {family.documentation} |")
    return (
        "# Prometheus metrics\n\nGenerated from the contract's structs; see [Prometheus](../mqtt.md#prometheus). Every "
        "sample also has the labels `site` and `device`.\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def _shape(rule: dict[str, Any]) -> str:
    """The type of one field in a word or two."""
    if "oneOf" in rule:
        return " or ".join(_shape(choice) for choice in rule["oneOf"])
    if "$ref" in rule:
        return str(rule["$ref"]).rpartition("/")[2]
    if "enum" in rule:
        return " or ".join("null" if value is None else f"`{value}`" for value in rule["enum"])
    if rule.get("format") == "date-time":
        return "time"
    return " or ".join(rule["type"]) if isinstance(rule["type"], list) else str(rule["type"])


def _finish(schemas: dict[str, Any]) -> None:
    """Gives every property a title, and says "or null" in ways that code generators understand."""
    for struct, schema in schemas.items():
        rules = schema["properties"]
        # A field with a default is always sent, save one that may be absent, which has no default of its own.
        schema["required"] = [name for name in rules if name in schema["required"] or "default" in rules[name]]
        for name, rule in rules.items():
            title = f"{struct} schema" if name == "schema" else name.replace("_", " ").capitalize()
            rules[name] = _readable(rule, title)


def _readable(rule: dict[str, Any], title: str) -> dict[str, Any]:
    """One property. Generators name an enumeration by its title, and take `anyOf` with null for something else."""
    about = {"title": title, "description": rule["description"]}
    rest = {key: value for key, value in rule.items() if key not in ("description", "default", "anyOf")}
    if "anyOf" not in rule:
        return about | ({"type": "string"} if "enum" in rule else {}) | rest
    (choice,) = (choice for choice in rule["anyOf"] if choice != {"type": "null"})
    if "enum" in choice:
        choice = {"title": title, "type": "string"} | choice
    if "enum" in choice or "$ref" in choice:
        return about | {"oneOf": [choice, {"type": "null"}]}
    return about | choice | {"type": [choice["type"], "null"]}


def main(folder: Path) -> None:
    """Writes all documents into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(TARGET)
