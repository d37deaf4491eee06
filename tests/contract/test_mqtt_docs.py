"""The written contract is the one that the code keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import jsonschema
import pytest
from msgspec import Meta

from edge import contract
from edge.contract.fields import Count
from scripts import mqtt_docs

DOCS = Path(__file__).parents[2] / "docs"
WRITTEN = DOCS / "mqtt"


def _validator(kind: str) -> jsonschema.Draft202012Validator:
    loaded = json.loads((WRITTEN / f"{kind}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(loaded)
    return jsonschema.Draft202012Validator(loaded)


def test_the_written_documents_are_the_generated_ones():
    written = {path.name: path.read_text() for path in WRITTEN.iterdir()}
    assert written == mqtt_docs.documents(), "run: make docs-schema"


class FanBoard(contract.Board, frozen=True, kw_only=True):
    """A board with a number that nobody wrote down."""

    fan_rpm: Annotated[Count | None, Meta(description="Turns of the fan in a minute.")] = None


class Grown(contract.Health, frozen=True, kw_only=True):
    """Health with that board."""

    board: Annotated[FanBoard, Meta(description="What the board tells about itself.")]


def test_a_number_that_is_added_to_the_contract_is_in_every_document_without_further_code(monkeypatch):
    monkeypatch.setitem(contract.KINDS, "health", Grown)
    texts = mqtt_docs.documents()
    assert "| `fan_rpm` | integer or null | yes | Turns of the fan in a minute. |" in texts["fields.md"]
    board = json.loads(texts["health.schema.json"])["$defs"]["FanBoard"]
    assert board["properties"]["fan_rpm"]["title"] == "Fan rpm"
    assert "fan_rpm" in board["required"]
    assert "fan_rpm" in json.loads(texts["asyncapi.json"])["components"]["schemas"]["FanBoard"]["properties"]


def test_documents_are_the_same_text_every_time(tmp_path):
    mqtt_docs.main(tmp_path / "once")
    mqtt_docs.main(tmp_path / "twice")
    for path in (tmp_path / "once").iterdir():
        assert path.read_bytes() == (tmp_path / "twice" / path.name).read_bytes()


@pytest.mark.parametrize("kind", contract.KINDS)
def test_what_a_device_sends_is_valid(kind):
    for message in mqtt_docs.examples(kind):
        _validator(kind).validate(message)


@pytest.mark.parametrize("kind", contract.KINDS)
def test_a_later_release_may_add_fields(kind):
    for message in mqtt_docs.examples(kind):
        _validator(kind).validate(message | {"weather": "rain"})


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "affect/v2/window"},
        {"valence": {"mean": 2, "std": 0}},
        {"valence": None},
        {"suppressed": "few_people"},
        {"visits": -1},
        {"visits": 1.5},
        {"device": "Door"},
        {"id": "1"},
        {"tags": {"Zone": "x"}},
        {"tags": {f"key{i}": "x" for i in range(5)}},
    ],
)
def test_the_schema_refuses_what_the_code_never_sends(change):
    window = mqtt_docs.examples("window")[0] | change
    assert not _validator("window").is_valid(window)


def test_every_window_field_is_required():
    window = mqtt_docs.examples("window")[0]
    for field in window:
        assert not _validator("window").is_valid({key: value for key, value in window.items() if key != field}), field


@pytest.mark.parametrize("kind", ["window", "status", "health"])
def test_every_struct_and_every_property_has_a_title_and_says_what_it_means(kind):
    for name, struct in mqtt_docs.json_schema(kind)["$defs"].items():
        assert struct["title"] == name
        assert struct["description"]
        for field, rule in struct["properties"].items():
            assert rule["title"], f"{name}.{field}"
            assert rule["description"], f"{name}.{field}"


def test_code_generators_find_nothing_to_stumble_over():
    """AsyncAPI's Modelina 5.10 names an enumeration by its title, and once took `quadrants` for another `anyOf`."""
    document = (WRITTEN / "asyncapi.json").read_text()
    assert "anyOf" not in document
    titles: dict[str, list[str]] = {}

    def collect(part):
        if isinstance(part, dict) and "enum" in part:
            assert None not in part["enum"]
            assert titles.setdefault(part["title"], part["enum"]) == part["enum"]
        if isinstance(part, (dict, list)):
            for inner in part.values() if isinstance(part, dict) else part:
                collect(inner)

    collect(json.loads(document)["components"]["schemas"])
    assert titles.keys() >= {"Clock", "Suppressed", "Level", "Model state", "Window schema"}


def test_the_asyncapi_document_says_where_the_broker_is_and_how_one_logs_in():
    document = json.loads((WRITTEN / "asyncapi.json").read_text())
    assert {name: server["protocol"] for name, server in document["servers"].items()} == {
        "tls": "mqtts",
        "plain": "mqtt",
    }
    assert {name: scheme["type"] for name, scheme in document["components"]["securitySchemes"].items()} == {
        "password": "userPassword",
        "certificate": "X509",
    }


def test_the_asyncapi_document_holds_together():
    """Its structure and every reference; checked once (2026-11) with AsyncAPI's own parser, without errors."""
    document = json.loads((WRITTEN / "asyncapi.json").read_text())
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= document["info"].keys()
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        target = document
        for part in reference.split("/"):
            assert part in target, reference
            target = target[part]
    for kind in contract.KINDS:
        channel = document["channels"][kind]
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"])
        operation = document["operations"][f"send{kind.capitalize()}"]
        assert operation["action"] == "send"
        assert operation["channel"]["$ref"] == f"#/channels/{kind}"
        payload = document["components"]["messages"][kind]["payload"]
        checked = jsonschema.Draft7Validator(document | payload)
        for example in document["components"]["messages"][kind]["examples"]:
            checked.validate(example["payload"])


def test_the_asyncapi_document_says_how_messages_are_delivered():
    operations = json.loads((WRITTEN / "asyncapi.json").read_text())["operations"]
    delivered = {
        name: (o["bindings"]["mqtt"]["qos"], o["bindings"]["mqtt"]["retain"]) for name, o in operations.items()
    }
    assert delivered == {"sendWindow": (1, False), "sendStatus": (1, True), "sendHealth": (0, False)}


def test_the_page_shows_a_message_that_a_device_would_send():
    blocks = re.findall(r"```json\n(.*?)```", (DOCS / "mqtt.md").read_text(), re.DOTALL)
    assert [json.loads(block) for block in blocks] == [mqtt_docs.examples("window")[0]]


def test_the_page_explains_every_field_of_a_window():
    text = (DOCS / "mqtt.md").read_text()
    for field in contract.Window.__struct_fields__:
        assert f"`{field}`" in text, field
