"""Which bundle a run takes, and what becomes of its probation while and after it runs.

A run takes one bundle at its start and keeps it to its end, so no window mixes two. What cannot be used gives way to
the one before it, and at last to the one that ships.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from edge.affect.model import AffectModel, load_model
from edge.config import Config
from edge.errors import BundleError, EdgeError, EngineError
from edge.health import Health
from edge.model.store import state as steps
from edge.model.store.choice import in_order, load_first, open_store, why
from edge.model.store.probation import Probation
from edge.model.store.state import SHIPPED, State

log = logging.getLogger(__name__)


class Launch:
    """The model of one run; usable as a context manager around it, `observe` after each frame.

    Args:
        config: of the device.
        folder: the store's.
        health: of the run; told why this bundle runs.

    Attributes:
        model: ready to run.

    Raises:
        BundleError, EngineError: nothing here can be used, the shipped bundle neither.
        ConfigError: the public key cannot be used.
    """

    model: AffectModel

    def __init__(self, config: Config, folder: Path, health: Health) -> None:
        self._config = config
        self._health = health
        self._on_probation = False
        self._watch: Probation | None = None
        if config.model.bundle:
            self.model = load_model(config.model, config.engine)
            health.bundle_state = "configured"
            return
        self._store = open_store(config, folder)
        self._state = self._begin()
        self._choice = self._state.active if self._state else SHIPPED
        self.model, self._choice = self._load()
        health.bundle_state = why(self._state, self._choice)
        self._watch = self._look_on(self._choice)

    def observe(self) -> None:
        """Takes note of a frame.

        Raises:
            BundleError: the bundle has failed its probation and was rolled back; the run has to end.
        """
        verdict = self._watch.observe() if self._watch else None
        if verdict is None:
            return
        self._watch = None
        if not verdict.failure:
            if self._change(lambda state: steps.confirm(state, verdict.embed_p10_ms)) and self._on_probation:
                self._on_probation = False
                self._health.bundle_state = "confirmed"
                log.info("the model bundle has passed its probation")
        elif self._on_probation:
            raise BundleError(
                f"{self._name()} has failed its probation: {verdict.failure}; the next start takes another"
            )

    def __enter__(self) -> Launch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Judges the end of a run on probation: the model's own failure, or somebody else's, or nobody's.

        What is neither stays counted, like a crash that never comes here.
        """
        if not self._on_probation:
            return
        if isinstance(error, (BundleError, EngineError)):
            self._roll_back(str(error))
        elif error is None or isinstance(error, (EdgeError, KeyboardInterrupt)):
            self._change(steps.forgive)

    def _begin(self) -> State | None:
        """The state of this run, its start counted; None where the store cannot be used."""
        try:
            state = self._store.state()
            if state.exhausted:
                reason = f"{steps.MAX_STARTS} runs ended without order"
                log.error("the bundle %s is rolled back: %s", state.active[:12], reason)
                state = self._store.change(lambda now: steps.fail(now, reason) if now.exhausted else now)
        except BundleError as error:
            log.error("the bundle store cannot be used, so the shipped bundle runs: %s", error)
            return None
        if state.probation is None:
            return state
        try:
            state = self._store.change(steps.begin)
            self._on_probation = True
        except BundleError as error:
            # A trial whose starts cannot be counted could crash for ever.
            log.error("this start of a bundle on probation cannot be counted, so another runs: %s", error)
        return state

    def _load(self) -> tuple[AffectModel, str]:
        state = self._state
        choices = in_order(state)
        if state and state.probation and not self._on_probation and len(choices) > 1:
            choices.pop(0)
        return load_first(self._store, choices, self._config.engine, self._passed_over)

    def _passed_over(self, choice: str, after: str, error: Exception) -> None:
        if self._on_probation:
            self._roll_back(str(error))
        if after:
            log.error("the bundle %s cannot be used, so %s runs: %s", choice[:12], after[:12], error)

    def _look_on(self, choice: str) -> Probation | None:
        """Who watches this run; None where there is nothing to learn from it."""
        state = self._state
        if state is None or choice != state.active:
            return None
        if self._on_probation:
            log.info("the bundle %s is on probation", choice[:12])
            reference_ms = state.embed_p10_ms.get(state.fallback)
        elif choice in state.embed_p10_ms:
            return None
        else:  # trusted already: only its pace is noted, for the next one's trial
            reference_ms = None
        return Probation(self._health, seconds=self._config.model.probation_s, reference_ms=reference_ms)

    def _roll_back(self, reason: str) -> None:
        log.error("the bundle on probation is rolled back: %s", reason)
        self._on_probation = False
        self._change(lambda state: steps.fail(state, reason))

    def _change(self, step: Callable[[State], State]) -> bool:
        """Keeps a step; False where the store cannot be written, which stops no run, or somebody was faster."""
        taken = False

        def only_mine(state: State) -> State:  # an operator may have activated another one meanwhile
            nonlocal taken
            taken = state.active == self._choice
            return step(state) if taken else state

        try:
            self._state = self._store.change(only_mine)
        except BundleError as error:
            log.error("the bundle store cannot be changed: %s", error)
            return False
        return taken

    def _name(self) -> str:
        manifest = self.model.bundle.manifest
        return f"{manifest.name} {manifest.version}"
