"""The manual page, written from the commands' own help, so that the two cannot disagree."""

from __future__ import annotations

import importlib
import re
from datetime import datetime, timezone
from typing import Any

import typer

from edge.cli import EXIT_CODES, VERBS, app
from edge.version import VERSION

# In the order in which one meets them; what is not named here follows.
_VERBS = ("run", "init", "doctor", "watch", "bench", "info", "replay", "demo")

_FILES = (
    ("/etc/affect-edge/config.toml", "The configuration. affect-edge init writes it."),
    ("/etc/affect-edge/NAME.toml", "The same for a second camera, the service affect-edge@NAME."),
    ("/etc/affect-edge/mqtt-password", "The password for the broker, readable by root alone."),
    ("/etc/systemd/system/affect-edge.service.d/installation.conf", "Which addresses the service may reach."),
    ("/var/lib/affect-edge/outbox.db", "Windows that wait for the broker."),
    ("/usr/share/doc/affect-edge/examples/config.toml", "Every key of the configuration, with its default."),
)


def write_manual(epoch: int) -> str:
    """The page's text, for man(7).

    Args:
        epoch: the date it carries, seconds since 1970.
    """
    for verb in VERBS:
        importlib.import_module(f"edge.cli.{verb}")  # each registers itself
    group: Any = typer.main.get_command(app)
    day = datetime.fromtimestamp(epoch, timezone.utc).date().isoformat()
    lines = [
        f'.TH AFFECT\\-EDGE 1 "{day}" "affect\\-edge {VERSION}" "User Commands"',
        ".SH NAME",
        "affect\\-edge \\- facial valence and arousal, estimated on the camera",
        ".SH SYNOPSIS",
        ".B affect\\-edge",
        ".RI [ \\-v ]",
        ".I command",
        ".RI [ option... ]",
        ".SH DESCRIPTION",
        _text(group.help),
        ".SH COMMANDS",
    ]
    rest = sorted(group.commands.keys() - set(_VERBS))
    for name in (*_VERBS, *rest):
        lines += _command(name, group.commands[name])
        for verb, command in getattr(group.commands[name], "commands", {}).items():
            lines += _command(f"{name} {verb}", command)
    lines += [".SH FILES"]
    for path, said in _FILES:
        lines += [".TP", f".I {_text(path)}", _text(said)]
    lines += [".SH EXIT STATUS", _text(EXIT_CODES)]
    lines += [".SH SEE ALSO", ".BR systemd.service (5),", ".BR mosquitto (8)"]
    return "\n".join(line for line in lines if line) + "\n"


def _command(name: str, command: Any) -> list[str]:
    arguments = [f" {(one.metavar or one.name).upper()}" for one in command.params if not one.opts[0].startswith("-")]
    lines = [f'.SS "{_text(name + "".join(arguments))}"']
    for paragraph in (command.help or "").split("\n\n"):
        lines += [_text(paragraph), ".PP"]
    lines.pop()
    for parameter in command.params:
        if not parameter.opts[0].startswith("-") or not getattr(parameter, "help", None):
            continue
        lines += [".TP", f".B {_text(', '.join(parameter.opts))}", _text(parameter.help)]
    if command.epilog:
        lines += [".PP", _text(command.epilog)]
    return lines


def _text(said: str) -> str:
    """One paragraph for troff: joined lines, no accidental requests, minus signs that can be copied."""
    joined = re.sub(r"\s+", " ", said.replace("`", "")).strip()
    escaped = joined.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    escaped = escaped.replace("…", "...").replace("→", "\\(->").replace("–", "\\(en").replace("×", "\\(mu")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
