"""Counters and times: what the operator is told about the machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.health import Health, Recent


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300))
def test_quantiles_are_those_of_the_times(times: list[int]) -> None:
    recent = Recent()
    for ns in times:
        recent.add(ns)
    assert recent.quantiles_ms() == pytest.approx(tuple(np.percentile(times, (50, 95)) / 1e6))


def test_only_the_last_times_are_kept_and_memory_stays_the_same() -> None:
    recent = Recent()
    before = recent._ns.nbytes
    for ns in [10**9] * 3000 + [2_000_000] * 2048:
        recent.add(ns)
    assert recent.quantiles_ms() == (2.0, 2.0)
    assert recent._ns.nbytes == before


def test_nothing_is_said_of_what_never_happened() -> None:
    health = Health()
    health.stages["detect"].add(3_000_000)
    report = health.report(dropped=0, failed=0)
    assert report.stage_p50_ms == {"detect": 3.0}
    assert Recent().quantiles_ms() is None
    assert Recent().percentile_ms(10) is None
    assert report.latency_ms is None


def test_windows_are_counted_by_what_they_say() -> None:
    health = Health()
    for suppressed in (None, "min_visits", None, "closed", "min_visits"):
        health.closed_window(suppressed)
    assert health.windows == 5
    assert health.report(dropped=0, failed=0).windows == {"scored": 2, "min_visits": 2, "closed": 1}
