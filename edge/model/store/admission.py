"""What a bundle has to show before it is kept, and again before it is to run: papers, version, and its golden vectors.

All of it on this device, on the engine that is configured, and before anything is switched.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edge.affect.model import AffectModel, prepare_model
from edge.affect.verification import check_licences
from edge.config import Config
from edge.errors import BundleError
from edge.model.bundle import Bundle, default_bundle, load_bundle
from edge.model.store.state import SHIPPED
from edge.model.store.store import Entry

_HASH_CHARACTERS = 6  # the fewest that name a bundle


def admit(path: Path, config: Config, here: Iterable[Entry], *, allow_older: bool) -> AffectModel:
    """Checks signature, hashes, licences, version, runtime and golden vectors, in this order.

    Args:
        path: a folder or ZIP.
        config: its `model.public_key` and `engine`.
        here: what is installed.
        allow_older: lets a bundle in whose version is not higher than one of its name.

    Raises:
        BundleError, EngineError: the first thing that is wrong.
        ConfigError: the key cannot be used.
    """
    try:
        bundle = load_bundle(path, Path(config.model.public_key) if config.model.public_key else None)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    check_licences(bundle)
    if not allow_older:
        _check_version(bundle, here, path)
    return prepare_model(bundle, config.engine)


def find(wanted: str, here: Iterable[Entry]) -> Entry:
    """The bundle that someone means: `shipped`, the beginning of its hash, or its name for the highest version.

    Raises:
        BundleError: none is meant, or more than one.
    """
    entries = list(here)
    if wanted == SHIPPED:
        return next(entry for entry in entries if entry.choice == SHIPPED)
    named = [entry for entry in entries if entry.bundle and entry.bundle.manifest.name == wanted]
    if named:
        highest = max(_version(entry) for entry in named)
        found = [entry for entry in named if _version(entry) == highest]
    else:
        long_enough = len(wanted) >= _HASH_CHARACTERS
        found = [entry for entry in entries if long_enough and _sha256(entry).startswith(wanted.lower())]
    if len({_sha256(entry) for entry in found}) > 1:
        raise BundleError(f"{wanted}: more than one bundle is called so; give its hash, as `bundle list` shows it")
    if not found:
        raise BundleError(f"{wanted}: no bundle here is called so; see `affect-edge bundle list`")
    return found[0]


def _check_version(bundle: Bundle, here: Iterable[Entry], path: Path) -> None:
    manifest = bundle.manifest
    # The shipped one counts even where it may not run, for want of a signature.
    for other in (load_bundle(default_bundle()), *(entry.bundle for entry in here)):
        if other is None or other.manifest.name != manifest.name or other.sha256 == bundle.sha256:
            continue
        if other.manifest.version > manifest.version:
            found = f"version {other.manifest.version} is here, and this is {manifest.version}"
        elif other.manifest.version == manifest.version:
            found = f"version {manifest.version} is here with other contents"
        else:
            continue
        raise BundleError(f"{path}: {manifest.name}: {found}; --allow-older installs it all the same")


def _version(entry: Entry) -> int:
    return entry.bundle.manifest.version if entry.bundle else 0


def _sha256(entry: Entry) -> str:
    return entry.bundle.sha256 if entry.bundle else entry.choice
