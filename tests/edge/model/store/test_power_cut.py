"""The power goes after every single file operation, and the device starts with the old bundle or the new one.

Two disks are looked at after each cut: one that kept everything that was done, and one that kept only what was synced.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.errors import BundleError
from edge.model.bundle import Bundle
from edge.model.store import files
from edge.model.store import state as steps
from edge.model.store.choice import in_order
from edge.model.store.state import SHIPPED
from edge.model.store.store import Store

CUT = ("open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir")
Tiny = Callable[[int], Bundle]


class PowerCut(BaseException):
    """Not an Exception: nothing may catch it and go on."""


class Disk:
    """`os` for the store: fails at the n-th operation, and knows what of a folder would have survived.

    Nothing is really deleted but moved away, so that no inode is used twice.
    """

    def __init__(self, root: Path, attic: Path, cut_at: int | None) -> None:
        self.operations = 0
        self._root, self._attic, self._cut_at = root, attic, cut_at
        self._attic.mkdir(exist_ok=True)
        self._folders: dict[int, dict[str, int]] = {}
        self._files: dict[int, bytes] = {}
        self._kinds: dict[int, bool] = {root.stat().st_ino: True}
        for path in [root, *root.rglob("*")]:
            handle = os.open(path, os.O_RDONLY)
            self._settle(handle)
            os.close(handle)

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CUT:
            return real

        def operate(*arguments: Any, **options: Any) -> Any:
            if self.operations == self._cut_at:
                if name == "write":  # half of it went
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                raise PowerCut
            self.operations += 1
            if name == "fsync":
                self._settle(arguments[0])
            if name in ("unlink", "rmdir"):
                return Path(arguments[0]).rename(self._attic / str(self.operations))
            if name == "replace" and Path(arguments[1]).exists():
                os.link(arguments[1], self._attic / str(self.operations))
            return real(*arguments, **options)

        return operate

    def _settle(self, handle: int) -> None:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            entries = list(os.scandir(handle))
            self._folders[found.st_ino] = {entry.name: entry.inode() for entry in entries}
            self._kinds |= {entry.inode(): entry.is_dir() for entry in entries}
        else:
            self._files[found.st_ino] = Path(f"/proc/self/fd/{handle}").read_bytes()

    def survivors(self, target: Path) -> Path:
        """Writes what was synced into another folder."""

        def write(inode: int, path: Path) -> None:
            if self._kinds[inode]:
                path.mkdir()
                for name, child in self._folders.get(inode, {}).items():
                    write(child, path / name)
            else:
                path.write_bytes(self._files.get(inode, b""))

        write(self._root.stat().st_ino, target)
        return target


def scenarios(tiny: Tiny) -> dict[str, tuple[Callable[[Store], object], Callable[[Store], object], set[str]]]:
    """What was before, what is then done, and which bundles may run after a cut."""
    one, two = tiny(1), tiny(2)

    def nothing(store: Store) -> None:
        store.folder.parent.mkdir(parents=True, exist_ok=True)

    def first(store: Store) -> None:
        nothing(store)
        store.add(one)
        store.change(lambda s: steps.activate(s, one.sha256), lambda s: steps.confirm(s, 0.5))

    def second(store: Store) -> None:
        first(store)
        store.add(two)
        store.change(lambda s: steps.activate(s, two.sha256), steps.begin)

    def full(store: Store) -> None:
        second(store)
        for version in range(3, 7):
            store.add(tiny(version))

    def install(bundle: Bundle) -> Callable[[Store], None]:
        def run(store: Store) -> None:
            store.add(bundle)
            store.change(lambda s: steps.activate(s, bundle.sha256))

        return run

    def repaired(store: Store) -> None:
        second(store)
        (store.folder / tiny(3).sha256).mkdir()
        (store.folder / tiny(3).sha256 / "manifest.json").write_text("{")

    return {
        "first installation": (nothing, install(one), {SHIPPED, one.sha256}),
        "second installation": (first, install(two), {one.sha256, two.sha256}),
        "confirmation": (second, lambda s: s.change(lambda now: steps.confirm(now, 0.4)), {two.sha256}),
        "start": (second, lambda s: s.change(steps.begin), {two.sha256}),
        "failure": (second, lambda s: s.change(lambda now: steps.fail(now, "slow")), {one.sha256, two.sha256}),
        "rollback": (second, lambda s: s.change(steps.roll_back), {one.sha256, two.sha256}),
        "installation over a damaged one": (repaired, install(tiny(3)), {two.sha256, tiny(3).sha256}),
        "installation that removes an old one": (full, install(tiny(7)), {two.sha256, tiny(7).sha256}),
    }


NAMES = (
    "first installation",
    "second installation",
    "confirmation",
    "start",
    "failure",
    "rollback",
    "installation over a damaged one",
    "installation that removes an old one",
)


def offences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Tiny, name: str) -> tuple[int, list[str]]:
    """Cuts one scenario everywhere; how many cuts there were, and after which the device was not as it should be."""
    before, action, allowed = scenarios(tiny)[name]
    found: list[str] = []
    for cut_at in range(1000):
        root = tmp_path / f"cut-{cut_at}"
        root.mkdir()
        store = Store(root / "state" / "bundles")
        before(store)
        disk = Disk(root, tmp_path / f"attic-{cut_at}", cut_at)
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", disk)
            try:
                action(store)
                finished = True
            except PowerCut:
                finished = False
        for kind, kept in (("all", root), ("synced", disk.survivors(tmp_path / f"synced-{cut_at}"))):
            after = Store(kept / "state" / "bundles")
            try:
                chosen = in_order(after.state())[0]
                after.load(chosen)
                if chosen not in allowed:
                    found.append(f"cut {cut_at}, {kind}: {chosen} runs")
                if finished:  # what was said to be done is on the disk
                    found += [] if after.state() == store.state() else [f"finished, {kind}: lost again"]
                    continue
                action(after)  # whoever comes back to it can finish it
                left = [entry.name for entry in after.folder.iterdir() if entry.name.startswith(".")]
                if name.startswith(("first", "second", "installation")) and left != [".lock"]:
                    found.append(f"cut {cut_at}, {kind}: leaves {left}")
            except BundleError as error:
                found.append(f"cut {cut_at}, {kind}: {error}")
        if finished:
            return cut_at, found
    raise AssertionError("it never ends")


@pytest.mark.parametrize("name", NAMES)
def test_power_cut_anywhere_leaves_the_old_bundle_or_the_new_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Tiny
) -> None:
    cuts, found = offences(tmp_path, monkeypatch, tiny, name)
    assert found == []
    assert cuts >= 7


def test_the_scenarios_are_all_run(tiny: Tiny) -> None:
    assert tuple(scenarios(tiny)) == NAMES


def test_a_store_that_does_not_sync_its_folder_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Tiny
) -> None:
    monkeypatch.setattr(files, "_sync_folder", lambda folder: None)
    assert offences(tmp_path, monkeypatch, tiny, "second installation")[1]


def test_a_state_written_in_place_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Tiny) -> None:
    def in_place(path: Path, data: bytes) -> None:
        handle = files.os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        files.os.write(handle, data)
        files.os.close(handle)

    monkeypatch.setattr(files, "replace_file", in_place)
    assert any("all" in offence for offence in offences(tmp_path, monkeypatch, tiny, "rollback")[1])
