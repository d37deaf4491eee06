"""The order in which bundles are tried, and the word for why one of them runs. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from edge.affect.model import AffectModel, load_model, prepare_model
from edge.config import Config, EngineConfig
from edge.errors import BundleError, EngineError
from edge.model.bundle import Bundle, load_bundle
from edge.model.store.state import SHIPPED, State
from edge.model.store.store import Store

PassedOver = Callable[[str, str, Exception], None]


def in_order(state: State | None) -> list[str]:
    """The bundles to try: the active one, the one before it, the shipped one. None: the store cannot be used."""
    return list(dict.fromkeys([SHIPPED] if state is None else [state.active, state.fallback, SHIPPED]))


def load_first(
    store: Store, choices: Sequence[str], engine: EngineConfig, passed_over: PassedOver
) -> tuple[AffectModel, str]:
    """The first of some bundles that can be used here, and its name in the store.

    Args:
        store: holds them.
        choices: at least one.
        engine: to compute with.
        passed_over: told of each that cannot be used, of the next, empty when there is none, and of the reason.

    Raises:
        BundleError, EngineError: none can be used; why the first one cannot.
        ConfigError: the public key cannot be used.
    """
    first: BundleError | EngineError | None = None
    for choice, after in zip(choices, [*choices[1:], ""], strict=True):
        try:
            return prepare_model(store.load(choice), engine), choice
        except (BundleError, EngineError) as error:
            first = first or error
            passed_over(choice, after, error)
    raise first or BundleError(f"{store.folder}: no bundle to try")


def why(state: State | None, choice: str) -> str:
    """Why a bundle runs, as a health message says it."""
    if state is None or choice != state.active:
        return "fallback"
    if state.probation:
        return "probation"
    if state.failure:
        return "rolled_back"
    return "shipped" if choice == SHIPPED else "confirmed"


def look(config: Config, folder: Path | None, engine: EngineConfig) -> tuple[AffectModel, str]:
    """What a run would take now, and why; `folder` is the store's, if there is one. Raises what `load_first` does."""
    if config.model.bundle or folder is None:
        return load_model(config.model, engine), "configured" if config.model.bundle else "shipped"
    store = open_store(config, folder)
    state = _state(store)
    model, choice = load_first(store, in_order(state), engine, lambda *_: None)
    return model, why(state, choice)


def peek(config: Config, folder: Path) -> Bundle:
    """The bundle that a run would take, read and checked but not tried: where it would not run, another would.

    Raises:
        BundleError: none can be read; why the last one cannot.
        ConfigError: the public key cannot be used.
    """
    if config.model.bundle:
        return load_bundle(Path(config.model.bundle), _key(config))
    store = open_store(config, folder)
    *others, last = in_order(_state(store))
    for choice in others:
        with suppress(BundleError):
            return store.load(choice)
    return store.load(last)


def open_store(config: Config, folder: Path) -> Store:
    """The store of a device."""
    return Store(folder, _key(config))


def _key(config: Config) -> Path | None:
    return Path(config.model.public_key) if config.model.public_key else None


def _state(store: Store) -> State | None:
    """What a store says; None where it cannot be used."""
    try:
        return store.state()
    except BundleError:
        return None
