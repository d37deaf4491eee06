"""Reads a TOML file that anyone may have written.

Refuses what would block or exhaust the device (a pipe, an endless file, bottomless nesting) and what no key means (NaN
and infinity pass every comparison with a limit, a NUL ends a path for the kernel).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from edge.errors import ConfigError, one_line

_MAX_BYTES = 64 * 1024  # ten times the example with every key
_MAX_LINE = 2000  # characters; the parser's time grows with the square of a dotted key's length (Python 3.11, 2026-11)


Kind = TypeVar("Kind")


def read_toml(path: Path, kind: type[Kind], gone: Mapping[str, str] | None = None) -> Kind:
    """A file's tables as a struct; `gone` says for keys of earlier versions what to do about them.

    Raises:
        ConfigError: names the file, the key where there is one, and what is wrong.
    """
    text = _read_text(path)
    try:
        tables = msgspec.toml.decode(text)
        flaw = _find_flaw(tables, "")
        if not flaw:
            return msgspec.convert(tables, kind)
    except msgspec.ValidationError as error:
        key, flaw = _locate(str(error))
        choices = _choices(kind, key)
        fix = f"choose one of {', '.join(choices)}" if choices else (gone or {}).get(key, "")
        raise ConfigError(f"{path}: {key}: {one_line(flaw)}", fix=fix) from error
    except (msgspec.DecodeError, ValueError) as error:
        flaw = f"not valid TOML ({error})"
    except RecursionError:
        flaw = "nested too deeply; no key of the configuration is"
    raise ConfigError(f"{path}: {one_line(flaw)}")


def _locate(message: str) -> tuple[str, str]:
    """Key and fault: of ``Expected `int`, got `str` - at `$.camera.width` ``, `camera.width` and `expected int, …`."""
    text, _, where = message.replace("`", "").replace("Invalid enum value", "Unknown value").partition(" - at ")
    key = re.sub(r"^\$\.?", "", where)
    unknown = re.match(r"Object contains unknown field (\S+)$", text)
    if unknown:
        return f"{key + '.' if key else ''}{unknown[1]}", "unknown key"
    return key or "file", f"{text[:1].lower()}{text[1:]}"


def _choices(kind: Any, key: str) -> list[str]:
    """The words that a key takes; empty where it takes something else."""
    for name in key.split("."):
        kind = get_type_hints(kind).get(name) if isinstance(kind, type) else None
    choices = [part for part in (kind, *get_args(kind)) if get_origin(part) is Literal]
    return [str(word) for part in choices for word in get_args(part)]


def _read_text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # a pipe would block for ever
            raise OSError(0, "not a regular file")
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        text = data.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        fix = "`affect-edge init` writes a configuration" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"{path}: cannot be read ({reason})", fix=fix) from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: larger than {_MAX_BYTES} bytes; is it a configuration?")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _MAX_LINE:
            raise ConfigError(f"{path}: line {number} has more than {_MAX_LINE} characters")
    return text


def _find_flaw(value: object, key: str) -> str:
    """What is wrong with the first value that no key can mean; empty when none is."""
    if isinstance(value, dict):
        inside = [(part, f"{key}.{name}" if key else name) for name, item in value.items() for part in (name, item)]
        return next(filter(None, (_find_flaw(*pair) for pair in inside)), "")
    if isinstance(value, list):
        return next(filter(None, (_find_flaw(item, f"{key}[{at}]") for at, item in enumerate(value))), "")
    if isinstance(value, float) and not math.isfinite(value):
        return f"{key}: {value} is not a finite number"
    if isinstance(value, str) and any(char < " " and char not in "\n\r\t" for char in value):
        return f"{key}: holds a control character"
    if isinstance(value, str) and value.endswith("\n"):  # which `$` in a pattern would let pass
        return f"{key}: ends with a line break"
    return ""
