"""Where the store lies, and how root works in it without leaving anything there that the service cannot use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.config import Config
from edge.model.store.files import make_folder

_CONFIGS = Path("/etc/affect-edge")
_SERVICES = Path("/var/lib/affect-edge")


def store_path(config: Config, file: Path, *, state: str, home: Path) -> Path:
    """The store's folder.

    Args:
        config: `model.store` decides when it is given.
        file: the configuration's path. Those in /etc/affect-edge belong to the services, whoever reads them.
        state: the service manager's `STATE_DIRECTORY`, empty without one.
        home: of the user.
    """
    if config.model.store:
        return Path(config.model.store)
    if state:
        return Path(state.partition(":")[0]) / "bundles"
    if file.absolute().parent == _CONFIGS:
        instance = "" if file.stem == "config" else file.stem
        return _SERVICES / instance / "bundles"
    device = config.device
    return home / ".local" / "state" / "affect-edge" / f"{device.site}-{device.name}" / "bundles"


@contextmanager
def as_owner(store: Path) -> Iterator[Path]:
    """Gives a path of the store under which it may be changed; for root, as the user whose folder it is in.

    The folder belongs to the service's user. What root wrote there the service could not replace, and a link that a
    broken-in service left there root would follow: so root becomes that user meanwhile. It goes into the folder first,
    because that user's way to it leads through /var/lib/private, which is root's alone.

    Raises:
        OSError: the folder cannot be made or entered.
    """
    make_folder(store.parent)
    owner = store.parent.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield store
        return
    here, group, groups = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), os.getegid(), os.getgroups()
    os.chdir(store.parent)
    try:
        os.setgroups([])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
        yield Path(store.name)
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
        os.fchdir(here)
        os.close(here)
