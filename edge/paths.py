"""The folders that this program uses: the user's home, and where a device keeps what must survive a restart."""

from __future__ import annotations

import os
from pathlib import Path

NOWHERE = Path("/nonexistent")  # the home of Debian's users that have none; nothing is ever there
CONFIGS = Path("/etc/affect-edge")
_SERVICES = Path("/var/lib/affect-edge")


def home_folder() -> Path:
    """The home of the user who runs this; `NOWHERE` where neither HOME nor the user database names one."""
    try:
        return Path.home()
    except RuntimeError:
        return NOWHERE


def state_folder(config_file: Path | None, site: str, device: str) -> Path:
    """Where a device keeps its outbox and its bundles: the same folder for its service and for every command.

    Args:
        config_file: the device's configuration. One in /etc/affect-edge belongs to a service, whoever reads it:
            /var/lib/affect-edge for config.toml, /var/lib/affect-edge-NAME for NAME.toml.
        site, device: name the folder in the user's home, for every other file.

    Returns:
        An absolute path; `$STATE_DIRECTORY` where systemd gives one (systemd.exec(5)). The folder need not exist.
    """
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    if config_file is not None and config_file.absolute().parent == CONFIGS:
        return _SERVICES if config_file.stem == "config" else Path(f"{_SERVICES}-{config_file.stem}")
    return home_folder() / ".local" / "state" / "affect-edge" / f"{site}-{device}"
