"""What is in a message: decoded by its own struct, encoded again, and each value judged by its type.

Knows no field by name. What is added to the structs of `edge.contract` is judged by the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import inspect

from benchmarks.egress.vocabulary import Vocabulary
from edge.contract import KINDS

_ROUNDED = re.compile(r"rounded to (0\.0*1|1)\b")
_DIGITS = 2  # of a number whose description does not say how it is rounded
_LARGEST = 10**15


class PayloadReader:
    """Judges messages.

    Args:
        vocabulary: what may stand in a text.
        epoch: of the outbox; the one random text that a window has.

    Attributes:
        numbers: how many have been judged, in all messages together.
    """

    def __init__(self, vocabulary: Vocabulary, epoch: str) -> None:
        self._vocabulary = vocabulary
        self._epoch = epoch
        self.numbers = 0

    def problems(self, topic: str, data: bytes) -> list[str]:
        """What is wrong with a message; empty when nothing is."""
        kind = KINDS.get(kind_of(topic))
        if kind is None:
            return ["a topic that no struct of the contract belongs to"]
        try:
            value = msgspec.json.decode(data, type=kind)
        except msgspec.MsgspecError as error:
            return [re.sub(r"`[^`]*`", "…", str(error))[:120]]
        if msgspec.json.encode(value) != data:
            return [f"something beside the fields of {kind.__name__}"]
        return list(self._judge("", value, inspect.type_info(kind), ""))

    def knows(self, text: str) -> bool:
        """Whether a text is configured or one of the program's own."""
        return self._vocabulary.knows(text)

    def _judge(self, path: str, value: Any, info: inspect.Type, said: str) -> Iterator[str]:
        info, said = _choose(info, value, said)
        self.numbers += isinstance(value, int | float) and not isinstance(value, bool)
        if value is None or value is msgspec.UNSET or isinstance(value, bool):
            return
        if isinstance(value, msgspec.Struct):
            for field in info.fields if isinstance(info, inspect.StructType) else ():
                yield from self._judge(f"{path}.{field.name}", getattr(value, field.name), field.type, said)
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield from self._text(f"a key of {path}", key)
                kind = info.value_type if isinstance(info, inspect.DictType) else info
                yield from self._judge(
                    f"{path}.{key}" if self._vocabulary.knows(key) else f"{path}.…", inner, kind, said
                )
        elif isinstance(value, list | tuple):
            kind = info.item_type if isinstance(info, inspect.ListType) else inspect.AnyType()
            for inner in value:
                yield from self._judge(f"{path}[]", inner, kind, said)
        elif isinstance(value, str):
            yield from self._text(path, value)
        elif isinstance(value, datetime):
            if value.utcoffset() != timedelta(0) or value.microsecond % 1000:
                yield f"{path}: a time that is not UTC in whole milliseconds"
        elif isinstance(value, float):
            found = _ROUNDED.findall(said)
            digits = len(found[-1].partition(".")[2]) if found else _DIGITS
            if round(value, digits) != value:
                yield f"{path}: a number with more than {digits} decimals"
        elif not isinstance(value, int) or abs(value) > _LARGEST:
            yield f"{path}: a value of a kind that no message has"

    def _text(self, path: str, text: str) -> Iterator[str]:
        """A text is known as a whole, or it is the epoch, or an id: known words and numbers around the epoch."""
        parts = text.split("/")
        of_epoch = self._epoch in parts and all(
            part == self._epoch or self._vocabulary.knows(part, numbers=True, depth=0) for part in parts
        )
        if not of_epoch and not self._vocabulary.knows(text):
            yield f"{path}: a text that is neither configured nor one of the program's own, {len(text)} characters"


def kind_of(topic: str) -> str:
    """What a topic carries: its last part, if the contract has it, else `other`."""
    last = topic.rpartition("/")[2]
    return last if last in KINDS and topic.startswith("affect/") else "other"


def _choose(info: inspect.Type, value: Any, said: str) -> tuple[inspect.Type, str]:
    """Takes off descriptions, which are kept, and of several types the one that the value has."""
    while isinstance(info, inspect.Metadata | inspect.UnionType):
        if isinstance(info, inspect.Metadata):
            said += str((info.extra_json_schema or {}).get("description", ""))
            info = info.type
            continue
        choices = [_choose(choice, value, said) for choice in info.types]
        fitting = [choice for choice in choices if getattr(choice[0], "cls", None) is type(value)]
        plain = [choice for choice in choices if not isinstance(choice[0], inspect.NoneType)]
        info, said = (fitting or plain or choices)[0]
    return info, said
