"""Bundles that lie in the store: kept whole, found again, or told to be damaged."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import BundleError
from edge.model.bundle import Bundle, default_bundle, load_bundle
from edge.model.store import files
from edge.model.store import state as steps
from edge.model.store.state import SHIPPED, State
from edge.model.store.store import Store

Tiny = Callable[[int], Bundle]


def test_a_store_that_is_not_there_holds_the_shipped_bundle(folder: Path) -> None:
    store = Store(folder)
    assert store.state() == State()
    assert [entry.choice for entry in store.entries()] == [SHIPPED]
    assert store.load(SHIPPED).sha256 == load_bundle(default_bundle()).sha256
    assert not folder.exists()


def test_a_bundle_comes_back_byte_for_byte_and_twice_is_once(folder: Path, tiny: Tiny) -> None:
    bundle, store = tiny(1), Store(folder)
    store.add(bundle)
    before = (folder / bundle.sha256).stat()
    store.add(bundle)
    assert (folder / bundle.sha256).stat().st_ino == before.st_ino
    again = store.load(bundle.sha256)
    assert (again.raw, dict(again.files)) == (bundle.raw, dict(bundle.files))


def test_a_damaged_bundle_is_told_and_installed_anew(folder: Path, tiny: Tiny) -> None:
    bundle, store = tiny(1), Store(folder)
    store.add(bundle)
    (folder / bundle.sha256 / "head.tflite").write_bytes(b"")
    assert "head.tflite is not the file" in store.entries()[1].damage
    store.add(bundle)
    assert store.entries()[1].damage == ""


def test_a_bundle_under_a_false_name_is_refused(folder: Path, tiny: Tiny) -> None:
    bundle, store = tiny(1), Store(folder)
    store.add(bundle)
    shutil.copytree(folder / bundle.sha256, folder / ("0" * 64))
    with pytest.raises(BundleError, match="is another bundle"):
        store.load("0" * 64)


def test_the_oldest_go_but_never_what_runs_or_the_way_back(folder: Path, tiny: Tiny) -> None:
    store, bundles = Store(folder), [tiny(version) for version in range(1, 9)]
    for bundle in bundles[:2]:
        store.add(bundle)
        store.change(lambda s, b=bundle: steps.confirm(steps.activate(s, b.sha256), None))
    for age, bundle in enumerate(bundles[2:]):
        store.add(bundle)
        os.utime(folder / bundle.sha256, (age, age))
    kept = {entry.choice for entry in store.entries()} - {SHIPPED}
    assert kept == {bundle.sha256 for bundle in (*bundles[:2], *bundles[4:])}


def test_a_disk_without_room_is_told_before_anything_is_written(
    folder: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1e9, 1e9, 1_000_000))
    with pytest.raises(BundleError, match="1 MB are free, 16 are needed; free some"):
        Store(folder).add(tiny(1))
    assert [entry.name for entry in folder.iterdir()] == [".lock"]


def test_a_disk_that_fills_up_on_the_way_leaves_nothing_to_be_seen(
    folder: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_write", full)
    with pytest.raises(BundleError, match=r"cannot be changed \(No space left on device\)"):
        Store(folder).add(tiny(1))
    assert len(Store(folder).entries()) == 1


def test_two_processes_do_not_change_it_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(folder)
    store.change(steps.roll_back)
    monkeypatch.setattr(files, "_LOCK_WAIT_S", 0.1)
    with (folder / ".lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BundleError, match="cannot be changed"):
            store.change(steps.roll_back)
    store.change(steps.roll_back)


def test_a_state_that_cannot_be_read_is_told_with_the_way_out(folder: Path) -> None:
    store = Store(folder)
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{")
    with pytest.raises(BundleError, match="bundle rollback` starts over"):
        store.state()
    with pytest.raises(BundleError, match="its state cannot be read"):
        store.change(steps.roll_back)
    store.restore()
    assert store.state() == State()
