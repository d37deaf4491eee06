"""Stores the installed model bundles, selects the one to run, and rolls back if it does not start.

A folder holds `state.json` and each bundle, named by its SHA-256. The service can write to the folder, so nothing in it
is trusted: signature, hashes and golden vectors are checked at every start, and a process of root never loads a model
graph from it (`edge.affect.untrusted`).
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from edge.config import ModelConfig
from edge.contract import ModelState
from edge.errors import BundleError, ConfigError, EdgeError, EngineError, one_line
from edge.model.bundle import Bundle, default_bundle, load_bundle
from edge.model.signature import trusted_keys
from edge.paths import NOWHERE

log = logging.getLogger(__name__)

SHIPPED = "shipped"
_CONFIGURED = "configured"
MAX_STARTS = 3  # failed starts of the active bundle in a row; after them the previous bundle is used
GOOD_S = 60.0  # a start is successful if the run lasts this long
KEPT = 4  # bundles kept besides the active and the previous one; adding another deletes the oldest
_STATE = "state.json"
_MAX_STATE_BYTES = 4096

Used = TypeVar("Used")
Choice = Annotated[str, msgspec.Meta(pattern=r"^(shipped|[0-9a-f]{64})\Z")]


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of `state.json`.

    Attributes:
        active: the bundle to run: its SHA-256, or `SHIPPED`.
        previous: the bundle to use if the active one fails.
        starts: starts of the active bundle in a row that have not succeeded, or not yet.
        failed: the bundle that was rolled back after failed starts; None once another is activated.
    """

    active: Choice = SHIPPED
    previous: Choice = SHIPPED
    starts: Annotated[int, msgspec.Meta(ge=0)] = 0
    failed: Choice | None = None


class Entry(NamedTuple):
    """One stored bundle: its SHA-256 or `SHIPPED`, its contents or what is wrong with it, and when it was installed."""

    choice: str
    bundle: Bundle | None
    damage: str
    installed: datetime

    @property
    def sha256(self) -> str:
        return self.bundle.sha256 if self.bundle else self.choice


class Store:
    """The bundles of a device. If the folder does not exist, the shipped bundle runs.

    Use it as a context manager around a run. A start counts as failed unless the run lasts for `GOOD_S`, ends normally,
    or ends with an error that the model did not cause.

    Args:
        model: `store` is the folder; `bundle`, if set, runs instead of the installed bundles.
    """

    def __init__(self, model: ModelConfig) -> None:
        self._model = model
        self.folder = Path(model.store or NOWHERE)
        self._counted = False
        self._good_at_s = 0.0

    def state(self) -> State:
        """Reads `state.json`. Raises BundleError if it exists and cannot be read."""
        try:
            # Without O_NONBLOCK, a pipe in place of the file would block root's commands for ever.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(self.folder / _STATE, flags), "rb") as file:
                return msgspec.json.decode(file.read(_MAX_STATE_BYTES), type=State)
        except FileNotFoundError:
            return State()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else one_line(error)
            raise BundleError(
                f"{self.folder / _STATE}: cannot be read ({reason})",
                fix="`affect-edge bundle rollback` makes it anew; until then the shipped bundle runs",
            ) from error

    def start(self, use: Callable[[Bundle], Used]) -> tuple[Used, ModelState]:
        """Counts the start, then calls `first`. After it, call `alive` at least every few seconds."""
        try:
            if not self._model.bundle and self.state().active != SHIPPED:
                self._update_state(_count_start)
                self._counted = True
        except BundleError as error:
            log.error("this start could not be recorded: %s", error)
        try:
            used, why = self.first(use)
        except EdgeError:  # not even the shipped bundle works, so the active one is not the cause
            if self._counted:
                self._record_success()
            raise
        self._counted = self._counted and why in ("active", "rolled_back")
        self._good_at_s = time.monotonic() + GOOD_S
        return used, why

    def alive(self) -> None:
        """Records a successful start once the run has lasted for `GOOD_S`."""
        if self._counted and time.monotonic() > self._good_at_s:
            self._record_success()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        model_failed = isinstance(error, (BundleError, EngineError))
        if self._counted and not model_failed and isinstance(error, (EdgeError, KeyboardInterrupt, type(None))):
            self._record_success()

    def first(self, use: Callable[[Bundle], Used]) -> tuple[Used, ModelState]:
        """Uses the first bundle that works: the configured or active one, then the previous one, then the shipped one.

        Args:
            use: called with a bundle; if it raises `BundleError`, `ConfigError` or `EngineError`, the next is tried.

        Returns:
            The result of `use`, and why that bundle was chosen.

        Raises:
            BundleError, ConfigError, EngineError: no bundle works; this is the error of the first one.
        """
        failed: list[EdgeError] = []
        state = State()
        try:
            state = self.state()
        except BundleError as error:
            failed.append(error)
        wanted = (_CONFIGURED,) if self._model.bundle else (state.active, state.previous)
        for choice in dict.fromkeys((*wanted, SHIPPED)):
            if failed:
                log.error("%s; trying the bundle %s instead", failed[-1], choice[:12])
            try:
                return use(self.load(choice)), "fallback" if failed else _state_of(choice, state)
            except (BundleError, ConfigError, EngineError) as error:
                failed.append(error)
        raise failed[0]

    def load(self, choice: str) -> Bundle:
        """Loads the shipped bundle, or an installed one by its SHA-256. Raises the errors of `load_bundle`."""
        if choice in (SHIPPED, _CONFIGURED):
            return read_configured(self._model if choice == _CONFIGURED else ModelConfig())
        if (self.folder / choice).is_symlink():
            raise BundleError(f"{self.folder / choice}: is a link", fix="remove it, and install the bundle again")
        bundle = load_bundle(self.folder / choice, *trusted_keys(self._model))
        if bundle.sha256 != choice:
            raise BundleError(f"{self.folder / choice}: is another bundle, {bundle.sha256[:12]}", fix="install it anew")
        return bundle

    def entries(self) -> list[Entry]:
        """The shipped bundle, then the installed ones, newest first. Raises ConfigError as `load` does."""
        found = []
        for path in (default_bundle(), *self._installed()):
            choice = SHIPPED if path == default_bundle() else path.name
            bundle, damage = None, ""
            try:
                bundle = self.load(choice)
            except BundleError as error:
                damage = str(error)
            found.append(Entry(choice, bundle, damage, datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)))
        return found

    def add(self, bundle: Bundle) -> None:
        """Stores a bundle, unless it is already there. Raises BundleError if it cannot be written."""
        with suppress(BundleError):
            if load_bundle(self.folder / bundle.sha256).contents == bundle.contents:
                return
        state, target, fresh = self.state(), self.folder / bundle.sha256, self.folder / f".{bundle.sha256}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for damaged in (target, *self.folder.glob(".?*")):
                if damaged.is_symlink():
                    damaged.unlink()
                shutil.rmtree(damaged, ignore_errors=True)
            fresh.mkdir()
            for name, data in bundle.contents.items():
                (fresh / name).write_bytes(data)
            os.sync()  # all files must be on the disk before the folder gets its final name
            fresh.rename(target)
            needed = (target.name, state.active, state.previous)
            for path in [path for path in self._installed() if path.name not in needed][KEPT - 1 :]:
                shutil.rmtree(path)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise self._unwritable(error) from error

    def activate(self, choice: str) -> None:
        """Makes a bundle run from the next start on. Raises BundleError if the state cannot be read or written."""

        def step(state: State) -> State:
            before = state.previous if state.starts or choice == state.active else state.active
            return State(active=choice, previous=SHIPPED if before == choice else before)

        self._update_state(step)

    def roll_back(self) -> State:
        """Makes the previous bundle run from the next start on, or the shipped one if the state cannot be read."""
        try:
            self.state()
        except BundleError:
            with suppress(OSError):
                (self.folder / _STATE).unlink()
        return self._update_state(lambda state: State(active=state.previous))

    def _record_success(self) -> None:
        self._counted = False
        try:
            self._update_state(lambda state: msgspec.structs.replace(state, starts=0))
        except BundleError as error:
            log.error("this successful start could not be recorded: %s", error)

    def _update_state(self, step: Callable[[State], State]) -> State:
        """Reads the state, changes it with `step` and writes it back atomically, under a lock."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                old = self.state()
                new = step(old)
                if new != old:
                    fresh = self.folder / f".{_STATE}"
                    fresh.unlink(missing_ok=True)  # it may be a link
                    with fresh.open("xb") as file:
                        file.write(msgspec.json.encode(new))
                        file.flush()
                        os.fsync(file.fileno())
                    fresh.rename(self.folder / _STATE)
                return new
            finally:
                os.close(lock)
        except OSError as error:
            raise self._unwritable(error) from error

    def _installed(self) -> list[Path]:
        """The folders of the installed bundles, the newest first."""
        try:
            paths = list(self.folder.iterdir()) if self.folder.is_dir() else []
            found = [path for path in paths if re.fullmatch("[0-9a-f]{64}", path.name)]
            return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
        except OSError as error:
            raise BundleError(f"{self.folder}: cannot be read ({error.strerror})", fix="use sudo") from error

    def _unwritable(self, error: OSError) -> BundleError:
        return BundleError(f"{self.folder}: cannot be changed ({error.strerror})", fix="use sudo")


def read_configured(model: ModelConfig) -> Bundle:
    """The bundle that `model.bundle` names, else the shipped one. Raises the errors of `load_bundle`."""
    return load_bundle(Path(model.bundle), *trusted_keys(model)) if model.bundle else load_bundle(default_bundle())


def _count_start(state: State) -> State:
    if state.starts >= MAX_STARTS:
        log.error("the bundle %s is given up: its last %d starts failed", state.active[:12], MAX_STARTS)
        state = State(active=state.previous, failed=state.active)
    return state if state.active == SHIPPED else msgspec.structs.replace(state, starts=state.starts + 1)


def _state_of(choice: str, state: State) -> ModelState:
    if choice == _CONFIGURED:
        return "configured"
    if state.failed:
        return "rolled_back"
    return "shipped" if choice == SHIPPED else "active"
