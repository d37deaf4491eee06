"""The bundles on this device, each in a folder named by its hash, and the state that says which of them runs.

Owns the folder. Nothing in it is ever changed in place: at each moment every reader sees the old or the new.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edge.errors import BundleError
from edge.model.bundle import MANIFEST, Bundle, default_bundle, load_bundle
from edge.model.signature import SIGNATURE
from edge.model.store import files
from edge.model.store.state import SHIPPED, State, read_state, write_state

_STATE = "state.json"
_MAX_STATE_BYTES = 65_536
_NAME = re.compile("[0-9a-f]{64}")
_KEPT = 4  # bundles that neither run nor are the way back; an older one goes when another comes
_START_OVER = "`affect-edge bundle rollback` starts over with the shipped bundle"
_SPARE_BYTES = 16_000_000  # of the disk that an installation leaves: windows need it more


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """One bundle that lies here.

    Attributes:
        choice: its hash, or `SHIPPED`.
        bundle: read and checked; None where it is damaged.
        damage: what is wrong with it; empty when nothing is.
        installed: when; of the shipped one, the package.
    """

    choice: str
    bundle: Bundle | None
    damage: str
    installed: datetime


class Store:
    """The store in a folder, which need not be there: then only the shipped bundle is, and runs.

    Args:
        folder: for this alone.
        public_key: PEM file of the key that must have signed a bundle; None accepts unsigned ones.
    """

    def __init__(self, folder: Path, public_key: Path | None = None) -> None:
        self.folder = folder
        self._key = public_key

    def state(self) -> State:
        """What is to run.

        Raises:
            BundleError: the state is there and cannot be read.
        """
        try:
            with (self.folder / _STATE).open("rb") as file:
                return read_state(file.read(_MAX_STATE_BYTES))
        except FileNotFoundError:
            return State()
        except OSError as error:
            raise BundleError(f"{self.folder}: its state cannot be read ({error.strerror}); {_START_OVER}") from error
        except BundleError as error:
            raise BundleError(f"{self.folder}: {error}; {_START_OVER}") from error

    def change(self, *steps: Callable[[State], State]) -> State:
        """Takes steps from the state as it is, and keeps the new one; returns it.

        Raises:
            BundleError: the state cannot be read or kept; the old one stands.
        """
        with self._changing():
            old = new = self.state()
            for step in steps:
                new = step(new)
            if new != old:
                files.replace_file(self.folder / _STATE, write_state(new))
            return new

    def restore(self) -> None:
        """Puts a fresh state, in which the shipped bundle runs, in the place of one that cannot be read.

        Raises:
            BundleError: it cannot be kept.
        """
        with self._changing():
            files.replace_file(self.folder / _STATE, write_state(State()))

    def load(self, choice: str) -> Bundle:
        """Reads and checks a bundle.

        Raises:
            BundleError: it is not here, is not what was installed, or is not signed as asked.
            ConfigError: the key cannot be used.
        """
        if choice == SHIPPED:
            return load_bundle(default_bundle(), self._key)
        try:
            bundle = load_bundle(self.folder / choice, self._key)
        except OSError as error:
            raise BundleError(f"{self.folder / choice}: cannot be read ({error.strerror})") from error
        if bundle.sha256 != choice:
            raise BundleError(f"{self.folder / choice}: is another bundle, {bundle.sha256[:12]}; install it anew")
        return bundle

    def add(self, bundle: Bundle) -> None:
        """Keeps a bundle; nothing happens where it lies here whole already.

        Raises:
            BundleError: it cannot be written, or the disk has no room for it.
        """
        contents = {**bundle.files, MANIFEST: bundle.raw}
        if bundle.signature is not None:
            contents[SIGNATURE] = bundle.signature
        with self._changing():
            files.sweep(self.folder)
            self._make_room(bundle.sha256)
            size, free = sum(map(len, contents.values())), shutil.disk_usage(self.folder).free
            if free < size + _SPARE_BYTES:
                raise BundleError(
                    f"{self.folder}: {free / 1e6:.0f} MB are free, {(size + _SPARE_BYTES) / 1e6:.0f} are needed; "
                    "free some"
                )
            target = self.folder / bundle.sha256
            if target.exists():
                if not self._entry(bundle.sha256).damage:
                    return
                files.remove_folder(target)
            files.add_folder(target, contents)

    def entries(self) -> list[Entry]:
        """All bundles here, the shipped one first, then the latest first; a damaged one says so.

        Raises:
            ConfigError: the key cannot be used.
        """
        found = [self._entry(choice) for choice in self._installed()]
        return [self._entry(SHIPPED), *sorted(found, key=lambda entry: entry.installed, reverse=True)]

    def _entry(self, choice: str) -> Entry:
        where = default_bundle() if choice == SHIPPED else self.folder / choice
        bundle, damage = None, ""
        try:
            bundle = self.load(choice)
        except BundleError as error:
            damage = str(error)
        return Entry(
            choice=choice,
            bundle=bundle,
            damage=damage,
            installed=datetime.fromtimestamp(where.stat().st_mtime, timezone.utc),
        )

    def _installed(self) -> list[str]:
        try:
            return sorted(entry.name for entry in self.folder.iterdir() if _NAME.fullmatch(entry.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise BundleError(f"{self.folder}: cannot be read ({error.strerror})") from error

    def _make_room(self, coming: str) -> None:
        state = self.state()
        others = [choice for choice in self._installed() if choice not in (coming, state.active, state.previous)]
        others.sort(key=lambda choice: (self.folder / choice).stat().st_mtime)
        for choice in others[: max(len(others) - _KEPT + 1, 0)]:
            files.remove_folder(self.folder / choice)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            files.make_folder(self.folder)
            with files.locked(self.folder):
                yield
        except OSError as error:
            raise BundleError(f"{self.folder}: cannot be changed ({error.strerror}); who may write there?") from error
