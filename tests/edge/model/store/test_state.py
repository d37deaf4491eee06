"""The steps from one state to the next, in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BundleError
from edge.model.store import state as steps
from edge.model.store.state import MAX_STARTS, SHIPPED, Probation, State, read_state, write_state

A, B = "a" * 64, "b" * 64
STEPS = st.one_of(
    st.sampled_from([A, B, "c" * 64, SHIPPED]).map(lambda chosen: lambda s: steps.activate(s, chosen)),
    st.sampled_from([steps.begin, steps.forgive, steps.roll_back]),
    st.just(lambda s: steps.fail(s, "it crashed")),
    st.floats(0.01, 100).map(lambda ms: lambda s: steps.confirm(s, ms)),
)


@given(st.lists(STEPS, max_size=30))
def test_any_order_of_steps_gives_a_state_that_can_be_read_back_and_undone(taken) -> None:
    state, trusted = State(), {SHIPPED}
    for step in taken:
        before, state = state, step(state)
        if state.probation is None and state.active == before.active:
            trusted.add(state.active)  # confirmed
        assert read_state(write_state(state)) == state
        assert state.previous != state.active
        assert state.fallback in trusted
        assert state.probation or state.active in trusted | {before.fallback}
        assert set(state.embed_p10_ms) <= {state.active, state.previous, SHIPPED}


def test_a_bundle_that_crashes_at_each_start_is_exhausted_after_three() -> None:
    state = steps.activate(State(), A)
    for _ in range(MAX_STARTS):
        assert not state.exhausted
        state = steps.begin(state)
    assert state.exhausted


def test_runs_that_end_in_order_use_up_no_starts() -> None:
    state = steps.activate(State(), A)
    for _ in range(10):
        state = steps.forgive(steps.begin(state))
    assert state.probation == Probation(starts=0)


def test_a_trial_that_follows_a_trial_goes_back_to_what_was_trusted() -> None:
    state = steps.confirm(steps.activate(State(), A), 0.5)
    state = steps.activate(steps.activate(state, B), "c" * 64)
    assert steps.fail(state, "slow").active == A


def test_a_failure_is_told_until_another_bundle_is_activated() -> None:
    state = steps.fail(steps.activate(State(), A), "slow")
    assert state.failure
    assert (state.failure.bundle, state.failure.reason) == (A, "slow")
    assert steps.activate(state, B).failure is None


NO_STATES = (b"", b"{", b"\xff", b"[]", b'{"format": 2}', b'{"active": "../../etc"}', b'{"speed": 1}', b"[" * 100_000)


@pytest.mark.parametrize("data", NO_STATES, ids=lambda data: repr(data[:20]))
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match="its state"):
        read_state(data)


@given(st.one_of(st.binary(max_size=200), st.text().map(lambda text: steps.write_state(steps.fail(State(), text)))))
def test_whatever_lies_there_is_a_state_or_one_line_of_refusal(data: bytes) -> None:
    try:
        state, refusal = read_state(data), ""
    except BundleError as error:
        state, refusal = State(), str(error)
    assert refusal.isprintable()
    assert state.failure is None or state.failure.reason.isprintable()


def test_a_reason_that_would_move_the_cursor_is_refused() -> None:
    with pytest.raises(BundleError, match="one printable line"):
        read_state(b'{"failure": {"bundle": "shipped", "reason": "slow\\u001b[2J"}}')
