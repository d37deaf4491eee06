"""What `python -m firmware_config gateway` takes and says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from edge.errors import ConfigError
from firmware_config.fleet.broker_files import write_broker_files
from firmware_config.fleet.files import SECRET, write_file
from firmware_config.fleet.folder import FleetFolder
from firmware_config.fleet.names import check_slug
from firmware_config.gateway.configuration import ETC, Gateway, write_gateway

CONF = "affect-edge-gateway.conf"
_TLS_PORT = 8883


def gateway(
    site: Annotated[str, typer.Option("--site", help="Whose cameras come to it.")],
    central: Annotated[str, typer.Option("--central", help="The broker in the centre, HOST or HOST:PORT, over TLS.")],
    fleet: Annotated[Path, typer.Option("--fleet", help="The folder that `enrol` made.")] = Path("fleet"),
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", help="The centre's own certificate authority, PEM.")
    ] = None,
    save_every: Annotated[
        int, typer.Option("--save-every", min=1, help="Windows that a kill may lose; each save writes the whole queue.")
    ] = 1,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Where the cameras come.")] = _TLS_PORT,
) -> None:
    """Makes a store's own broker: it takes the cameras' windows, keeps them, and carries them to the centre.

    Writes the configuration, users and rights for the store into the fleet's folder and gives the store a user of its
    own at the centre, whose files change too. From then on the site's cameras are known to their store only: set
    `broker` in the table to the store's, and enrol again.

    Example: python -m firmware_config gateway --site berlin --central broker.example --fleet fleet
    """
    check_slug(site, "--site")
    found = re.fullmatch(r"\[([0-9a-fA-F:.]+)\](?::(\d{1,5}))?|([A-Za-z0-9._-]+)(?::(\d{1,5}))?", central)
    if found is None or int(found[2] or found[4] or 1) > 65535:
        raise ConfigError(f"--central: {central!r} is neither HOST nor HOST:PORT")
    authority = _read_authority(ca_file) if ca_file is not None else ""
    folder = FleetFolder(fleet)
    folder.prepare()
    own = fleet / "gateways" / site
    settings = Gateway(
        site=site,
        central=found[1] or found[3],
        central_port=int(found[2] or found[4] or _TLS_PORT),
        own_authority=bool(authority),
        port=port,
        save_every=save_every,
    )
    changed = write_file(own / CONF, write_gateway(settings, folder.password(own)), mode=SECRET)
    if authority:
        changed |= write_file(own / "central-ca.pem", authority)
    changed |= write_broker_files(folder)
    typer.echo(f"{'written' if changed else 'unchanged'}  {own}: {CONF}, passwords, acl")
    typer.echo(f"for the store's broker: {CONF} into /etc/mosquitto/conf.d/, the others into {ETC}/,")
    typer.echo("  with store.pem and store.key, its certificate for the name that the cameras use; then restart it")
    typer.echo(f"for the centre: {fleet}/broker/passwords and acl, and reload it")


def _read_authority(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--ca-file: {path} cannot be read ({error})") from error
    if "-----BEGIN CERTIFICATE-----" not in text or "PRIVATE KEY" in text:
        raise ConfigError(f"--ca-file: {path} has to hold certificates in PEM, and no private key")
    return text
