"""`affect-edge bundle`: another model on this device, and the way back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from edge.affect.untrusted import prove
from edge.audit import AuditLog, audit_log
from edge.cli import app, echo_json
from edge.config import Config, load_config
from edge.errors import BundleError, ConfigError, EngineError
from edge.model.bundle import Bundle, check_licences, load_bundle
from edge.model.signature import trusted_keys
from edge.model.store import SHIPPED, Entry, State, Store

verbs = typer.Typer(
    help="Install another model bundle, and go back. The service takes the active one at its next start, and goes back "
    "by itself after three failed starts. A better figure of accuracy is about expressions in pictures that people "
    "rated, not about feelings.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog="Example: sudo affect-edge bundle install new.zip --activate --config /etc/affect-edge/config.toml",
)
app.add_typer(verbs, name="bundle")

ConfigFile = Annotated[Path, typer.Option("--config", help="The device's configuration, TOML.", show_default=False)]
_NEXT = "active from the next start on"
_RESTART = "restart the service to run it: systemctl restart affect-edge"
_LEAST_HASH = 6  # characters that name a bundle


@verbs.command(epilog="Example: sudo affect-edge bundle install new.zip --config /etc/affect-edge/config.toml")
def install(
    file: Annotated[Path, typer.Argument(help="A bundle's folder or ZIP.", show_default=False)],
    config: ConfigFile,
    activate: Annotated[bool, typer.Option("--activate", help="Run it from the next start on.")] = False,
    allow_older: Annotated[bool, typer.Option("--allow-older", help="Also if its version is not higher.")] = False,
) -> None:
    """Keep a bundle on this device: checked, and its golden vectors reproduced here, before anything is written.

    Signature, hashes, licences, version and golden vectors are looked at; the graphs are opened by a process without
    rights. Nothing that runs changes without --activate.
    """
    chosen, store = _open(config, changes=activate)
    try:
        bundle = load_bundle(file, *trusted_keys(chosen.model))
        check_licences(bundle)
        if not allow_older:
            _check_version(bundle, store.entries(), file)
        proof = prove(bundle, chosen.engine)
    except (BundleError, EngineError) as error:
        _record(chosen, _as_owner(chosen), "model_refused", reason=error.message)
        raise
    store = _as_owner(chosen)
    store.add(bundle)
    _record(chosen, store, "model_installed", model=_told(bundle))
    typer.echo(f"installed {_told(bundle)}, golden vectors reproduced on {proof.engine}")
    if activate:
        store.activate(bundle.sha256)
        _record(chosen, store, "model_activated", model=_told(bundle))
        typer.echo(f"{_NEXT}; {_RESTART}")


@verbs.command(epilog="Example: sudo affect-edge bundle activate 1f0c9a --config /etc/affect-edge/config.toml")
def activate(
    wanted: Annotated[
        str, typer.Argument(metavar="NAME|HASH", help="As `list` shows it, or `shipped`.", show_default=False)
    ],
    config: ConfigFile,
) -> None:
    """Run an installed bundle from the next start on. Its golden vectors are reproduced here once more before.

    A name means the highest version of that name; six or more characters of the hash mean exactly one bundle.
    """
    chosen, store = _open(config, changes=True)
    entry = _find(wanted, store.entries())
    if entry.bundle is None:
        raise BundleError(entry.damage)
    prove(entry.bundle, chosen.engine)
    store = _as_owner(chosen)
    store.activate(entry.choice)
    _record(chosen, store, "model_activated", model=_told(entry.bundle))
    typer.echo(f"{_NEXT}: {_told(entry.bundle)}; {_RESTART}")


@verbs.command(epilog="Example: sudo affect-edge bundle rollback --config /etc/affect-edge/config.toml")
def rollback(config: ConfigFile) -> None:
    """Run the previous bundle again from the next start on; without one, the bundle that ships.

    Where the record of what is active cannot be read, the shipped one; what is installed stays.
    """
    chosen, _ = _open(config, changes=True)
    store = _as_owner(chosen)
    state = store.roll_back()
    _record(chosen, store, "model_rolled_back", model=state.active, reason="asked to")
    typer.echo(f"{_NEXT}: {state.active[:12]}; {_RESTART}")


@verbs.command("list", epilog="Example: sudo affect-edge bundle list --config /etc/affect-edge/config.toml")
def list_bundles(
    config: ConfigFile,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Show what is installed, what runs, and which bundle was given up."""
    chosen, store = _open(config, changes=False)
    state = store.state()
    rows = [_row(entry, state) for entry in store.entries()]
    if json:
        facts = {"store": store.folder, "configured": chosen.model.bundle or None, "failed": state.failed}
        echo_json({**facts, "bundles": rows})
        return
    for row in rows:
        what = f"{row['state']:<10} {row['name']:<16} {row['version']:>4}  {row['sha256'][:12]}"
        typer.echo(f"{what}  {row['bytes'] / 1e6:5.1f} MB  {row['installed']:%Y-%m-%d %H:%M} UTC  {row['signature']}")
    if chosen.model.bundle:
        typer.echo(f"not used: model.bundle in {config} names what runs")
    if state.failed:
        typer.echo(f"given up: {state.failed[:12]}, for its starts failed; the service's log says why")


def _row(entry: Entry, state: State) -> dict[str, Any]:
    bundle, choice = entry.bundle, entry.choice
    places = {state.previous: "previous", state.active: "active"}
    return {
        "state": places.get(choice, "shipped" if choice == SHIPPED else "installed") if bundle else "damaged",
        "name": bundle.manifest.name if bundle else "?",
        "version": bundle.manifest.version if bundle else "?",
        "sha256": entry.sha256,
        "signature": bundle.signer if bundle else entry.damage,
        "bytes": sum(map(len, bundle.contents.values())) if bundle else 0,
        "installed": entry.installed.replace(microsecond=0),
    }


def _open(file: Path, *, changes: bool) -> tuple[Config, Store]:
    config = load_config(file)
    if changes and config.model.bundle:
        raise ConfigError("model.bundle: names what runs, so activating has no effect", fix="remove the key")
    return config, Store(config.model)


def _as_owner(config: Config) -> Store:
    """The store, to be changed. Root becomes, for good, the user whose folder the store is in.

    A link that a broken-in service left there would lead root elsewhere, and what root wrote the service could not
    replace. The folder is entered first: the way to it leads through /var/lib/private, which is root's alone.
    """
    folder = Path(config.model.store)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        owner = folder.parent.stat()
        if os.geteuid() != 0 or owner.st_uid == 0:
            return Store(config.model)
        os.chdir(folder.parent)
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
    except OSError as error:
        raise BundleError(f"{folder.parent}: cannot be entered ({error.strerror})", fix="use sudo") from error
    return Store(msgspec.structs.replace(config.model, store=folder.name))


def _record(config: Config, store: Store, act: str, **details: str) -> None:
    """Tells the audit log. `store` is what `_as_owner` gave: the way to its folder may be root's alone."""
    log = audit_log(config)
    entered = not store.folder.is_absolute() and log.path.parent == Path(config.model.store).parent
    (AuditLog(Path(log.path.name)) if entered else log).append(act, "", **details)


def _find(wanted: str, entries: Sequence[Entry]) -> Entry:
    """The bundle that is meant: `shipped`, the beginning of its hash, or its name for the highest version."""
    named = {one.bundle.manifest.version: one for one in entries if one.bundle and one.bundle.manifest.name == wanted}
    if named:
        return named[max(named)]
    hashed = len(wanted) >= _LEAST_HASH
    for one in entries:
        if one.choice == wanted or (hashed and one.sha256.startswith(wanted)):
            return one
    raise BundleError(f"{wanted}: no bundle here is called so", fix="see `affect-edge bundle list`")


def _check_version(bundle: Bundle, entries: Sequence[Entry], path: Path) -> None:
    manifest = bundle.manifest
    others = [one.bundle.manifest for one in entries if one.bundle and one.sha256 != bundle.sha256]
    highest = max((one.version for one in others if one.name == manifest.name), default=0)
    if highest >= manifest.version:
        raise BundleError(
            f"{path}: {manifest.name}: version {highest} is here, and this is {manifest.version}",
            fix="--allow-older installs it all the same",
        )


def _told(bundle: Bundle) -> str:
    return f"{bundle.manifest.name} {bundle.manifest.version}, {bundle.sha256[:12]}"
