"""From proven rows to a fleet on disk; a second time changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.cli.init.drop_in import NAME, write_drop_in
from firmware_config.fleet.broker_files import SCOPE, write_broker_files
from firmware_config.fleet.files import PLAIN, SECRET, write_file
from firmware_config.fleet.folder import FleetFolder
from firmware_config.fleet.label import draw_label
from firmware_config.fleet.names import check_slug
from firmware_config.fleet.rows import CA_ON_DEVICE, Enrolment
from firmware_config.fleet.seed import write_seed

_PASSWORD_ON_DEVICE = Path("/etc/affect-edge/mqtt-password")


@dataclass(slots=True)
class Tally:
    """What became of the rows; each list names `site/device`."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    broker_changed: bool = False


def enrol_rows(fleet: FleetFolder, rows: Sequence[Enrolment], keys: list[str], tick: Callable[[], None]) -> Tally:
    """Writes a folder for each row; one that was revoked stays so.

    Raises:
        ConfigError: a file cannot be written or a password not be read.
    """
    tally = Tally()
    fleet.prepare()
    for row in rows:
        member = fleet.member(row.site, row.device)
        name = f"{row.site}/{row.device}"
        if member.revoked:
            tally.skipped.append(name)
        else:
            there = member.path.is_dir()
            changed = _write_device(fleet, member.path, row, keys)
            (tally.new if not there else tally.changed if changed else tally.unchanged).append(name)
        tick()
    return tally


def add_readers(fleet: FleetFolder, readers: Sequence[str]) -> None:
    """Makes users who may read: `NAME` everything, `NAME=SITE` one site.

    Raises:
        ConfigError: not such a text.
    """
    fleet.prepare()
    for reader in readers:
        name, given, site = reader.partition("=")
        folder = fleet.path / "readers" / check_slug(name, "--reader")
        fleet.password(folder)
        write_file(folder / SCOPE, (check_slug(site, "--reader") if given else "+") + "\n")


def finish(fleet: FleetFolder, tally: Tally) -> Tally:
    """Brings the broker's files to what the folder holds now."""
    tally.broker_changed = write_broker_files(fleet)
    return tally


def _write_device(fleet: FleetFolder, folder: Path, row: Enrolment, keys: list[str]) -> bool:
    drop_in = write_drop_in(row.config, broker=row.broker, resolvers=row.resolvers, credential=_PASSWORD_ON_DEVICE)
    password = fleet.password(folder)
    files = {"config.toml": row.toml, NAME: drop_in, "label.svg": draw_label(row)}
    files |= write_seed(row, drop_in, password, keys)
    if row.ca:
        files[CA_ON_DEVICE] = row.ca
    changed = [
        write_file(folder / name, text, mode=SECRET if name == "user-data" else PLAIN) for name, text in files.items()
    ]
    return any(changed)
