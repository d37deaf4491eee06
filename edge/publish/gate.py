"""The privacy gate: checks each message before it leaves, and lets only the contract's pass.

It is called in both calls of paho that publish; each session tests that before it connects.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from edge.contract import KINDS, MAX_BYTES, Health, Origin, Status, Window, decode, encode
from edge.version import VERSION, commit


class GateError(ValueError):
    """A message must not leave. Says which rule it breaks, never its content."""


def words_of(value: object) -> Iterator[str]:
    """All texts in a struct, keys of its dictionaries included."""
    return (part for part in _parts(value) if isinstance(part, str))


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _parts(getattr(value, name))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _parts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _parts(inner)
    else:
        yield value


def enumerated(schema: Any) -> Iterator[str]:
    """A JSON schema's enumerated values and field names."""
    if isinstance(schema, dict):
        yield from schema.get("enum", ())
        yield from schema.get("properties", ())
        schema = list(schema.values())
    for inner in schema if isinstance(schema, list) else ():
        yield from enumerated(inner)


_CONTRACT = frozenset(word for kind in KINDS.values() for word in enumerated(msgspec.json.schema(kind)))


class Gate:
    """Lets a device's own messages pass.

    Args:
        origin: whose messages; None if only `fixed` may pass.
        words: other texts in windows: epochs, and origins of earlier runs. Read at each check.
        fixed: payloads by topic: only these bytes pass there.
    """

    def __init__(self, origin: Origin | None, words: Collection[str] = (), fixed: Mapping[str, bytes] | None = None):
        self._origin, self._words, self._fixed = origin, words, dict(fixed or {})
        self._own = _CONTRACT | {VERSION, commit(), *words_of(origin)}

    def check(self, topic: str, payload: bytes) -> Window | Status | Health | None:
        """Returns the message decoded, or None for a fixed one.

        Raises:
            GateError: topic, form, a text or a number is none that this device sends.
        """
        if topic in self._fixed:
            if payload != self._fixed[topic]:
                raise GateError("other bytes than the ones configured for its topic")
            return None
        name = topic.rpartition("/")[2]
        if self._origin is None or name not in KINDS:
            raise GateError("a topic that is none of this device's")
        if not isinstance(payload, bytes) or len(payload) > MAX_BYTES:
            raise GateError(f"a payload that is longer than {MAX_BYTES} bytes or no bytes at all")
        try:
            message: Window | Status | Health = decode(payload, KINDS[name])  # type: ignore[type-var]
            if encode(message) != payload:
                raise GateError("something beside the contract's fields")
        except ValueError as error:
            raise error if isinstance(error, GateError) else GateError(f"not a {name} of the contract") from None
        own_id, own_topic = None, self._origin.topic(name)
        if isinstance(message, Window):  # it may be from a run under another name
            own_id = f"{message.device}/{message.epoch}/{message.seq}"
            own_topic = f"affect/v1/{message.site}/{message.device}/{name}"
        if topic != own_topic:
            raise GateError("a topic that is none of this device's")
        self.check_values(message, own_id)
        return message

    def check_values(self, message: msgspec.Struct, own_id: str | None = None) -> None:
        """Raises GateError for a text that is none of this device's, or a number with too many decimals."""
        for part in _parts(message):
            if not self._known(part) and part != own_id:
                raise GateError(f"a value of type {type(part).__name__} that this device does not send")

    def _known(self, part: object) -> bool:
        if isinstance(part, str):
            return part in self._own or part in self._words
        if isinstance(part, float):
            return round(part, 2) == part  # finer decimals could hide data
        if isinstance(part, datetime):
            return part.utcoffset() == timedelta(0) and part.microsecond % 1000 == 0
        return part is None or part is msgspec.UNSET or isinstance(part, int)
