"""Where whoever runs this keeps things: the home folder, also of a user who has none, and a service's state folder."""

from __future__ import annotations

import os
from pathlib import Path

NOWHERE = Path("/nonexistent")  # as Debian's own users without a home have it; nothing is ever there


def home_folder() -> Path:
    """The home of the user who runs this; `NOWHERE` where neither HOME nor the user database tells of one."""
    try:
        return Path.home()
    except RuntimeError:
        return NOWHERE


def state_directory() -> str:
    """`STATE_DIRECTORY`, the folder that systemd gives a service; empty without one (systemd.exec(5))."""
    return os.environ.get("STATE_DIRECTORY", "")
