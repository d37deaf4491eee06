"""Which bundle `watch` goes by: the one that would run, without trying it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from edge.config import Config, ModelConfig
from edge.model.bundle import Bundle, default_bundle, load_bundle
from edge.model.store.choice import open_store, peek
from edge.model.store.state import activate


def test_the_activated_bundle_is_read_and_not_tried(
    config: Config, folder: Path, tiny: Callable[[int], Bundle]
) -> None:
    bundle = tiny(7)  # which computes nothing
    store = open_store(config, folder)
    store.add(bundle)
    store.change(lambda state: activate(state, bundle.sha256))
    assert peek(config, folder).sha256 == bundle.sha256


def test_where_it_cannot_be_read_another_would_run(config: Config, folder: Path, tiny: Callable[[int], Bundle]) -> None:
    shipped = load_bundle(default_bundle()).sha256
    assert peek(config, folder).sha256 == shipped
    bundle = tiny(7)
    store = open_store(config, folder)
    store.add(bundle)
    store.change(lambda state: activate(state, bundle.sha256))
    (folder / bundle.sha256 / "head.tflite").write_bytes(b"")
    assert peek(config, folder).sha256 == shipped
    (folder / "state.json").write_bytes(b"{")
    assert peek(config, folder).sha256 == shipped


def test_a_configured_bundle_is_the_one(config: Config, folder: Path, real: Callable[..., Path]) -> None:
    mine = real(9)
    chosen = msgspec.structs.replace(config, model=ModelConfig(bundle=str(mine)))
    assert peek(chosen, folder).manifest.version == 9
