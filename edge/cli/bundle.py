"""`affect-edge bundle`: another model on this device, tried before it is trusted, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from edge.affect.model import AffectModel, prepare_model
from edge.affect.verification import check_licences
from edge.cli import app
from edge.cli.info import signature_state
from edge.config import Config, load_config
from edge.errors import BundleError, ConfigError
from edge.model.store import state as steps
from edge.model.store.admission import admit, find
from edge.model.store.choice import open_store
from edge.model.store.place import as_owner, store_path
from edge.model.store.state import SHIPPED, State
from edge.model.store.store import Entry, Store
from edge.paths import home_folder, state_directory

verbs = typer.Typer(
    help="Install another model bundle, try it on probation, and go back. The service takes the active one at its "
    "next start. A better figure of accuracy is about expressions in pictures that people rated, not about feelings.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog="Example: sudo affect-edge bundle install new.zip --activate --config /etc/affect-edge/config.toml",
)
app.add_typer(verbs, name="bundle")

ConfigFile = Annotated[Path, typer.Option("--config", help="The device's configuration, TOML.", show_default=False)]
_RESTART = "restart the service to run it: systemctl restart affect-edge"


@verbs.command(epilog="Example: sudo affect-edge bundle install new.zip --config /etc/affect-edge/config.toml")
def install(
    file: Annotated[Path, typer.Argument(help="A bundle's folder or ZIP.", show_default=False)],
    config: ConfigFile,
    activate: Annotated[bool, typer.Option("--activate", help="Run it from the next start on, on probation.")] = False,
    allow_older: Annotated[bool, typer.Option("--allow-older", help="Also if its version is not higher.")] = False,
) -> None:
    """Keep a bundle on this device: checked, and its golden vectors reproduced here, before anything is written.

    Signature (where [model] public_key is set), hashes, licences, version, runtime and disk are looked at. Nothing
    that runs changes without --activate.
    """
    chosen, folder = _open(config)
    if activate:
        _require_store(chosen)
    store = open_store(chosen, folder)
    model = admit(file, chosen, store.entries(), allow_older=allow_older)
    with _changing(chosen, folder) as mine:
        mine.add(model.bundle)
        if activate:
            mine.change(lambda state: steps.activate(state, model.bundle.sha256))
    typer.echo(f"installed {_told(model)}, golden vectors reproduced on {model.engine}")
    if activate:
        typer.echo(f"active from the next start on, on probation; {_RESTART}")


@verbs.command(epilog="Example: sudo affect-edge bundle activate 1f0c9a --config /etc/affect-edge/config.toml")
def activate(
    wanted: Annotated[
        str, typer.Argument(metavar="NAME|HASH", help="As `list` shows it, or `shipped`.", show_default=False)
    ],
    config: ConfigFile,
) -> None:
    """Run an installed bundle from the next start on, on probation. It is proven here once more before.

    A name means the highest version of that name; six or more characters of the hash mean exactly one bundle.
    """
    chosen, folder = _open(config)
    _require_store(chosen)
    store = open_store(chosen, folder)
    entry = find(wanted, store.entries())
    if entry.bundle is None:
        raise BundleError(entry.damage)
    check_licences(entry.bundle)
    model = prepare_model(entry.bundle, chosen.engine)
    with _changing(chosen, folder) as mine:
        state = mine.change(lambda state: steps.activate(state, entry.choice))
    word = "on probation" if state.probation else "confirmed"
    typer.echo(f"active from the next start on, {word}: {_told(model)}; {_RESTART}")


@verbs.command(epilog="Example: sudo affect-edge bundle rollback --config /etc/affect-edge/config.toml")
def rollback(config: ConfigFile) -> None:
    """Run the previous bundle again from the next start on; without one, the bundle that ships.

    A store whose state cannot be read starts over with the shipped bundle; what is installed stays.
    """
    chosen, folder = _open(config)
    _require_store(chosen)
    with _changing(chosen, folder) as mine:
        try:
            mine.state()
        except BundleError as error:
            mine.restore()
            typer.echo(f"the state could not be read and was made anew ({error})", err=True)
        state = mine.change(steps.roll_back)
    typer.echo(f"active from the next start on: {state.active[:12]}; {_RESTART}")


@verbs.command("list", epilog="Example: sudo affect-edge bundle list --config /etc/affect-edge/config.toml")
def list_bundles(
    config: ConfigFile,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Show what is installed, what runs, and what it went back from."""
    chosen, folder = _open(config)
    store = open_store(chosen, folder)
    state = store.state()
    rows = [_row(entry, state) for entry in store.entries()]
    if json:
        facts = {
            "store": str(folder),
            "configured": chosen.model.bundle or None,
            "probation": state.probation,
            "failure": state.failure,
            "bundles": rows,
        }
        typer.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())
        return
    for row in rows:
        what = f"{row['state']:<10} {row['name']:<16} {row['version']:>4}  {row['sha256'][:12]}"
        size = f"{row['bytes'] / 1e6:5.1f} MB"
        typer.echo(f"{what}  {size}  {row['installed']:%Y-%m-%d %H:%M} UTC  {row['signature']}")
    if chosen.model.bundle:
        typer.echo(f"not used: model.bundle in {config} names what runs")
    if state.probation:
        typer.echo(f"probation: {state.probation.starts} of {steps.MAX_STARTS} starts used")
    if state.failure:
        typer.echo(f"rolled back: {state.failure.bundle[:12]} failed its probation: {state.failure.reason}")


def _row(entry: Entry, state: State) -> dict[str, Any]:
    bundle = entry.bundle
    installed: datetime = entry.installed
    return {
        "state": _state_of(entry, state),
        "name": bundle.manifest.name if bundle else "?",
        "version": bundle.manifest.version if bundle else "?",
        "sha256": bundle.sha256 if bundle else entry.choice,
        "signature": signature_state(bundle) if bundle else entry.damage,
        "bytes": sum(map(len, (*bundle.files.values(), bundle.raw))) if bundle else 0,
        "installed": installed.replace(microsecond=0),
    }


def _state_of(entry: Entry, state: State) -> str:
    if entry.bundle is None:
        return "damaged"
    if entry.choice == state.active:
        return "probation" if state.probation else "active"
    if entry.choice == state.previous:
        return "previous"
    return "shipped" if entry.choice == SHIPPED else "installed"


def _open(file: Path) -> tuple[Config, Path]:
    """The configuration, its paths absolute, and the store's folder."""
    config = load_config(file.absolute())
    return config, store_path(config, file, state=state_directory(), home=home_folder()).absolute()


def _require_store(config: Config) -> None:
    if config.model.bundle:
        raise ConfigError("model.bundle: names what runs, so activating has no effect; remove the key")


@contextmanager
def _changing(config: Config, folder: Path) -> Iterator[Store]:
    """The store, to be changed as the user whose folder it is in."""
    try:
        with as_owner(folder) as mine:
            yield open_store(config, mine)
    except OSError as error:
        raise BundleError(f"{folder}: cannot be entered ({error.strerror}); run it as root, with sudo") from error


def _told(model: AffectModel) -> str:
    manifest = model.bundle.manifest
    return f"{manifest.name} {manifest.version}, {model.bundle.sha256[:12]}"
