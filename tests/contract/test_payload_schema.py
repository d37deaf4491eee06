"""The written contract is the one that the code keeps."""

import json
import re
from pathlib import Path
from typing import Annotated

import jsonschema
import pytest
from msgspec import Meta

from edge.publish import schema
from edge.publish.example import example_health, example_statuses, example_windows
from edge.publish.payload import WindowPayload, encode

DOCS = Path(__file__).parents[2] / "docs"
WRITTEN = DOCS / "mqtt"


def _validator(kind: str) -> jsonschema.Draft202012Validator:
    loaded = json.loads((WRITTEN / f"{kind}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(loaded)
    return jsonschema.Draft202012Validator(loaded)


def test_the_written_documents_are_the_generated_ones():
    written = {path.name: path.read_text() for path in WRITTEN.iterdir()}
    assert written == schema.documents(), "run: python -m edge.publish.schema docs/mqtt"


def test_a_changed_field_would_be_noticed(monkeypatch):
    class Grown(WindowPayload, frozen=True, kw_only=True):
        """A window with a field that nobody wrote down."""

        weather: Annotated[str, Meta(description="Rain or shine.")] = ""

    monkeypatch.setitem(schema.KINDS, "window", Grown)
    assert schema.documents()["window.schema.json"] != (WRITTEN / "window.schema.json").read_text()


def test_documents_are_the_same_text_every_time(tmp_path):
    schema.main(tmp_path / "once")
    schema.main(tmp_path / "twice")
    for path in (tmp_path / "once").iterdir():
        assert path.read_bytes() == (tmp_path / "twice" / path.name).read_bytes()


@pytest.mark.parametrize("kind", schema.KINDS)
def test_what_a_device_sends_is_valid(kind):
    messages = {"window": example_windows(), "status": example_statuses(), "health": [example_health()]}[kind]
    for message in messages:
        _validator(kind).validate(json.loads(encode(message)))


@pytest.mark.parametrize("kind", schema.KINDS)
def test_a_later_release_may_add_fields(kind):
    for text in schema.examples()[kind]:
        _validator(kind).validate(json.loads(text) | {"weather": "rain"})


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "affect/v2/window"},
        {"valence": {"mean": 2, "std": 0}},
        {"valence": None},
        {"suppressed": "min_visits"},
        {"visits": -1},
        {"visits": 1.5},
        {"device": "Door"},
        {"id": "1"},
        {"tags": {"Zone": "x"}},
        {"tags": {f"key{i}": "x" for i in range(5)}},
    ],
)
def test_the_schema_refuses_what_the_code_never_sends(change):
    window = json.loads(schema.examples()["window"][0]) | change
    assert not _validator("window").is_valid(window)


def test_every_window_field_is_required():
    window = json.loads(schema.examples()["window"][0])
    for field in window:
        assert not _validator("window").is_valid({key: value for key, value in window.items() if key != field}), field


def test_the_asyncapi_document_holds_together():
    """Its structure and every reference; checked once (2026-11) against AsyncAPI's own 3.0.0 schema, without errors."""
    document = json.loads((WRITTEN / "asyncapi.json").read_text())
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= document["info"].keys()
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        target = document
        for part in reference.split("/"):
            assert part in target, reference
            target = target[part]
    for kind in schema.KINDS:
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
    assert [json.loads(block) for block in blocks] == [json.loads(schema.examples()["window"][0])]


def test_the_page_explains_every_field_of_a_window():
    text = (DOCS / "mqtt.md").read_text()
    for field in WindowPayload.__struct_fields__:
        assert f"`{field}`" in text, field
