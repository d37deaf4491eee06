"""Clocks."""

from __future__ import annotations

import time

from edge.clock import NS, FileClock, SystemClock


def test_system_clock_tells_the_system_s_utc() -> None:
    clock = SystemClock()
    assert abs(clock.utc_ns(clock.monotonic_ns()) - time.time_ns()) < NS // 10


def test_system_clock_answers_whether_it_is_synchronized() -> None:
    assert SystemClock().synced() in (True, False)


def test_file_clock_starts_at_its_origin_and_is_never_synchronized() -> None:
    clock = FileClock(origin_ns=5 * NS)
    assert clock.utc_ns(2 * NS) == 7 * NS
    assert not clock.synced()
