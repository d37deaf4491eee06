"""`affect-edge init`: a configuration and the service's drop-in, from a board's profile and a few answers."""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import typer

from edge.cli import app
from edge.cli.init.addresses import broker_addresses, resolver_addresses
from edge.cli.init.answers import Answers, write_config
from edge.cli.init.drop_in import NAME, unit_name, write_drop_in
from edge.cli.init.inventory import find_profile, list_cameras, time_zone
from edge.cli.init.questions import Questions
from edge.config import LOOPBACK, Config, Purpose
from edge.contract import Slug
from edge.errors import ConfigError
from edge.model.assets import BLAZEFACE, find_asset
from edge.profiles import profile_names, profile_title

_PASSWORD = Path("/etc/affect-edge/mqtt-password")
_CREDENTIAL = "/run/credentials/{unit}/mqtt-password"
_PURPOSES = get_args(Purpose)
_PLAIN_PORT, _TLS_PORT = 1883, 8883
_OPENING = """\
A configuration for this camera, and which addresses its service may reach.
Enter takes what stands in brackets. Nothing is written before the last answer; Ctrl-C leaves everything as it is."""
_WHY = """
Why the camera is here. It does not start without these; staff, pupils and single persons are no purpose."""


@app.command(epilog="Example: affect-edge init --root /tmp/try --profile rpi5 --site museum --device hall-2")
def init(
    profile: Annotated[str | None, typer.Option(help=f"The board: {', '.join(profile_names())}.")] = None,
    site: Annotated[str | None, typer.Option(help="Where it hangs: a-z, 0-9 and -, up to 32.")] = None,
    device: Annotated[str | None, typer.Option(help="Its name there, unique at the site.")] = None,
    tz: Annotated[str | None, typer.Option(help="IANA time zone; the system's, if not given.")] = None,
    camera: Annotated[str | None, typer.Option(help="A /dev/video* device instead of the profile's camera.")] = None,
    broker: Annotated[str | None, typer.Option(help="The MQTT broker, HOST or HOST:PORT.")] = None,
    plaintext: Annotated[bool, typer.Option("--plaintext", help="No TLS, though the broker is elsewhere.")] = False,
    ca_file: Annotated[str, typer.Option(help="The broker's own certificate authority, PEM.")] = "",
    username: Annotated[str | None, typer.Option(help="For the broker; empty for none.")] = None,
    purpose: Annotated[str | None, typer.Option(help=f"One of {', '.join(_PURPOSES)}.")] = None,
    notice: Annotated[str | None, typer.Option(help="Where visitors read that this camera is here.")] = None,
    controller: Annotated[str | None, typer.Option(help="Who answers for the data, with a way to reach them.")] = None,
    jurisdiction: Annotated[str | None, typer.Option(help="Whose law applies, e.g. DE.")] = None,
    instance: Annotated[str, typer.Option(help="For a second camera: affect-edge@INSTANCE.")] = "",
    address: Annotated[
        list[str] | None, typer.Option(help="An address of the broker, instead of resolving it.")
    ] = None,
    root: Annotated[Path, typer.Option(help="Write below this folder, e.g. an image's root.")] = Path("/"),
) -> None:
    """Write the device's configuration and the addresses its service may reach; asks what no option says.

    Nothing that exists is overwritten, unless all of its lines are comments, as in the file that the Debian package
    brings; nothing is written before all of it is proven to load. The password is never asked for: put it into
    /etc/affect-edge/mqtt-password yourself, readable by root alone.
    """
    questions = Questions(sys.stdin.isatty())
    ask = questions.ask
    questions.say(_OPENING)
    questions.say("\nThe board")
    board = ask("profile", profile, "Board", default=find_profile(), choices=profile_names(), told=_board)
    unit = unit_name(instance)
    config_path = root / f"etc/affect-edge/{instance or 'config'}.toml"
    drop_in_path = root / f"etc/systemd/system/{unit}.d/{NAME}"
    for path in (config_path, drop_in_path):
        if path.exists() and not _says_nothing(path):
            raise ConfigError(f"{path}: exists and is not overwritten; move it away first")
    questions.say("\nThe place")
    given: dict[str, Any] = {
        "profile": board,
        "site": ask("site", site, "Site, a-z 0-9 and -", check=partial(_check_slug, "site")),
        "device": ask("device", device, "This device's name there", check=partial(_check_slug, "name")),
        "tz": tz or time_zone(),
        "camera": camera
        if camera is not None
        else ask("camera", None, "Camera", default="", choices=_cameras(), told=_camera),
    }
    questions.say("\nThe broker, to which windows are sent over MQTT")
    check_broker = _split if address else _resolve
    host, port = _split(ask("broker", broker, "Broker, HOST or HOST:PORT", default="localhost", check=check_broker))
    name = ask("username", username, "User name there; Enter for none", default="")
    tls = host not in LOOPBACK and not plaintext
    questions.say(_WHY)
    given |= {
        "host": host,
        "port": port or (_TLS_PORT if tls else _PLAIN_PORT),
        "tls": tls,
        "plaintext": plaintext and host not in LOOPBACK,
        "ca_file": ca_file,
        "username": name,
        "password_file": _CREDENTIAL.format(unit=unit) if name else "",
        "purpose": ask("purpose", purpose, "Purpose", choices=_PURPOSES),
        "notice": ask("notice", notice, "Where does the notice hang that tells visitors"),
        "controller": ask("controller", controller, "Who answers for the data, and how to reach them"),
        "jurisdiction": ask("jurisdiction", jurisdiction, "Whose law applies, e.g. DE"),
    }
    questions.complain()
    text, config = write_config(msgspec.convert(given, Answers))
    credential = _PASSWORD if name else None
    drop_in = write_drop_in(
        config,
        broker=address or broker_addresses(host, given["port"]),
        resolvers=resolver_addresses(),
        credential=credential,
    )
    _write(config_path, text)
    _write(drop_in_path, drop_in)
    questions.say("")
    typer.echo(f"written  {config_path}\nwritten  {drop_in_path}")
    _tell(Path("/") / config_path.relative_to(root), config, instance)


def _board(name: str) -> str:
    return f"{name:<18} {profile_title(name)}"


def _cameras() -> list[str]:
    return ["", *(node for node, _ in list_cameras())]


def _camera(node: str) -> str:
    if node:
        return f"{node:<18} {dict(list_cameras())[node]}"
    return "as the profile says" + ("" if list_cameras() else "; a USB camera would be listed here")


def _check_slug(key: str, value: str) -> None:
    try:
        msgspec.convert(value, Slug)
    except msgspec.ValidationError as error:
        option = "device" if key == "name" else key
        raise ConfigError(
            f"--{option}: {value!r} has to be of a-z, 0-9 and -, 1 to 32 of them (device.{key})"
        ) from error


def _resolve(broker: str) -> None:
    host, port = _split(broker)
    broker_addresses(host, port)


def _split(broker: str) -> tuple[str, int]:
    """HOST, HOST:PORT, an IPv6 address, or one in brackets with a port; 0 where no port is given."""
    found = re.fullmatch(
        r"\[([0-9a-fA-F:.%]+)\](?::(\d+))?|([^:\s]+)(?::(\d+))?|([0-9a-fA-F:.%]*::?[0-9a-fA-F:.%]*)", broker
    )
    if found is None:
        raise ConfigError(f"--broker: {broker!r} is neither HOST nor HOST:PORT")
    host = found[1] or found[3] or found[5]
    return host, int(found[2] or found[4] or 0)


def _says_nothing(path: Path) -> bool:
    """Whether a file holds comments only: a template that nobody has filled."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return all(line.strip() == "" or line.lstrip().startswith("#") for line in lines)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); run it as root, or with --root") from error


def _tell(config_path: Path, config: Config, instance: str) -> None:
    """What is left to do on the device, in order."""
    steps = [f"hang the notice: {config.deployment.notice}"]
    if config.mqtt.username:
        put = f"sudo install -m 600 /dev/stdin {_PASSWORD}"
        steps.append(f"type {config.mqtt.username}'s password, Enter, Ctrl-D into {put}")
    if find_asset(BLAZEFACE) is None and config.face.detector == "blazeface":
        steps.append("sudo affect-edge fetch          # the face detector's file, once")
    named = f"--config {config_path}"
    steps += [
        "sudo systemctl daemon-reload",
        f"sudo affect-edge doctor {named} --sandbox" + (f" --instance {instance}" if instance else ""),
        f"sudo affect-edge watch {named}      # aim: where faces are, no picture",
        f"sudo systemctl enable --now {unit_name(instance).removesuffix('.service')}",
    ]
    typer.echo("\nNext, on the device:")
    for number, step in enumerate(steps, 1):
        typer.echo(f"  {number}. {step}")
    typer.echo(
        "\nThe scores describe expressions, not feelings. Keep staff out of the picture, or out of it with [[zones]]."
    )
