"""Messages from any hand: whatever the bytes are, they are a message of the contract or a ValueError.

See `conftest.py` for the deep run.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.contract import KINDS, Health, Status, Window, decode, encode
from scripts.mqtt_examples import EXAMPLES

fuzz = settings.get_profile("fuzz")
MESSAGES = [encode(message) for messages in EXAMPLES.values() for message in messages]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=10,
)


def read(data: bytes, kind: Any) -> None:
    try:
        message = decode(data, kind)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - the other outcome is a value
        return
    assert decode(encode(message), kind) == message


@fuzz
@given(st.sampled_from(list(KINDS.values())), st.binary(max_size=300) | JSON.map(msgspec.json.encode))
@example(Window, b"[" * 100_000)
@example(Window, b'{"schema":' + b"[" * 100_000)
@example(Window, b'{"unknown":' + b'{"a":' * 100_000)
@example(Status, b"\xff\xfe")
@example(Health, b'{"uptime_s": 1e999}')
def test_any_bytes_are_a_message_or_a_value_error(kind: Any, data: bytes) -> None:
    read(data, kind)


@settings(fuzz, max_examples=fuzz.max_examples * 4)
@given(st.sampled_from(MESSAGES), st.sampled_from(list(KINDS.values())), st.data())
def test_a_message_with_a_piece_exchanged(whole: bytes, kind: Any, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole)))
    read(whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + data.draw(st.integers(0, 8)) :], kind)
