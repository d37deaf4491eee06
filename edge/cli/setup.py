"""`affect-edge setup`: lets one person see and set up a running device on its page, for half an hour."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Annotated

import typer

from edge.audit import audit_log
from edge.cli import app
from edge.cli.run import CONFIG
from edge.config import LOOPBACK, Config, overlay_of, read_config
from edge.errors import AuditError, ConfigError
from edge.web.access import MINUTES, grant_file, write_grant
from edge.web.relay import listen, make_context, relay

PAGE = "127.0.0.1"


@app.command(epilog="Example: affect-edge setup --address 192.0.2.20")
def setup(
    config: Annotated[Path, typer.Option(help="The running device's configuration, TOML.")] = CONFIG,
    address: Annotated[
        str, typer.Option(help="The machine's own address for the local network; empty: loopback alone, for ssh -L.")
    ] = "",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the local network finds the page.")] = 8443,
) -> None:
    """Print a code for the page of a running device: faces as dots, zones to draw, hours, and how the device is.

    The service has to run with [web] port. The code opens the page once, for 30 minutes. With --address it is on the
    local network for so long, over TLS: compare the fingerprint with the one that the browser shows.
    """
    given = read_config(config)
    page = given.web.port
    if not page:
        raise ConfigError(f"{config}: web.port: the page is off", fix="set [web] port = 8480 and restart the service")
    try:
        socket.create_connection((PAGE, page), timeout=3).close()
    except OSError as error:
        fix = "start the service: it serves the page"
        raise ConfigError(f"web.port: nothing answers at {PAGE}:{page} ({error.strerror})", fix=fix) from error
    grant = grant_file(overlay_of(config, given).parent)
    if not address or address in LOOPBACK:
        _tell(given, "loopback")
        code = _grant(grant, [])
        typer.echo(f"Page:  http://localhost:{page}/   (from elsewhere: ssh -L {page}:localhost:{page} THIS-MACHINE)")
        typer.echo(f"Code:  {code}   (once, within {MINUTES} minutes)")
        return
    host = f"[{address}]" if ":" in address else address
    try:
        listener = listen(address, port)
    except OSError as error:
        raise ConfigError(f"--address {address}: port {port} cannot be opened ({error.strerror})") from error
    _tell(given, host)
    context, fingerprint = make_context([address], MINUTES)
    code = _grant(grant, [host if port == 443 else f"{host}:{port}"])
    typer.echo(f"Page:         https://{host}:{port}/   (for {MINUTES} minutes, or until Ctrl-C)")
    typer.echo(f"Code:         {code}   (once)")
    typer.echo(f"Fingerprint:  {fingerprint}   (SHA-256; the browser warns, and shows it)")
    try:
        asyncio.run(relay(listener, context, (PAGE, page), MINUTES * 60))
    finally:
        grant.unlink(missing_ok=True)
        typer.echo("The page is off the network again.")


def _tell(config: Config, by: str) -> None:
    try:
        audit_log(config).append("setup_opened", "", by=by)
    except AuditError as error:
        raise ConfigError(error.message, fix="run this as root, or as the service's user") from error


def _grant(path: Path, hosts: list[str]) -> str:
    try:
        return write_grant(path, hosts)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror})", fix="run this as root, or as the service's user"
        ) from error
