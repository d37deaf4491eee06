"""Which bundle runs and how far it is trusted: one small value, and the steps from one to the next.

Steps are pure: they give a new state. `edge.model.store.store` keeps it. Bundles are named by their SHA-256, the one
that ships by `SHIPPED`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge.errors import BundleError, one_line

FORMAT = 1
SHIPPED = "shipped"
MAX_STARTS = 3  # runs of a bundle on probation that may end without order; the next start takes the previous bundle

Choice = Annotated[str, msgspec.Meta(pattern="^(shipped|[0-9a-f]{64})$")]


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Probation(_Value, frozen=True, kw_only=True):
    """A time of trial.

    Attributes:
        starts: runs that began and did not end in order, the one at hand included.
    """

    starts: Annotated[int, msgspec.Meta(ge=0)] = 0


class Failure(_Value, frozen=True, kw_only=True):
    """A trial that ended badly: which bundle, and why."""

    bundle: Choice
    reason: str

    def __post_init__(self) -> None:
        if self.reason != one_line(self.reason):  # it is shown on terminals
            raise ValueError("`reason` is one printable line")


class State(_Value, frozen=True, kw_only=True):
    """What runs at the next start.

    Attributes:
        active: the bundle that runs.
        previous: the last one that was confirmed before it; None when nothing but the shipped one was.
        probation: of the active one; None once it is confirmed.
        failure: the last trial, if it ended in a rollback and nothing was activated since.
        embed_p10_ms: 10th percentile of the time that a face takes in the backbone on this device, by confirmed bundle.
    """

    format: int = FORMAT
    active: Choice = SHIPPED
    previous: Choice | None = None
    probation: Probation | None = None
    failure: Failure | None = None
    embed_p10_ms: dict[Choice, Annotated[float, msgspec.Meta(gt=0)]] = {}

    @property
    def fallback(self) -> str:
        """What takes the active one's place when it fails."""
        return self.previous or SHIPPED

    @property
    def exhausted(self) -> bool:
        """Whether the trial has used up its starts."""
        return self.probation is not None and self.probation.starts >= MAX_STARTS


def read_state(data: bytes) -> State:
    """Decodes a state.

    Raises:
        BundleError: it is none.
    """
    try:
        state = msgspec.json.decode(data, type=State)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"its state cannot be read ({one_line(str(error))})") from error
    if state.format != FORMAT:
        raise BundleError(f"its state has format {state.format}, this release reads {FORMAT}")
    return state


def write_state(state: State) -> bytes:
    """The inverse of `read_state`, for a person to read too."""
    return msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n"


def activate(state: State, chosen: str) -> State:
    """`chosen` runs from the next start on, on probation; a bundle that was on probation itself is no way back."""
    if chosen == state.active:
        return state
    previous = state.previous if state.probation else state.active
    return _with(
        state,
        active=chosen,
        previous=None if previous == chosen else previous,
        probation=Probation(),
        failure=None,
    )


def begin(state: State) -> State:
    """A run starts. Counted before the model is loaded, so that a crash inside a runtime counts too."""
    return _with(state, probation=Probation(starts=state.probation.starts + 1)) if state.probation else state


def forgive(state: State) -> State:
    """A run ended in order, or for a reason that is not the model's."""
    if state.probation is None:
        return state
    return _with(state, probation=Probation(starts=max(state.probation.starts - 1, 0)))


def confirm(state: State, embed_p10_ms: float | None) -> State:
    """The active bundle has worked for long enough; how long a face takes is noted for the next one's trial."""
    times = dict(state.embed_p10_ms)
    if embed_p10_ms:
        times[state.active] = embed_p10_ms
    return _with(state, probation=None, embed_p10_ms=times)


def fail(state: State, reason: str) -> State:
    """The trial of the active bundle ends badly: the one before it runs again."""
    failure = Failure(bundle=state.active, reason=one_line(reason))
    return _with(state, active=state.fallback, previous=None, probation=None, failure=failure)


def roll_back(state: State) -> State:
    """Someone wants the one before; it was confirmed already."""
    return _with(state, active=state.fallback, previous=None, probation=None, failure=None)


def _with(state: State, **changed: object) -> State:
    new = msgspec.structs.replace(state, **changed)
    known = {new.active, new.previous, SHIPPED}
    times = {choice: ms for choice, ms in new.embed_p10_ms.items() if choice in known}
    return msgspec.structs.replace(new, embed_p10_ms=times)
