"""The user's home folder, also for a user who has none: a service's user that exists while the service runs."""

from __future__ import annotations

from pathlib import Path

NOWHERE = Path("/nonexistent")  # as Debian's own users without a home have it; nothing is ever there


def home_folder() -> Path:
    """The home of the user who runs this; `NOWHERE` where neither HOME nor the user database tells of one."""
    try:
        return Path.home()
    except RuntimeError:
        return NOWHERE
