"""Which bundles from outside are trusted: those of a release, of the owner, or any where the configuration says so."""

from __future__ import annotations

from pathlib import Path

from edge.config import ModelConfig
from edge.model.bundle import Bundle, default_bundle, load_bundle
from edge.model.signature import RELEASE_KEYS


def read_trusted(path: Path, model: ModelConfig) -> Bundle:
    """Reads a bundle from outside: signed by the release or by `model.public_key`.

    With `model.allow_unsigned` and no `model.public_key`, nobody needs to have signed it.

    Raises:
        BundleError: it is not signed so, or damaged.
        ConfigError: the key cannot be used.
    """
    own = [Path(model.public_key)] if model.public_key else []
    return load_bundle(path, *([] if model.allow_unsigned and not own else [RELEASE_KEYS, *own]))


def read_configured(model: ModelConfig) -> Bundle:
    """The bundle that `model.bundle` names, else the shipped one; raises what `read_trusted` does."""
    return read_trusted(Path(model.bundle), model) if model.bundle else load_bundle(default_bundle())
