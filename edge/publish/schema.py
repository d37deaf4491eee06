"""JSON Schema and AsyncAPI documents of the contract, generated from the payload structs.

`python -m edge.publish.schema docs/mqtt` writes them; a test fails when the written ones differ. They carry the
contract's version, not the release's, so they change only when the contract does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from edge.publish.example import example_health, example_statuses, example_windows
from edge.publish.payload import MAX_BYTES, VERSION, HealthPayload, StatusPayload, WindowPayload, encode

KINDS = {"window": WindowPayload, "status": StatusPayload, "health": HealthPayload}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DELIVERY = {"window": (1, False), "status": (1, True), "health": (0, False)}
_SCORES = ("valence", "arousal", "quadrants")
_HEAD = "| field | type | always there | meaning |\n|---|---|---|---|\n"
_TOPIC_PART = "{name}, `[a-z0-9-]{{1,32}}`, as configured on the device."


def documents() -> dict[str, str]:
    """Every generated document: its text by file name."""
    texts = {f"{kind}.schema.json": json_schema(kind) for kind in KINDS}
    texts["asyncapi.json"] = asyncapi()
    written = {name: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for name, value in texts.items()}
    return written | {"fields.md": field_tables()}


def json_schema(kind: str) -> dict[str, Any]:
    """JSON Schema 2020-12 of `window`, `status` or `health`; unknown fields are allowed, since fields are added."""
    schema = msgspec.json.schema(KINDS[kind])
    _add_rule(schema["$defs"])
    head = {
        "$schema": _DIALECT,
        "$id": f"urn:affect-edge:mqtt:v{VERSION}:{kind}",
        "title": f"affect/v{VERSION}/{kind}",
        "examples": [json.loads(text) for text in examples()[kind]],
    }
    return head | schema


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0 description of the three topics, as the device sends them."""
    _, schemas = msgspec.json.schema_components(tuple(KINDS.values()), ref_template="#/components/schemas/{name}")
    _add_rule(schemas)
    channels, operations, messages = {}, {}, {}
    for kind, payload in KINDS.items():
        qos, retain = _DELIVERY[kind]
        messages[kind] = {
            "name": kind,
            "title": f"affect/v{VERSION}/{kind}",
            "summary": (payload.__doc__ or "").strip(),
            "contentType": "application/json",
            "payload": {"$ref": f"#/components/schemas/{payload.__name__}"},
            "examples": [{"payload": json.loads(text)} for text in examples()[kind]],
        }
        channels[kind] = {
            "address": f"affect/v{VERSION}/{{site}}/{{device}}/{kind}",
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
            "version": f"{VERSION}.0.0",
            "description": "What a device publishes: aggregated windows, its status and its health. Within version "
            f"{VERSION} fields are only ever added; a message is at most {MAX_BYTES} bytes. An expression is not a "
            "feeling, and visits are not unique visitors.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def field_tables() -> str:
    """Every field in words, as Markdown."""
    parts = ["# Fields of the messages\n\nGenerated from the payload structs; see [the contract](../mqtt.md).\n"]
    for kind in KINDS:
        for name, struct in json_schema(kind)["$defs"].items():
            title = f"affect/v{VERSION}/{kind}" if name == KINDS[kind].__name__ else f"In {kind}: {name}"
            rows = []
            for field, rule in struct["properties"].items():
                always = "yes" if field in struct["required"] else "no"
                rows.append(f"| `{field}` | {_shape(rule)} | {always} | {rule['description']} |")
            parts.append(f"\n## {title}\n\n{struct['description']}\n\n{_HEAD}" + "\n".join(rows) + "\n")
    return "".join(parts)


def _shape(rule: dict[str, Any]) -> str:
    """The type of one field in a word or two."""
    if "anyOf" in rule:
        return " or ".join(_shape(choice) for choice in rule["anyOf"])
    if "$ref" in rule:
        return str(rule["$ref"]).rpartition("/")[2]
    if "enum" in rule:
        return " or ".join(f"`{value}`" for value in rule["enum"])
    return "time" if rule.get("format") == "date-time" else str(rule["type"])


def examples() -> dict[str, list[str]]:
    """Messages as a device sends them, by kind."""
    return {
        "window": [encode(window).decode() for window in example_windows()],
        "status": [encode(status).decode() for status in example_statuses()],
        "health": [encode(example_health()).decode()],
    }


def _add_rule(schemas: dict[str, Any]) -> None:
    """Adds what a type cannot say: the scores are there exactly when `suppressed` is null."""
    if "WindowPayload" in schemas:
        schemas["WindowPayload"] |= {
            "if": {"properties": {"suppressed": {"type": "null"}}},
            "then": {"properties": {name: {"type": "object"} for name in _SCORES}},
            "else": {"properties": {name: {"type": "null"} for name in _SCORES}},
        }


def main(folder: Path) -> None:
    """Writes all documents into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m edge.publish.schema FOLDER")
    main(Path(sys.argv[1]))
