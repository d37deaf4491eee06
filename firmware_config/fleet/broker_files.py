"""Mosquitto's password and access files, for the central broker and for each store's gateway, from the fleet's folder.

A device whose site has a gateway is known there and not at the centre: its password opens one door.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import ConfigError
from firmware_config.fleet.credentials import fits, hash_password
from firmware_config.fleet.files import PLAIN, SECRET, read_secret, write_file
from firmware_config.fleet.folder import PASSWORD, FleetFolder, Member
from firmware_config.fleet.names import gateway_username, username_of

_ACL_HEAD = """# Who may do what at this broker, written by `python -m firmware_config enrol`, over any changes.
# A device may write below its own name (window, status, health; probe for `affect-edge doctor`) and read nothing.
"""


SCOPE = "site"  # a reader's file: whose devices they may hear, `+` for all


@dataclass(frozen=True, slots=True)
class _User:
    name: str
    folder: Path
    topics: list[str] = field(default_factory=list)

    def password(self) -> str:
        found = read_secret(self.folder / PASSWORD)
        if not found:
            raise ConfigError(
                f"{self.folder / PASSWORD}: is gone; revoke this one, or delete its folder and enrol anew"
            )
        return found


def write_broker_files(fleet: FleetFolder) -> bool:
    """Writes all of them anew where they differ; returns whether any did.

    Raises:
        ConfigError: a password is gone, or a file cannot be written.
    """
    present = [member for member in fleet.members() if not member.revoked]
    gateways = dict(fleet.gateways())
    central = [_device(member) for member in present if member.site not in gateways]
    central += [_gateway(site, folder) for site, folder in gateways.items()]
    central += [_reader(name, folder) for name, folder in fleet.readers()]
    changed = _write(fleet.path / "broker", central)
    for site, folder in gateways.items():
        changed |= _write(folder, [_device(member) for member in present if member.site == site])
    return changed


def _device(member: Member) -> _User:
    topics = [f"topic write affect/v1/{member.site}/{member.device}/+"]
    return _User(username_of(member.site, member.device), member.path, topics)


def _gateway(site: str, folder: Path) -> _User:
    """It speaks for its site's devices, and about itself."""
    topics = [f"topic write affect/v1/{site}/+/+", f"topic write affect/gateway/{site}/state"]
    return _User(gateway_username(site), folder, topics)


def _reader(name: str, folder: Path) -> _User:
    try:
        site = (folder / SCOPE).read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigError(f"{folder / SCOPE}: cannot be read ({error.strerror})") from error
    return _User(name, folder, [f"topic read affect/v1/{site}/#", f"topic read affect/gateway/{site}/state"])


def _write(folder: Path, users: Iterable[_User]) -> bool:
    path = folder / "passwords"
    known = _read_hashes(path)
    hashes, acl = [], [_ACL_HEAD]
    for user in users:
        password = user.password()
        kept = known.get(user.name, "")
        hashes.append(f"{user.name}:{kept if fits(password, kept) else hash_password(password)}\n")
        acl.append("\n".join([f"user {user.name}", *user.topics]) + "\n")
    changed = write_file(path, "".join(hashes), mode=SECRET)
    return write_file(folder / "acl", "\n".join(acl), mode=PLAIN) or changed


def _read_hashes(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    return {name: hashed for name, _, hashed in (line.partition(":") for line in lines)}
