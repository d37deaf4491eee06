"""The fleet as it lies on disk: who belongs to it, who was revoked, and whose password is where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ConfigError
from firmware_config.fleet.credentials import make_password
from firmware_config.fleet.files import SECRET, read_secret, write_file

PASSWORD = "mqtt-password"  # noqa: S105 — a file's name
REVOKED = "REVOKED"
_MARK = "# An affect-edge fleet, with its passwords: none of it belongs into a repository.\n*\n"
_SECRETS = (PASSWORD, "user-data")


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """A device's place in the fleet."""

    site: str
    device: str
    path: Path

    @property
    def revoked(self) -> bool:
        """Whether it was taken out for good."""
        return (self.path / REVOKED).exists()


class FleetFolder:
    """The folder that holds a fleet.

    Args:
        path: new, empty, or a fleet already.

    Raises:
        ConfigError: it holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        mark = path / ".gitignore"
        try:
            if path.exists() and any(path.iterdir()) and not (mark.is_file() and mark.read_text() == _MARK):
                raise ConfigError(f"{path}: holds something that is no fleet; name a new or an empty folder")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error

    def prepare(self) -> None:
        """Makes the folder, closed to others, and keeps it out of every repository.

        Raises:
            ConfigError: it cannot be made.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be made ({error.strerror})") from error
        write_file(self.path / ".gitignore", _MARK)

    def member(self, site: str, device: str) -> Member:
        """A device's place, whether it is there or not."""
        return Member(site, device, self.path / "devices" / site / device)

    def members(self) -> Iterator[Member]:
        """All devices that are or were enrolled, sorted."""
        for path in sorted((self.path / "devices").glob("*/*/")):
            yield Member(path.parent.name, path.name, path)

    def readers(self) -> Iterator[tuple[str, Path]]:
        """Names and folders of those who may read."""
        for path in sorted((self.path / "readers").glob("*/")):
            yield path.name, path

    def gateways(self) -> Iterator[tuple[str, Path]]:
        """Sites that have a gateway of their own, and its folder."""
        for path in sorted((self.path / "gateways").glob("*/")):
            yield path.name, path

    def password(self, folder: Path) -> str:
        """The password of whoever owns a folder; made once, kept for ever.

        Raises:
            ConfigError: it cannot be read or written, or others can read it.
        """
        path = folder / PASSWORD
        found = read_secret(path)
        if not found:
            found = make_password()
            write_file(path, found + "\n", mode=SECRET)
        return found

    def revoke(self, site: str, device: str) -> bool:
        """Takes a device out: its secrets go, its folder says so; returns whether that is new.

        Raises:
            ConfigError: there is no such device.
        """
        member = self.member(site, device)
        if not member.path.is_dir():
            raise ConfigError(f"--revoke {site}/{device}: there is no such device in {self.path}")
        changed = write_file(
            member.path / REVOKED,
            "Revoked: the broker's files do not know this device any more, and its password was deleted.\n"
            "To enrol it again, with a new password, delete this folder and run enrol.\n",
        )
        for name in _SECRETS:
            (member.path / name).unlink(missing_ok=True)
        return changed
