"""What may stand in the texts that the process writes: messages, lines of the log, metrics.

A message is decoded by the contract, encoded again, and each value judged by what its schema says. The log's templates
are read from the code of `edge`. Metrics have to be as the program's own collector makes them of a complete message.
"""

from __future__ import annotations

import ast
import email.utils
import re
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, generate_latest

import edge
from edge.contract import KINDS, Origin
from edge.publish.gate import words_of
from edge.publish.prometheus import Collector
from edge.version import VERSION, commit
from scripts.mqtt_examples import HEALTH

# What the inference runtime says when it starts; `edge` catches it in a memory file and lets only errors through.
RUNTIME = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
_ROUNDED = re.compile(r"rounded to (0\.0*1|1)\b")
_DIGITS = 2  # of a number whose description does not say how it is rounded
_LARGEST = 10**15
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(000)?)?Z")
_AT_ONCE_S = 2.0
_LEVELS = {f"log.{name}": name.upper() for name in ("debug", "info", "warning", "error", "critical")}
_LEVELS |= {"log.exception": "ERROR"}
_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ([A-Z]+) (.*)\n")
_CONVERSION = re.compile(r"%[-+ #0]*\d*(?:\.\d+)?([a-z%])")
_FILLED = {"d": r"-?\d{1,9}", "g": r"-?\d{1,7}(?:\.\d{1,6})?", "f": r"-?\d{1,9}(?:\.\d{1,3})?", "x": "[0-9a-f]{1,4}"}
_HEAD = re.compile(
    r"HTTP/1\.0 200 OK\r\nDate: ([A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)\r\n"
    r"Server: WSGIServer/0\.2 CPython/3\.\d{1,2}\.\d{1,2}\r\n"
    r"Content-Type: text/plain; version=\d\.\d\.\d; charset=utf-8\r\n(?:Content-Length: (\d+)\r\n)?\r\n"
)
_VALUE = re.compile(r" (-?\d+(?:\.\d+)?(?:e[-+]\d\d)?)$")


class Messages:
    """Judges messages. Knows no field but those of `Origin`: what is added to the contract is judged by the same rules.

    Args:
        origin: of the device; its texts and the contract's are the only ones that may stand in a message.
        epoch: of the outbox; the one random text that a window has.

    Attributes:
        words: all of those texts.
        numbers: how many numbers and times have been judged, in all messages together.
    """

    def __init__(self, origin: Origin, epoch: str) -> None:
        self._schemas = {name: msgspec.json.schema(kind) for name, kind in KINDS.items()}
        self.words = {epoch, VERSION, commit(), *words_of(origin), *_fixed(list(self._schemas.values()))}
        self._own = {name: getattr(origin, name) for name in origin.__struct_fields__}
        self._id = re.compile(rf"{origin.device}/{re.escape(epoch)}/\d{{1,15}}")
        self.numbers = 0
        self._window_bytes = 0

    def knows(self, text: str) -> bool:
        """Whether a text is configured, or the contract's, or a window's id."""
        return text in self.words or self._id.fullmatch(text) is not None

    def problems(self, topic: str, data: bytes) -> list[str]:
        """What is wrong with a message; empty when nothing is."""
        name = kind_of(topic)
        if name not in KINDS:
            return ["a topic that no message of the contract belongs to"]
        try:
            value: Any = msgspec.json.decode(data, type=KINDS[name])
        except msgspec.MsgspecError as error:
            return [re.sub(r"`[^`]*`", "…", str(error))[:120]]
        again = msgspec.json.encode(value)
        if name == "window":  # spaces behind them give all windows one length
            again = again.ljust(len(data))
            self._window_bytes = self._window_bytes or len(data)
        if again != data:
            return [f"something beside the fields of {KINDS[name].__name__}"]
        schema = self._schemas[name]
        found = list(self._judge("", msgspec.json.decode(data), schema, schema["$defs"], ""))
        if name == "window" and len(data) != self._window_bytes:
            found.append("another length than the window before")
        if any(getattr(value, key, own) not in (own, msgspec.UNSET) for key, own in self._own.items()):
            found.append("another site, device, zone, tag or model than this one's")
        return found

    def _judge(self, path: str, value: Any, schema: Any, parts: Any, said: str) -> Iterator[str]:
        said += schema.get("description", "")
        schema = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema)
        if "$ref" in schema:
            schema = parts[schema["$ref"].rpartition("/")[2]]
        if isinstance(value, dict):
            fields = schema.get("properties", {})
            for key, inner in value.items():
                if not self.knows(key):
                    yield f"a key of {path}: a text that is not configured, {len(key)} characters"
                shown = f"{path}.{key if key in fields else '…'}"
                yield from self._judge(shown, inner, fields.get(key, {}), parts, said)
        elif isinstance(value, str):
            timed = schema.get("format") == "date-time"
            self.numbers += timed
            if not (_TIME.fullmatch(value) if timed else self.knows(value)):
                yield f"{path}: a text that is neither configured nor the contract's, {len(value)} characters"
        elif isinstance(value, float | int) and not isinstance(value, bool):
            self.numbers += 1
            found = _ROUNDED.findall(said)
            digits = len(found[-1].partition(".")[2]) if found else _DIGITS
            if round(value, digits) != value or abs(value) > _LARGEST:
                yield f"{path}: a number with more than {digits} decimals"


class Log:
    """Judges lines of the log.

    Args:
        words: what may be filled into a template besides numbers and the code's own words: the configuration's.
    """

    def __init__(self, words: Collection[str]) -> None:
        self._words = set(words)
        self._templates: list[tuple[str, re.Pattern[str]]] = []
        for path in sorted(Path(edge.__file__).parent.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    self._words.add(node.value)
                elif isinstance(node, ast.Call) and (level := _LEVELS.get(ast.unparse(node.func))):
                    self._templates.append((level, _pattern(ast.literal_eval(node.args[0]))))

    def problem(self, line: str, at: float) -> str:
        """What is wrong with a line that was written so many seconds after 1970; empty when nothing is."""
        found = _LINE.fullmatch(line)
        if found is None:
            return "a line that is none of a log"
        said_s = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()
        if abs(said_s - at) > _AT_ONCE_S:
            return "a line of the log with another time than its own"
        filled = [pattern.fullmatch(found[3]) for level, pattern in self._templates if level == found[2]]
        known = any(self._words.issuperset(match.groups()) for match in filled if match)
        return "" if known else "a log line that no template of the program makes"


class Metrics:
    """Judges answers of the metrics' server of a device."""

    def __init__(self, origin: Origin) -> None:
        named = {"site": origin.site, "device": origin.device, "model": origin.model}
        health = msgspec.structs.replace(HEALTH, **named, accelerated=True, version=VERSION, commit=commit())
        registry = CollectorRegistry()
        registry.register(Collector(lambda: health))
        self._lines = {_VALUE.sub(" ", line) for line in generate_latest(registry).decode().splitlines()}

    def problem(self, answer: bytes, at: float) -> str:
        """What is wrong with an answer to a request that began so many seconds after 1970; empty when nothing is."""
        text = answer.decode("utf-8", "backslashreplace")
        head = _HEAD.match(text)
        if head is None or (head[2] and int(head[2]) != len(answer) - head.end()):
            return "an answer whose head is not the server's"
        if abs(email.utils.parsedate_to_datetime(head[1]).timestamp() - at) > _AT_ONCE_S:
            return "an answer with another time than its own"
        lines = text[head.end() :].split("\n")
        if lines.pop() or not self._lines.issuperset(_VALUE.sub(" ", line) for line in lines):
            return "a metric, a label or a comment that is not the program's"
        numbers = [float(found[1]) for line in lines if (found := _VALUE.search(line))]
        return "" if all(round(number, 5) == number for number in numbers) else "a number with more than 5 decimals"


def kind_of(topic: str) -> str:
    """What a topic carries: its last part, if the contract has it, else `other`."""
    last = topic.rpartition("/")[2]
    return last if last in KINDS and topic.startswith("affect/") else "other"


def _fixed(schema: Any) -> Iterator[str]:
    """The texts that a JSON schema fixes: values of its enumerations, constants, and names of fields."""
    if isinstance(schema, dict):
        yield from (word for word in [*schema.get("enum", ()), schema.get("const")] if isinstance(word, str))
        yield from schema.get("properties", ())
        schema = list(schema.values())
    for inner in schema if isinstance(schema, list) else ():
        yield from _fixed(inner)


def _pattern(template: str) -> re.Pattern[str]:
    """A `%` template as a pattern: numbers where it asks for numbers, a group for each text."""
    parts = _CONVERSION.split(template)
    filled = ["%" if kind == "%" else _FILLED.get(kind, "(.*?)") for kind in parts[1::2]]
    return re.compile("".join(re.escape(text) + hole for text, hole in zip(parts[::2], [*filled, ""], strict=True)))
