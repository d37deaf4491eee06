"""The bundles that a device keeps, which of them runs, and the way back when one does not start.

A folder holds each bundle under its SHA-256, and `state.json`. The service can write the folder, so nothing in it is
trusted: signature, hashes and golden vectors are checked at every start, and root opens no graph from it
(`edge.affect.untrusted`).
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
from edge.model.trusted import read_configured, read_trusted
from edge.paths import NOWHERE

log = logging.getLogger(__name__)

SHIPPED = "shipped"
_CONFIGURED = "configured"
MAX_STARTS = 3  # of the active bundle, in a row, that end badly; the next start takes the one before it
GOOD_S = 60.0  # a run that lasts so long is a good start
KEPT = 4  # bundles beside the active and the previous one; the oldest goes when another comes
_STATE = "state.json"
_MAX_STATE_BYTES = 4096

Used = TypeVar("Used")
Choice = Annotated[str, msgspec.Meta(pattern=r"^(shipped|[0-9a-f]{64})\Z")]


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What runs at the next start.

    Attributes:
        active: the bundle that runs: its SHA-256, or `SHIPPED`.
        previous: the way back.
        starts: of the active one, in a row, that did not end well.
        failed: the bundle that was given up after failed starts, until another is activated.
    """

    active: Choice = SHIPPED
    previous: Choice = SHIPPED
    starts: Annotated[int, msgspec.Meta(ge=0)] = 0
    failed: Choice | None = None


class Entry(NamedTuple):
    """One bundle here: SHA-256 or `SHIPPED`, what was read or what is wrong with it, and when it came."""

    choice: str
    bundle: Bundle | None
    damage: str
    installed: datetime

    @property
    def sha256(self) -> str:
        return self.bundle.sha256 if self.bundle else self.choice


class Store:
    """The bundles of a device. The folder need not exist: then only the shipped bundle is there, and runs.

    Around a run it is a context manager: a start counts as failed unless the run lasts for `GOOD_S`, ends in order, or
    ends for a reason that is not the model's.

    Args:
        model: `store` is the folder; `bundle`, where given, runs in place of what is installed.
    """

    def __init__(self, model: ModelConfig) -> None:
        self._model = model
        self.folder = Path(model.store or NOWHERE)
        self._counted = False
        self._good_s = 0.0

    def state(self) -> State:
        """What is to run. Raises BundleError where that is written down and cannot be read."""
        try:
            # Without O_NONBLOCK a pipe that somebody put there would hold root's commands for ever.
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
        """Counts a start, then does what `first` does. `alive` has to be called at least every few seconds after it."""
        try:
            if not self._model.bundle and self.state().active != SHIPPED:
                self._change(_count)
                self._counted = True
        except BundleError as error:
            log.error("this start is not counted: %s", error)
        try:
            used, why = self.first(use)
        except EdgeError:  # not even the shipped one works, so it is not the active one's fault
            if self._counted:
                self._started_well()
            raise
        self._counted = self._counted and why in ("active", "rolled_back")
        self._good_s = time.monotonic() + GOOD_S
        return used, why

    def alive(self) -> None:
        """The run goes on."""
        if self._counted and time.monotonic() > self._good_s:
            self._started_well()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        model_s_fault = isinstance(error, (BundleError, EngineError))
        if self._counted and not model_s_fault and isinstance(error, (EdgeError, KeyboardInterrupt, type(None))):
            self._started_well()

    def first(self, use: Callable[[Bundle], Used]) -> tuple[Used, ModelState]:
        """The first bundle that can be used: the configured or active one, the previous one, the shipped one.

        Args:
            use: makes something of a bundle; a `BundleError` or `EngineError` of it means the next one.

        Returns:
            What it made, and why that bundle was taken.

        Raises:
            BundleError, ConfigError, EngineError: none can be used; why the first one cannot.
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
                log.error("%s; the bundle %s is tried instead", failed[-1], choice[:12])
            try:
                return use(self.load(choice)), "fallback" if failed else _why(choice, state)
            except (BundleError, ConfigError, EngineError) as error:
                failed.append(error)
        raise failed[0]

    def load(self, choice: str) -> Bundle:
        """The shipped bundle, or an installed one by its SHA-256; raises what `read_trusted` does."""
        if choice in (SHIPPED, _CONFIGURED):
            return read_configured(self._model if choice == _CONFIGURED else ModelConfig())
        if (self.folder / choice).is_symlink():
            raise BundleError(f"{self.folder / choice}: is a link", fix="remove it, and install the bundle anew")
        bundle = read_trusted(self.folder / choice, self._model)
        if bundle.sha256 != choice:
            raise BundleError(f"{self.folder / choice}: is another bundle, {bundle.sha256[:12]}", fix="install it anew")
        return bundle

    def entries(self) -> list[Entry]:
        """All bundles here, the shipped one first, then the latest first. Raises ConfigError as `load` does."""
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
        """Keeps a bundle, unless it lies here already. Raises BundleError where it cannot be written."""
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
            os.sync()  # whole on the disk before it has its name
            fresh.rename(target)
            needed = (target.name, state.active, state.previous)
            for path in [path for path in self._installed() if path.name not in needed][KEPT - 1 :]:
                shutil.rmtree(path)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise self._unwritable(error) from error

    def activate(self, choice: str) -> None:
        """A bundle runs from the next start on. Raises BundleError where the state cannot be read or written."""

        def step(state: State) -> State:
            before = state.previous if state.starts or choice == state.active else state.active
            return State(active=choice, previous=SHIPPED if before == choice else before)

        self._change(step)

    def roll_back(self) -> State:
        """The previous bundle runs from the next start on; the shipped one where the state cannot be read."""
        try:
            self.state()
        except BundleError:
            with suppress(OSError):
                (self.folder / _STATE).unlink()
        return self._change(lambda state: State(active=state.previous))

    def _started_well(self) -> None:
        self._counted = False
        try:
            self._change(lambda state: msgspec.structs.replace(state, starts=0))
        except BundleError as error:
            log.error("this good start is not counted: %s", error)

    def _change(self, step: Callable[[State], State]) -> State:
        """Takes a step from the state as it is and keeps the new one: all of it, or the old one stands."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                old = self.state()
                new = step(old)
                if new != old:
                    fresh = self.folder / f".{_STATE}"
                    fresh.unlink(missing_ok=True)  # what lies there may be a link
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
        """The folders of installed bundles, the latest first."""
        try:
            paths = list(self.folder.iterdir()) if self.folder.is_dir() else []
            found = [path for path in paths if re.fullmatch("[0-9a-f]{64}", path.name)]
            return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
        except OSError as error:
            raise BundleError(f"{self.folder}: cannot be read ({error.strerror})", fix="use sudo") from error

    def _unwritable(self, error: OSError) -> BundleError:
        return BundleError(f"{self.folder}: cannot be changed ({error.strerror})", fix="use sudo")


def _count(state: State) -> State:
    if state.starts >= MAX_STARTS:
        log.error("the bundle %s is given up: its last %d starts failed", state.active[:12], MAX_STARTS)
        state = State(active=state.previous, failed=state.active)
    return state if state.active == SHIPPED else msgspec.structs.replace(state, starts=state.starts + 1)


def _why(choice: str, state: State) -> ModelState:
    if choice == _CONFIGURED:
        return "configured"
    if state.failed:
        return "rolled_back"
    return "shipped" if choice == SHIPPED else "active"
