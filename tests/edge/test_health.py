"""Counters and times: what the operator is told about the machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import contract
from edge.clock import FileClock
from edge.health import HealthMonitor, Times
from scripts.mqtt_examples import BUSY, ORIGIN, QUIET


class Camera:
    dropped, failed, skipped = 12, 3, 40
    events = contract.zeros(contract.CameraEvents)


def report(monitor: HealthMonitor, **parts: Any) -> contract.Health:
    given = {
        "camera": Camera(),
        "load": contract.Load(level="normal", demand=None, skipped=0),
        "board": contract.Board(),
        "delivery": contract.Delivery(),
        "model_state": "shipped",
    }
    return monitor.report(ORIGIN, FileClock(now_ns=10**18), **given | parts)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300))
def test_quantiles_are_those_of_the_times(times: list[int]) -> None:
    spent = Times()
    for ns in times:
        spent.add(ns)
    assert spent.quantiles_ms() == pytest.approx(tuple(np.percentile(times, (50, 95)) / 1e6), abs=0.005)


def test_only_the_last_times_are_kept() -> None:
    spent = Times()
    for ns in [10**9] * 3000 + [2_000_000] * 2048:
        spent.add(ns)
    assert spent.quantiles_ms() == (2.0, 2.0)
    assert len(spent._ns) == 2048


def test_nothing_is_said_of_what_never_happened() -> None:
    health = report(HealthMonitor())
    nothing = contract.StageTime(mean_ms=0.0, p50_ms=None, p95_ms=None)
    assert health.stages == dict.fromkeys(contract.Stages.__annotations__, nothing)
    assert health.latency == contract.Latency(p50_ms=None, p95_ms=None)


def test_the_first_report_already_counts_every_kind_as_none() -> None:
    health = report(HealthMonitor())
    assert health.rejections == {"small": 0, "turned": 0, "dark": 0, "blurred": 0}
    assert health.windows == contract.zeros(contract.Windows)
    assert contract.decode(contract.encode(health), contract.Health) == health


@pytest.mark.parametrize(("faces", "told"), [(0, 0), (1, 1), (2, 1), (4, 1), (5, 5), (9, 5), (19, 10), (60, 50)])
def test_faces_in_view_are_told_in_buckets(faces: int, told: int) -> None:
    assert report(HealthMonitor(faces=faces)).faces == told


def test_rejections_are_told_in_hundreds_which_no_short_visit_changes() -> None:
    monitor = HealthMonitor()
    monitor.rejections.update(turned=99, dark=1234)
    assert report(monitor).rejections == {"small": 0, "turned": 0, "dark": 1200, "blurred": 0}
    assert monitor.rejections["turned"] == 99


def test_windows_are_counted_by_content() -> None:
    monitor = HealthMonitor()
    for closed in (BUSY, QUIET, BUSY):
        monitor.closed_window(closed)
    assert report(monitor).windows == contract.zeros(contract.Windows) | {"scored": 2, "few_people": 1}


def test_a_reason_that_the_contract_does_not_name_is_a_defect_of_ours() -> None:
    with pytest.raises(KeyError):
        HealthMonitor().rejections["masked"] += 1


def test_frames_of_the_camera_and_of_the_loop_are_added() -> None:
    monitor = HealthMonitor(seen=100, worked=30, failed=2)
    assert report(monitor).frames == {"seen": 140, "worked": 30, "dropped": 12, "failed": 5}


def test_the_means_of_all_stages_add_up_to_the_time_of_a_frame() -> None:
    """Also of stages that most frames do not need, and of those that idle."""
    monitor = HealthMonitor(worked=10)
    for frame in range(10):
        monitor.stages["track"].add(1_000_000)
        if frame % 5 == 0:
            monitor.stages["detect"].add(10_000_000)
    monitor.stages["embed"].add(20_000_000)
    stages = report(monitor).stages
    assert (stages["track"].mean_ms, stages["detect"].mean_ms, stages["embed"].mean_ms) == (1.0, 2.0, 2.0)
    assert sum(time.mean_ms for time in stages.values()) == pytest.approx((10 * 1 + 2 * 10 + 20) / 10)


def test_an_empty_room_does_not_change_the_quantiles_of_what_is_done_with_faces() -> None:
    monitor = HealthMonitor()
    for _ in range(20):
        monitor.worked += 1
        monitor.stages["embed"].add(4_000_000)
    before = report(monitor).stages["embed"]
    for _ in range(3000):
        monitor.worked += 1
        with monitor.timing("embed", busy=False):
            pass
    after = report(monitor).stages["embed"]
    assert (before.p50_ms, before.p95_ms) == (after.p50_ms, after.p95_ms) == (4.0, 4.0)
    assert before.mean_ms == 4.0
    assert after.mean_ms < 0.1


def test_a_block_is_timed_also_when_it_raises() -> None:
    monitor = HealthMonitor(worked=1)
    with pytest.raises(ZeroDivisionError), monitor.timing("detect"):
        _ = 1 / 0
    assert monitor.stages["detect"].total_ns > 0
    assert report(monitor).stages["detect"].p50_ms is not None


def test_a_stage_that_took_longer_than_the_contract_knows_is_still_told() -> None:
    monitor = HealthMonitor(worked=1)
    monitor.stages["detect"].add(10**18)
    health = report(monitor)
    assert health.stages["detect"].p95_ms == contract.MAX_MS
    contract.decode(contract.encode(health), contract.Health)
