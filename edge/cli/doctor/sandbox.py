"""The examination inside the service's own sandbox: the unit's settings, given to a process that systemd starts once.

What the service may not open, reach or call, the examination may not either, and says so.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edge.errors import EdgeError

# What makes a service of it, and what a unit made for one run does by itself.
_LEFT_OUT = ("Type", "NotifyAccess", "Restart", "WatchdogSec", "Timeout", "StandardOutput", "StandardError", "Exec")


def sandboxed(unit: str, command: Sequence[str]) -> list[str]:
    """The command that runs another one inside a unit's sandbox; as the same user if the service runs.

    Raises:
        EdgeError: systemd is not here or does not know the unit.
    """
    settings = service_settings(_ask(unit, "cat"))
    process = _ask(unit, "show", "--property=MainPID", "--value").strip()
    if process.isdecimal() and process != "0":
        settings = beside_service(settings, Path("/proc", process).stat().st_uid)
    words = [word for setting in settings for word in ("--property", setting)]
    return ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", *words, "--", *command]


def beside_service(settings: Sequence[str], uid: int) -> list[str]:
    """The same settings for a process beside the running service: its user, and its folder without owning it.

    A unit with a `StateDirectory=` and another dynamic user would give the folder to that user, and the running service
    could write no more.
    """
    name = next((each.partition("=")[2] for each in settings if each.startswith("StateDirectory=")), "")
    kept = [each for each in settings if not each.startswith(("StateDirectory", "DynamicUser="))]
    place = "/run/affect-edge-state"
    folder = [f"BindPaths=/var/lib/private/{name}:{place}", f"Environment=STATE_DIRECTORY={place}"] if name else []
    return [*kept, f"User={uid}", *folder]


def _ask(unit: str, *question: str) -> str:
    try:
        done = subprocess.run(
            ["systemctl", *question, unit], capture_output=True, text=True, timeout=20, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EdgeError(f"{unit}: systemctl cannot be asked ({error})", "leave out --sandbox") from error
    if done.returncode != 0:
        raise EdgeError(f"{unit}: systemd does not know it", "install the unit, or leave out --sandbox")
    return done.stdout


def service_settings(text: str) -> list[str]:
    """The `[Service]` settings that shut a service in, in order, from what `systemctl cat` prints."""
    settings, section = [], ""
    for raw in re.sub(r"\\\n\s*", "", text).splitlines():
        line = raw.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith(("#", ";", *_LEFT_OUT)):
            settings.append(line)
    return settings
