"""What the audit log is told of a run: start, stop, changes since the start before, the camera's faults, the clock."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from edge.audit import AuditLog, Line
from edge.clock import Clock
from edge.config import Config
from edge.contract import ModelState
from edge.errors import AuditError, one_line
from edge.policy import notice_holds
from edge.values import Look, Tick
from edge.version import VERSION

log = logging.getLogger(__name__)

_EXPIRE_S = 86_400
_FAULTS = ("gone", "frozen")


class RunRecord:
    """The record of one run, as a context manager around it.

    A disk that fails stops no run, as with the outbox: it is logged, and lines follow when it works.

    Args:
        log: of the device.
        clock: of the run.
        file: the configuration, which can be read.

    Attributes:
        policy: in force; set it when that changes.
    """

    def __init__(self, log: AuditLog, clock: Clock, file: Path) -> None:
        self.policy = ""
        self._log, self._clock, self._model = log, clock, ""
        self._sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        self._past: list[Line] = []
        self._damage = ""
        self._running, self._synced, self._moved = False, True, False
        self._why = ""  # there are no frames; empty: there are some
        self._checked_s = self._expired_s = 0.0

    def prepare(self, config: Config, policy: str, model: str, model_state: ModelState) -> None:
        """Records what is not as it was at the start before."""
        self.policy, self._model = policy, model
        before = _last(self._past, "started")
        if before is not None and before.details.get("sha256") != self._sha256:
            self._tell("configuration_changed", sha256=self._sha256)
        if before is not None and before.policy != policy:
            self._tell("policy_changed", before=before.policy)
        if before is not None and before.details.get("model") != model and model_state in ("fallback", "rolled_back"):
            act = "model_fallback" if model_state == "fallback" else "model_rolled_back"
            self._tell(act, model=model, reason="the active one could not be used")
        if not notice_holds(config, policy):
            self._tell("notice_mismatch", notice=config.deployment.notice_policy)

    def started(self, config: Config) -> None:
        """Records the start."""
        if self._damage:
            log.error("%s", self._damage)
        camera = config.camera.device if config.camera.backend == "v4l2" else config.camera.backend
        told = {"camera": camera, "model": self._model, "version": VERSION, "sha256": self._sha256}
        self._tell("started", **told)
        self._running = True

    def see_moved(self, moved: bool | None) -> None:
        """Takes whether the camera seems to have been moved."""
        if moved and not self._moved:
            self._tell("camera_moved", reason="faces appear elsewhere and in other sizes than before")
        self._moved = bool(moved)

    def note(self, act: str, **details: str) -> None:
        """Records an act of somebody while it runs; from any thread."""
        log.info("%s: %s", act, ", ".join(details.values()))
        self._tell(act, **details)

    def see(self, event: Look | Tick, now_s: float) -> None:
        """Takes each event of the loop, with monotonic seconds."""
        if now_s - self._checked_s >= 1:  # asking the clock costs a system call
            self._checked_s = now_s
            self._see_clock()
            if now_s - self._expired_s >= _EXPIRE_S:
                self._expired_s = now_s
                self._log.try_expire()
        why = event.reason if isinstance(event, Tick) else ""
        if why in (self._why, "starting"):
            return
        before, self._why = self._why, why
        if before == "closed":
            self._tell("hours_opened")
        if before in _FAULTS and why not in _FAULTS:
            self._tell("camera_back")
        if why == "closed":
            self._tell("hours_closed")
        elif why in _FAULTS and before not in _FAULTS:
            self._tell("camera_lost", reason=why)

    def __enter__(self) -> RunRecord:
        try:
            self._past = self._log.verify()
        except AuditError as error:
            self._damage = str(error)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        reason = one_line(error) if isinstance(error, Exception) else "asked to"
        if self._running:
            self._tell("stopped", reason=reason)
        elif not self._past or self._past[-1].details.get("reason") != reason:  # a service manager tries for ever
            with suppress(AuditError):  # the reason for the refusal is what has to be told
                self._log.append("start_refused", self.policy, reason=reason)

    def _see_clock(self) -> None:
        synced = not self._clock.live or self._clock.known_utc_ns() is not None
        if synced != self._synced:
            self._synced = synced
            self._tell("clock_synchronized" if synced else "clock_unsynchronized")

    def _tell(self, act: str, **details: str) -> None:
        self._log.try_append(act, self.policy, **details)


def _last(lines: list[Line], act: str) -> Line | None:
    return next((line for line in reversed(lines) if line.act == act), None)
