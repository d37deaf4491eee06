"""Every text that the device can say of itself: its constants, its templates, its configuration and its model's name.

The templates are collected from the code of `edge` by reading its syntax, so they are those of the version that runs.
"""

from __future__ import annotations

import ast
import errno
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

import edge
from edge.config import Config
from edge.model.bundle import Manifest
from edge.version import VERSION, commit

_LEVELS = {
    "debug": "DEBUG",
    "info": "INFO",
    "warning": "WARNING",
    "error": "ERROR",
    "exception": "ERROR",
    "critical": "CRITICAL",
}
_CONVERSION = re.compile(r"%[-+ #0]*\d*(?:\.\d+)?([a-z%])")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,3})?")
_NUMBERS = {"d": r"-?\d{1,15}", "g": r"-?\d{1,7}(?:\.\d{1,6})?", "f": r"-?\d{1,12}(?:\.\d{1,3})?", "x": "[0-9a-f]{1,8}"}
_LONGEST = 512  # characters of a text that is composed: more would take long to take apart
_DEPTH = 2  # a text within a template within a template, no further


class Vocabulary:
    """What the device can say.

    Args:
        config: its configuration.
        manifest, sha256: of its model bundle.
        root: folder of the code that is read.
    """

    def __init__(self, config: Config, manifest: Manifest, sha256: str, root: Path | None = None) -> None:
        folder = root or Path(edge.__file__).parent
        self.own = {VERSION, commit(), manifest.name, str(manifest.version), sha256}
        self.own |= set(strings_of(msgspec.to_builtins(config)))
        self.constants: set[str] = set()
        self.log_lines: list[tuple[str, re.Pattern[str]]] = []
        self.composed: list[re.Pattern[str]] = []
        for path in sorted(folder.rglob("*.py")):
            self._read(ast.parse(path.read_text(encoding="utf-8")))
        self.constants |= {os.strerror(number) for number in errno.errorcode} | _reasons()

    def knows(self, text: str, *, numbers: bool = False, depth: int = _DEPTH) -> bool:
        """Whether a text is a constant, a configured word, or composed of such as the code composes them.

        Args:
            text: the whole of it.
            numbers: whether a number may be part of it, as in a log.
            depth: how deep templates may lie in templates.
        """
        if text in self.own or text in self.constants or (numbers and _NUMBER.fullmatch(text)):
            return True
        if depth == 0 or len(text) > _LONGEST:
            return False
        return any(
            all(self.knows(hole, numbers=numbers, depth=depth - 1) for hole in match.groups())
            for match in (pattern.fullmatch(text) for pattern in self.composed)
            if match
        )

    def logs(self, level: str, message: str) -> bool:
        """Whether a log message of a level is one of the code's, filled with what may stand there."""
        return len(message) <= 4 * _LONGEST and any(
            all(self.knows(hole, numbers=True) for hole in match.groups())
            for known, pattern in self.log_lines
            if level == known and (match := pattern.fullmatch(message)) is not None
        )

    def _read(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.constants.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
                if any(parts):
                    self.composed.append(
                        re.compile("".join("(.+?)" if p is None else re.escape(str(p)) for p in parts))
                    )
            elif (level := _log_level(node)) and isinstance(node, ast.Call):
                first = node.args[0] if node.args else None
                if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
                    raise ValueError("a log call of `edge` without a fixed template")
                self.log_lines.append((level, _log_pattern(first.value)))


def strings_of(value: object) -> Iterator[str]:
    """All texts in a nest of dictionaries and lists, keys of dictionaries included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings_of(key)
            yield from strings_of(inner)
    elif isinstance(value, Iterable):
        for inner in value:
            yield from strings_of(inner)


def _log_level(node: ast.AST) -> str:
    """The level of a call to the module's `log`; empty for anything else."""
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "log":
        return _LEVELS.get(called.attr, "")
    return ""


def _log_pattern(template: str) -> re.Pattern[str]:
    """A `%` template as a pattern: numbers where it asks for numbers, a group for each text."""
    pattern, begin = "", 0
    for found in _CONVERSION.finditer(template):
        pattern += re.escape(template[begin : found.start()])
        pattern += "%" if found[1] == "%" else _NUMBERS.get(found[1], "(.*?)")
        begin = found.end()
    return re.compile(pattern + re.escape(template[begin:]))


def _reasons() -> set[str]:
    """The names that MQTT 5 has for a broker's reasons, as paho says them."""
    return set(strings_of([list(names) for names in ReasonCode(PacketTypes.CONNACK).names.values()]))
