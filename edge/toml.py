"""A TOML file that anyone may have written, read to plain values: small, whole, finite and free of control characters.

Refuses what would block or exhaust the device (a pipe, an endless device file, bottomless nesting) and what no key
means (NaN and infinity pass every comparison with a limit, a NUL ends a path for the kernel).
"""

from __future__ import annotations

import math
import re
import stat
from pathlib import Path
from typing import Any

import msgspec

from edge.errors import ConfigError, one_line

_MAX_BYTES = 64 * 1024  # ten times the example with every key
_MAX_LINE = 2000  # characters; the parser's time grows with the square of a dotted key's length (Python 3.11, 2026-11)
_KEPT_CONTROLS = "\n\r\t"  # of a text over several lines


def read_toml(path: Path) -> dict[str, Any]:
    """The file's tables.

    Raises:
        ConfigError: names the file, and the key where there is one.
    """
    try:
        data = msgspec.toml.decode(_text(path))
        flaw = _flaw(data, "")
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"{path}: not valid TOML ({one_line(str(error))})") from error
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply; no key of the configuration is") from None
    if flaw:
        raise ConfigError(f"{path}: {one_line(flaw)}")
    return data


def locate(message: str) -> tuple[str, str]:
    """Where msgspec found something wrong, and what: the key, `file` for the whole, and words that fit behind it.

    ``Expected `int`, got `str` - at `$.camera.width` `` becomes `camera.width` and `expected int, got str`.
    """
    text, _, where = message.replace("`", "").partition(" - at ")
    key = re.sub(r"^\$\.?", "", where)
    unknown = re.match(r"Object contains unknown field (\S+)$", text)
    if unknown:
        return f"{key + '.' if key else ''}{unknown[1]}", "unknown key"
    return key or "file", f"{text[:1].lower()}{text[1:]}"


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block for ever
            raise ConfigError(f"{path}: cannot be read (not a regular file)")
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except ConfigError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: cannot be read ({reason})") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: larger than {_MAX_BYTES} bytes; is it a configuration?")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _MAX_LINE:
            raise ConfigError(f"{path}: line {number} has more than {_MAX_LINE} characters")
    return text


def _flaw(value: object, key: str) -> str:
    """What is wrong with the first value that no key can mean, empty when none is."""
    if isinstance(value, dict):
        names = (_flaw(name, f"{key}.{name}" if key else name) for name in value)
        items = (_flaw(item, f"{key}.{name}" if key else name) for name, item in value.items())
        return next(filter(None, (*names, *items)), "")
    if isinstance(value, list):
        return next(filter(None, (_flaw(item, f"{key}[{at}]") for at, item in enumerate(value))), "")
    if isinstance(value, float) and not math.isfinite(value):
        return f"{key}: {value} is not a finite number"
    if isinstance(value, str) and any(char < " " and char not in _KEPT_CONTROLS for char in value):
        return f"{key}: holds a control character"
    if isinstance(value, str) and value.endswith("\n"):  # which `$` in a pattern would let pass
        return f"{key}: ends with a line break"
    return ""
