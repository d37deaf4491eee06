"""What is asked of the person who installs a device, and the configuration text that their answers make."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
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


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """One installation.

    Attributes:
        profile: the board, by the name of its profile.
        site, device, tz, tags: as in `[device]`.
        zones: places that are never looked at, as in `[[zones]]`.
        camera: a `/dev/video*` for a V4L2 camera; empty: as the profile says.
        host, port, tls, ca_file, username, password_file: the broker, as in `[mqtt]`.
        plaintext: scores may cross the network unencrypted.
        deployment: as in `[deployment]`, all of it.
    """

    profile: str
    site: str
    device: str
    tz: str = "UTC"
    tags: dict[str, str] = {}
    zones: list[ZoneConfig] = []
    camera: str = ""
    host: str = "localhost"
    port: int = 8883
    tls: bool = True
    plaintext: bool = False
    ca_file: str = ""
    username: str = ""
    password_file: str = ""
    deployment: Deployment


def write_config(answers: Answers) -> tuple[str, Config]:
    """The configuration: TOML with comments, and what it loads as.

    Raises:
        ConfigError: an answer is impossible; names its key.
    """
    given: dict[str, Any] = msgspec.to_builtins(answers)
    broker = {key: given[key] for key in ("plaintext", "ca_file", "username", "password_file") if given[key]}
    sections: dict[str, dict[str, Any]] = {
        "device": {"site": answers.site, "name": answers.device, "tz": answers.tz, "tags": answers.tags},
        "mqtt": {key: given[key] for key in ("host", "port", "tls")} | broker,
        "deployment": {key: value for key, value in given["deployment"].items() if value},
    }
    for key, fault in faults(answers.deployment):
        raise ConfigError(f"deployment.{key}: {fault}", "people who walk past have a right to know")
    blocks = [_section("[zones]", zone) for zone in given["zones"]]
    text = _TEXT.format(
        name=answers.device,
        site=answers.site,
        title=profile_title(answers.profile),
        zones="".join(blocks) or _NO_ZONES,
        board=_board(answers),
        **{name: _section(name, values) for name, values in sections.items()},
    )
    return text, _load(text)


def _section(name: str, values: Mapping[str, Any]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())


def _toml(value: Any) -> str:
    """A TOML value; JSON's strings are TOML's, but for DEL (toml.io/en/v1.0.0#string)."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _board(answers: Answers) -> str:
    """The profile without its heading, with the camera that was answered."""
    profile = read_profile(answers.profile)
    body = profile[re.search(r"^\[", profile, re.MULTILINE).start() :]  # type: ignore[union-attr] # each has sections
    if not answers.camera:
        return body
    body = re.sub(r"^device = .*\n", "", body, count=1, flags=re.MULTILINE)
    camera = f'backend = "v4l2"\ndevice = {_toml(answers.camera)}\n'
    return re.sub(r"^backend = .*\n", lambda _: camera, body, count=1, flags=re.MULTILINE)


def _load(text: str) -> Config:
    with TemporaryDirectory(prefix="affect-edge-") as folder:
        path = Path(folder) / "config.toml"
        path.write_text(text, encoding="utf-8")
        try:
            return load_config(path)
        except ConfigError as error:
            raise ConfigError(error.message.removeprefix(f"{path}: "), error.fix) from error
