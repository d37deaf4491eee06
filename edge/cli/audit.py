"""`affect-edge audit`: shows what was done with this device, and checks that nothing was changed afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from edge.audit import audit_log
from edge.cli import app
from edge.cli.run import CONFIG
from edge.config import load_config


@app.command(epilog="Example: sudo affect-edge audit --config /etc/affect-edge/config.toml")
def audit(
    config: Annotated[Path, typer.Option(help="The device's configuration, TOML.")] = CONFIG,
    seen: Annotated[
        str, typer.Option(help="A head noted before, NUMBER:SHA256: the log has to hold it.", show_default=False)
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="The lines as they are in the file.")] = False,
) -> None:
    """Show the audit log of the last six months, after its chain was checked; exit code 12 if it is not intact.

    A changed byte, a missing line and a cut end are found. Whoever may write to the folder could write both the log and
    its head anew: note the head elsewhere now and then, and give it as --seen.
    """
    log = audit_log(load_config(config))
    lines = log.verify(seen)
    for line in lines:
        if json:
            typer.echo(msgspec.json.encode(line).decode())
            continue
        told = ", ".join(f"{key} {value}" for key, value in line.details.items())
        when = f"{line.at:%Y-%m-%d %H:%M:%S} UTC{'' if line.clock == 'synced' else '?'}"
        typer.echo(f"{line.number:>6}  {when:<24} {line.policy[:12] or '-':<12}  {line.act:<22} {told}".rstrip())
    head = log.head()
    typer.echo(f"intact: {len(lines)} lines; head {head}" if lines else f"{log.path}: nothing was logged yet", err=True)
