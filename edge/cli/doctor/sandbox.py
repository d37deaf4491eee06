"""The examination inside the service's own sandbox: the unit's settings, given to a process that systemd starts once.

What the service may not open, reach or call, the examination may not either, and says so.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from edge.errors import EdgeError

# What makes a service of it, and what a unit made for one run does by itself.
_LEFT_OUT = ("Type", "NotifyAccess", "Restart", "WatchdogSec", "Timeout", "StandardOutput", "StandardError", "Exec")


def sandboxed(unit: str, command: Sequence[str]) -> list[str]:
    """The command that runs another one inside a unit's sandbox.

    Raises:
        EdgeError: systemd is not here or does not know the unit.
    """
    try:
        done = subprocess.run(
            ["systemctl", "cat", unit], capture_output=True, text=True, timeout=20, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EdgeError(f"{unit}: systemctl cannot be asked ({error})", "leave out --sandbox") from error
    if done.returncode != 0:
        raise EdgeError(f"{unit}: systemd does not know it", "install the unit, or leave out --sandbox")
    settings = [word for setting in service_settings(done.stdout) for word in ("--property", setting)]
    return ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", *settings, "--", *command]


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
