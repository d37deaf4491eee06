"""`affect-edge init`: writes a configuration and a systemd drop-in, from a board's profile and a few answers."""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import typer

from edge.cli import app
from edge.cli.init.configuration import write_config
from edge.cli.init.drop_in import NAME, broker_addresses, is_address, resolver_addresses, unit_name, write_drop_in
from edge.cli.init.inventory import find_profile, list_cameras, time_zone
from edge.cli.init.questions import Questions
from edge.config import LOOPBACK, Config, DeviceConfig
from edge.deployment import Deployment, LegalBasis, Purpose, judge
from edge.errors import ConfigError
from edge.paths import CONFIGS
from edge.profiles import profile_names, profile_title

_PASSWORD = CONFIGS / "mqtt-password"
_PURPOSES, _BASES = ({name: name for name in get_args(kind)} for kind in (Purpose, LegalBasis))
_PLAIN_PORT, _TLS_PORT = 1883, 8883
_BROKER = re.compile(r"(?:\[(?P<ipv6>[^\s\]]+)\]|(?P<host>[^:\s\[\]]+))(?::(?P<port>\d+))?")
_OPENING = """\
This writes a configuration for this camera, and the list of addresses that its service may reach.
Press Enter for the value in brackets. Nothing is written before the last answer; Ctrl-C cancels."""
_WHY = """
Why the camera is here. These answers are required. Watching staff, pupils or single persons is not allowed."""


@app.command(epilog="Example: affect-edge init --root /tmp/try --profile rpi5 --site museum --device hall-2")
def init(
    profile: Annotated[str | None, typer.Option(help=f"The board: {', '.join(profile_names())}.")] = None,
    site: Annotated[str | None, typer.Option(help="Where the camera is: a-z, 0-9 and -, up to 32 characters.")] = None,
    device: Annotated[str | None, typer.Option(help="The device's name, unique at the site.")] = None,
    tz: Annotated[str | None, typer.Option(help="IANA time zone of the site; default: the system's.")] = None,
    camera: Annotated[str | None, typer.Option(help="A /dev/video* device instead of the profile's camera.")] = None,
    broker: Annotated[str | None, typer.Option(help="The MQTT broker, HOST or HOST:PORT.")] = None,
    plaintext: Annotated[
        bool, typer.Option("--plaintext", help="No TLS, even for a broker on another machine.")
    ] = False,
    ca_file: Annotated[str, typer.Option(help="Certificate of the broker's private authority, PEM.")] = "",
    username: Annotated[str | None, typer.Option(help="User name at the broker; empty for none.")] = None,
    purpose: Annotated[str | None, typer.Option(help=f"One of {', '.join(_PURPOSES)}.")] = None,
    jurisdiction: Annotated[str | None, typer.Option(help="Whose law applies: ISO 3166, e.g. DE, US-IL.")] = None,
    legal_basis: Annotated[str | None, typer.Option(help=f"One of {', '.join(_BASES)}.")] = None,
    controller: Annotated[str | None, typer.Option(help="Who is responsible for the data.")] = None,
    contact: Annotated[str | None, typer.Option(help="The controller's e-mail, telephone or URL.")] = None,
    retention_days: Annotated[str | None, typer.Option(help="How long the receiver keeps windows.")] = None,
    notice: Annotated[str | None, typer.Option(help="Where the notice for visitors is posted.")] = None,
    notice_version: Annotated[str | None, typer.Option(help="Version of the notice; default: 1.")] = None,
    notice_date: Annotated[str | None, typer.Option(help="Date of that version, YYYY-MM-DD.")] = None,
    consent_reference: Annotated[str | None, typer.Option(help="Where consents are recorded, if needed.")] = None,
    instance: Annotated[str, typer.Option(help="For a second camera: affect-edge@INSTANCE.")] = "",
    address: Annotated[
        list[str] | None, typer.Option(help="An address of the broker, instead of resolving its name.")
    ] = None,
    root: Annotated[Path, typer.Option(help="Write below this folder, e.g. the root of a disk image.")] = Path("/"),
) -> None:
    """Write the device's configuration and the addresses its service may reach. Asks for values not given as options.

    Existing files are not overwritten, except one with comments only, such as the Debian package installs. The
    configuration is checked before anything is written. The password is not asked for: put it into
    /etc/affect-edge/mqtt-password yourself, readable only by root.
    """
    questions = Questions(sys.stdin.isatty())
    ask, say, why = questions.ask, questions.say, partial(_ask_why, questions)
    say(f"{_OPENING}\n\nThe board")
    boards = {name: f"{name:<18} {profile_title(name)}" for name in profile_names()}
    board = ask("profile", profile, "Board", default=find_profile(), choices=boards)
    unit, named = unit_name(instance), CONFIGS / f"{instance or 'config'}.toml"
    config_path, drop_in_path = root / named.relative_to("/"), root / f"etc/systemd/system/{unit}.d/{NAME}"
    for path in (config_path, drop_in_path):
        _check_place(path)

    say("\nThe place")
    place = {
        "site": ask("site", site, "Site, a-z 0-9 and -", check=partial(_check_device, "site", "--site")),
        "name": ask(
            "device", device, "This device's name at the site", check=partial(_check_device, "name", "--device")
        ),
        "tz": ask("tz", tz, "Time zone", default=time_zone(), check=partial(_check_device, "tz", "--tz")),
    }
    cameras = {node: f"{node:<18} {name}" for node, name in list_cameras().items()}
    cameras = {"": "the profile's" if cameras else "the profile's; no USB camera was found", **cameras}
    camera = camera or ask("camera", None, "Camera", default="", choices=cameras)

    say("\nThe MQTT broker that receives the windows")
    check_broker = _split if address else _resolve
    host, port = _split(ask("broker", broker, "Broker, HOST or HOST:PORT", default="localhost", check=check_broker))
    username = ask("username", username, "User name at the broker; Enter for none", default="")
    tls = not (host in LOOPBACK or plaintext)
    connection: dict[str, Any] = {"host": host, "port": port or (_TLS_PORT if tls else _PLAIN_PORT), "tls": tls}
    if plaintext and host not in LOOPBACK:
        connection["plaintext"] = True
    if ca_file:
        connection["ca_file"] = ca_file
    if username:
        connection |= {"username": username, "password_file": f"/run/credentials/{unit}/mqtt-password"}

    say(_WHY)
    answers = {
        "purpose": ask("purpose", purpose, "Purpose", choices=_PURPOSES),
        "jurisdiction": why("jurisdiction", jurisdiction, "Whose law applies, e.g. DE or US-IL"),
        "legal_basis": ask("legal-basis", legal_basis, "Legal basis", choices=_BASES),
        "controller": why("controller", controller, "Who answers for the data (the controller)"),
        "contact": why("contact", contact, "How to reach them: e-mail, telephone or URL"),
        "retention_days": why("retention_days", retention_days, "Days that the receiver keeps windows"),
        "notice": why("notice", notice, "Where does the notice for visitors hang"),
        "notice_version": why("notice_version", notice_version, "Its version", "1"),
        "notice_date": why("notice_date", notice_date, "Its date, YYYY-MM-DD"),
    }
    if consent_reference is not None or _deployment(answers).needs_consent:
        question = "Where are the required consents recorded"
        answers["consent_reference"] = why("consent_reference", consent_reference, question)
    questions.complain()

    text, config = write_config(board, device=place, mqtt=connection, deployment=_deployment(answers), camera=camera)
    drop_in = write_drop_in(
        config,
        broker=address or broker_addresses(host, port),
        resolvers=resolver_addresses(),
        credential=_PASSWORD if username else None,
    )
    _write(config_path, text)
    _write(drop_in_path, drop_in)
    say("")
    if tz is None:
        typer.echo(f"time zone {config.device.tz}; another: device.tz in the configuration")
    typer.echo(f"written  {config_path}\nwritten  {drop_in_path}")
    _print_next_steps(named, config, instance)


def _ask_why(questions: Questions, key: str, given: str | None, question: str, default: str | None = None) -> str:
    option = key.replace("_", "-")

    def check(value: str) -> None:
        if fault := judge(key, value):
            raise ConfigError(f"--{option}: {fault} (deployment.{key})")

    return questions.ask(option, given, question, default=default, check=check)


def _deployment(answers: dict[str, str]) -> Deployment:
    """The answers so far; missing ones are reported later."""
    return msgspec.convert({key: value for key, value in answers.items() if value}, Deployment, strict=False)


def _check_device(key: str, option: str, value: str) -> None:
    try:
        msgspec.convert({key: value}, DeviceConfig)
    except msgspec.ValidationError as error:
        fault = f"{value!r} must be 1 to 32 characters of a-z, 0-9 and -"
        fault = str(error).partition(" - at ")[0] if key == "tz" else fault
        raise ConfigError(f"{option}: {fault} (device.{key})") from error


def _resolve(broker: str) -> None:
    try:
        broker_addresses(*_split(broker))
    except ConfigError as error:
        raise ConfigError(error.message, f"{error.fix} Or give its address with --address") from error


def _split(broker: str) -> tuple[str, int]:
    """Splits HOST, HOST:PORT, IPV6 or [IPV6]:PORT into host and port; 0 for no port."""
    if is_address(broker):
        return broker, 0
    found = _BROKER.fullmatch(broker)
    if found is None:
        raise ConfigError(f"--broker: {broker!r} is neither HOST nor HOST:PORT")
    return found["ipv6"] or found["host"], int(found["port"] or 0)


def _check_place(path: Path) -> None:
    """Checks before the first question that the file can be written."""
    if path.exists() and not _is_template(path):
        raise ConfigError(f"{path}: exists and is not overwritten", "move it away first")
    folder = next(parent for parent in path.parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise ConfigError(
            f"{path}: cannot be written ({folder} is not a writable folder)", "run it as root, or with --root"
        )


def _is_template(path: Path) -> bool:
    """Whether a file has only comments and blank lines, like a template."""
    if not path.is_file():
        return False
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return all(line.strip()[:1] in ("", "#") for line in lines)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".partial")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})", "run it as root, or with --root") from error


def _print_next_steps(config_path: Path, config: Config, instance: str) -> None:
    """Prints the remaining steps on the device, in order."""
    steps = [f"hang the notice: {config.deployment.notice}"]
    if config.mqtt.username:
        put = f"sudo install -m 600 /dev/stdin {_PASSWORD}"
        steps.append(f"type {config.mqtt.username}'s password, Enter, Ctrl-D into {put}")
    steps += [
        "sudo systemctl daemon-reload",
        "sudo affect-edge doctor --sandbox" + (f" --instance {instance}" if instance else ""),
        f"sudo affect-edge watch --config {config_path}      # aim: where faces are, no picture",
        f"sudo systemctl enable --now {unit_name(instance).removesuffix('.service')}",
    ]
    typer.echo("\nNext, on the device:")
    for number, step in enumerate(steps, 1):
        typer.echo(f"  {number}. {step}")
    typer.echo(
        "\nThe scores describe expressions, not feelings. Keep staff out of view, or mask their place with [[zones]]."
    )
