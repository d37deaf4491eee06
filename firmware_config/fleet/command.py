"""What `python -m firmware_config enrol` takes and says. No password ever reaches the console."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.progress import Progress
from edge.errors import ConfigError
from firmware_config.fleet.enrolling import Tally, add_readers, enrol_rows, finish
from firmware_config.fleet.folder import FleetFolder
from firmware_config.fleet.names import check_slug
from firmware_config.fleet.rows import COLUMNS, read_defaults, read_rows
from firmware_config.fleet.seed import read_keys

_SHOWN = 5


def enrol(
    table: Annotated[Path | None, typer.Argument(help=f"CSV with a header of {', '.join(COLUMNS)}.")] = None,
    out: Annotated[Path, typer.Option("--out", help="The fleet's folder; new, or one that this made.")] = Path("fleet"),
    defaults: Annotated[Path | None, typer.Option("--defaults", help="TOML: what empty cells mean.")] = None,
    ssh_key: Annotated[
        Path | None, typer.Option("--ssh-key", help="Public keys that may log in; there are no passwords.")
    ] = None,
    reader: Annotated[
        list[str] | None, typer.Option("--reader", help="A user who may read: NAME, or NAME=SITE for one site.")
    ] = None,
    revoke: Annotated[list[str] | None, typer.Option("--revoke", help="SITE/DEVICE that shall not be let in.")] = None,
) -> None:
    """Makes many devices from one table: a folder for each, and the broker's users and rights.

    Each folder holds the configuration, the service's drop-in, the broker's password, a cloud-init seed and a label to
    print. Everything wrong with the table is told at once, and nothing is written then. Run it again after a change:
    what is there keeps its password, a new row is added, a changed one gets a new configuration, and a row that is
    gone stays enrolled until it is revoked. The notice has to hang before a camera is powered.

    Example: python -m firmware_config enrol fleet.csv --defaults defaults.toml --ssh-key admin.pub --out fleet
    """
    if table is None and not revoke and not reader:
        raise ConfigError("nothing to do: name a table, --reader or --revoke")
    fleet = FleetFolder(out)
    leaving = [_split(name) for name in revoke or ()]
    tally = Tally()
    enrolled: set[tuple[str, str]] = set()
    if table is not None:
        if ssh_key is None:
            raise ConfigError("--ssh-key: missing; without one nobody could ever log in to a board")
        keys = read_keys(ssh_key)
        rows = read_rows(table, read_defaults(defaults))
        enrolled = {(row.site, row.device) for row in rows}
    for site, device in leaving:
        if (site, device) not in enrolled and not fleet.member(site, device).path.is_dir():
            raise ConfigError(f"--revoke {site}/{device}: there is no such device in {out}")
    if table is not None:
        with Progress("devices", len(rows), every=100) as bar:
            tally = enrol_rows(fleet, rows, keys, bar.advance)
    add_readers(fleet, reader or ())
    for site, device in leaving:
        if fleet.revoke(site, device):
            tally.revoked.append(f"{site}/{device}")
    _tell(out, finish(fleet, tally))


def _split(name: str) -> tuple[str, str]:
    site, _, device = name.partition("/")
    return check_slug(site, "--revoke"), check_slug(device, "--revoke")


def _tell(out: Path, tally: Tally) -> None:
    for what, names in (
        ("new", tally.new),
        ("changed", tally.changed),
        ("unchanged", tally.unchanged),
        ("revoked", tally.revoked),
        ("in the table, but revoked before", tally.skipped),
    ):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            typer.echo(f"{len(names):>6} {what}: {', '.join(names[:_SHOWN])}{more}")
    typer.echo(f"folders: {out}/devices/SITE/DEVICE   broker: {out}/broker/passwords and acl")
    if tally.broker_changed:
        typer.echo("the broker's files changed: install them and reload the broker (systemctl reload mosquitto)")
    if tally.revoked:
        typer.echo("until that reload a revoked device is still let in; Mosquitto 2.0 then ends its session as well")
