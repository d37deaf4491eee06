"""What is asked of the person who installs a device, and the configuration text that their answers make."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from edge.config import Config, Purpose, ZoneConfig, load_config
from edge.errors import ConfigError
from edge.profiles import profile_title, read_profile

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
        host, port, tls, ca_file, username: the broker, as in `[mqtt]`.
        plaintext: scores may cross the network unencrypted.
        password_file: as the service sees it.
        purpose, notice, controller, jurisdiction: as in `[deployment]`.
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
    purpose: Purpose
    notice: str
    controller: str
    jurisdiction: str


def write_config(answers: Answers) -> tuple[str, Config]:
    """The configuration: TOML with comments, and what it loads as, which is what was answered.

    Raises:
        ConfigError: an answer is impossible; names its key.
    """
    text = "\n".join([_opening(answers), _board(answers), _broker(answers), _deployment(answers)])
    return text, _prove(text, answers)


def _opening(answers: Answers) -> str:
    return f"""# affect-edge on {answers.device}, {answers.site}: {profile_title(answers.profile)}.
# Every key, with its default: examples/config.toml in the project. Check a change with `affect-edge doctor`.

[device]
site = {_toml(answers.site)}
name = {_toml(answers.device)}
tz = {_toml(answers.tz)}
tags = {_table(answers.tags):<22} # up to four, e.g. {{ zone = "entrance" }}: the join to sales and tests

# Places that are never looked at, such as the till: the people who work there are not to be watched.
# Corners are fractions of the picture, (0, 0) top left. `affect-edge watch` shows where in it faces are.
{_zones(answers.zones)}
[hours]
open = []                     # e.g. ["mon-sat 09:00-20:00"]; empty: always. Outside, nothing is looked at
"""


def _board(answers: Answers) -> str:
    """The profile without its heading, with the camera that was answered."""
    lines = read_profile(answers.profile).splitlines()
    body = "\n".join(lines[next(n for n, line in enumerate(lines) if line.startswith("[")) :]) + "\n"
    if not answers.camera:
        return body
    body = re.sub(r'^backend = "[a-z0-9]+"', 'backend = "v4l2"', body, count=1, flags=re.MULTILINE)
    device = f"device = {_toml(answers.camera)}"
    if re.search(r"^device = ", body, re.MULTILINE):
        return re.sub(r'^device = "[^"]*"', lambda _: device, body, count=1, flags=re.MULTILINE)
    return re.sub(r"^(backend = .*)$", lambda found: f"{found[1]}\n{device}", body, count=1, flags=re.MULTILINE)


def _broker(answers: Answers) -> str:
    lines = ["[mqtt]", f"host = {_toml(answers.host)}", f"port = {answers.port}", f"tls = {_toml(answers.tls)}"]
    if answers.plaintext:
        lines.append("plaintext = true              # scores cross your network unencrypted")
    if answers.ca_file:
        lines.append(f"ca_file = {_toml(answers.ca_file)}")
    if answers.username:
        lines.append(f"username = {_toml(answers.username)}")
    if answers.password_file:
        lines.append(f"password_file = {_toml(answers.password_file)}")
    return "\n".join(lines) + "\n"


def _deployment(answers: Answers) -> str:
    return f"""# Expressions are not feelings, and staff are not to be watched: the purpose is from a closed list.
# The notice has to hang before the camera starts.
[deployment]
purpose = {_toml(answers.purpose)}
notice = {_toml(answers.notice)}
controller = {_toml(answers.controller)}
jurisdiction = {_toml(answers.jurisdiction)}
"""


def _zones(zones: Sequence[ZoneConfig]) -> str:
    """The blocks, or an example in comments where there are none."""
    if not zones:
        return _NO_ZONES
    return "".join(
        f"[[zones]]\nname = {_toml(zone.name)}\nexclude = {[list(corner) for corner in zone.exclude]}\n"
        for zone in zones
    )


def _table(values: Mapping[str, str]) -> str:
    """A TOML table in one line."""
    inside = ", ".join(f"{key} = {_toml(value)}" for key, value in values.items())
    return f"{{ {inside} }}" if inside else "{}"


def _toml(value: str | bool) -> str:
    """A TOML value; JSON's strings are TOML's, but for DEL (toml.io/en/v1.0.0#string)."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _prove(text: str, answers: Answers) -> Config:
    with TemporaryDirectory(prefix="affect-edge-") as folder:
        path = Path(folder) / "config.toml"
        path.write_text(text, encoding="utf-8")
        try:
            config = load_config(path)
        except ConfigError as error:
            raise ConfigError(str(error).removeprefix(f"{path}: ")) from error
    said = {"deployment." + key: getattr(answers, key) for key in ("purpose", "notice", "controller", "jurisdiction")}
    said |= {"device.site": answers.site, "device.name": answers.device, "mqtt.host": answers.host}
    if answers.camera:
        said["camera.device"] = answers.camera
    if config.device.tags != answers.tags or config.zones != answers.zones:
        raise ConfigError("device.tags, zones: cannot be written")
    for key, value in said.items():
        if _value(config, key) != value:
            raise ConfigError(f"{key}: {value!r} cannot be written")
        if key.startswith("deployment.") and not str(value).strip():
            raise ConfigError(f"{key}: must be filled; people who walk past have a right to know")
    return config


def _value(config: Config, key: str) -> object:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)
