"""The configuration's text: a board's profile, and what was answered about this installation."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from edge.config import Config, ZoneConfig, load_config
from edge.deployment import Deployment, faults
from edge.errors import ConfigError
from edge.profiles import profile_title, read_profile

_TEXT = """\
# affect-edge on {name}, {site}: {title}.
# Every key, with its default: examples/config.toml in the project. Check a change with `affect-edge doctor`.

# Up to four tags, e.g. {{ zone = "entrance" }}, join the windows to sales and tests.
{device}
# Places that are never looked at, such as the till: the people who work there are not to be watched.
# Corners are fractions of the picture, (0, 0) top left. `affect-edge watch` shows where in it faces are.
{zones}
[hours]
open = []                     # e.g. ["mon-sat 09:00-20:00"]; empty: always. Outside, nothing is looked at

{board}
{mqtt}
# Expressions are not feelings, and staff are not to be watched: the purpose is from a closed list.
# The notice has to hang before the camera starts.
{deployment}"""
_NO_ZONES = """\
# [[zones]]
# name = "till"
# exclude = [[0.0, 0.4], [0.3, 0.4], [0.3, 1.0], [0.0, 1.0]]
"""


def write_config(
    profile: str,
    *,
    device: Mapping[str, Any],
    mqtt: Mapping[str, Any],
    deployment: Deployment,
    camera: str = "",
    zones: Sequence[ZoneConfig] = (),
) -> tuple[str, Config]:
    """The configuration: TOML with comments, and what it loads as.

    Args:
        profile: the board, by the name of its profile.
        device: of `[device]`: `site`, `name`, `tz`, `tags`.
        mqtt: of `[mqtt]`, whatever differs from the defaults.
        deployment: all of it.
        camera: a `/dev/video*` for a V4L2 camera; empty: as the profile says.
        zones: places that are never looked at.

    Raises:
        ConfigError: an answer is impossible; names its key.
    """
    for key, fault in faults(deployment):
        raise ConfigError(f"deployment.{key}: {fault}", "people who walk past have a right to know")
    why = {key: value for key, value in msgspec.to_builtins(deployment).items() if value}
    text = _TEXT.format(
        name=device["name"],
        site=device["site"],
        title=profile_title(profile),
        device=_section("[device]", device),
        zones="".join(_section("[[zones]]", msgspec.to_builtins(zone)) for zone in zones) or _NO_ZONES,
        board=_board(profile, camera),
        mqtt=_section("[mqtt]", mqtt),
        deployment=_section("[deployment]", why),
    )
    return text, _load(text)


def _section(heading: str, values: Mapping[str, Any]) -> str:
    return f"{heading}\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())


def _toml(value: Any) -> str:
    """A TOML value; JSON's strings are TOML's, but for DEL (toml.io/en/v1.0.0#string)."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _board(profile: str, camera: str) -> str:
    """The profile without its heading, with the camera that was answered."""
    body = re.sub(r"\A(#.*\n|\n)*", "", read_profile(profile))
    if not camera:
        return body
    body = re.sub(r"^device = .*\n", "", body, count=1, flags=re.MULTILINE)
    chosen = f'backend = "v4l2"\ndevice = {_toml(camera)}\n'
    return re.sub(r"^backend = .*\n", lambda _: chosen, body, count=1, flags=re.MULTILINE)


def _load(text: str) -> Config:
    with TemporaryDirectory(prefix="affect-edge-") as folder:
        path = Path(folder) / "config.toml"
        path.write_text(text, encoding="utf-8")
        try:
            return load_config(path)
        except ConfigError as error:
            raise ConfigError(error.message.removeprefix(f"{path}: "), error.fix) from error
