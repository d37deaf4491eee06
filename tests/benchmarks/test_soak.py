"""A short soak with everything real, and the limits that break one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.soak.report import Soak, find_broken
from benchmarks.soak.resources import Trend
from benchmarks.soak.run import run_soak


@pytest.mark.slow
@pytest.mark.usefixtures("needs_mosquitto")
def test_a_device_that_is_killed_loses_no_window_it_has_closed(tmp_path: Path):
    said: list[str] = []
    soak = run_soak(0.2, 1, tmp_path / "soak", drain_s=20, say=said.append, tick=lambda _: None)
    logs = [(tmp_path / "soak" / name / "device.log").read_text() for name in ("victim", "steady")]
    assert soak.broken == [], logs
    assert soak.kills == 1
    assert soak.exits["-9"] == 1
    assert soak.windows_arrived == soak.windows_closed >= 2
    assert any(words.startswith("kill") for words in said)
    assert msgspec.json.decode(msgspec.json.encode(soak), type=Soak) == soak


TREND = Trend(
    samples=700,
    processes=1,
    frames=35_000,
    rss_mb=100,
    uss_mb=80,
    rss_growth_mb_per_h=0.3,
    uss_growth_mb_per_h=0.1,
    fds=20,
    fd_growth=0,
    threads=5,
    thread_growth=0,
    latency_p95_start_ms=10,
    latency_p95_end_ms=10.5,
    cpu_p95_start_ms=8,
    cpu_p95_end_ms=8,
    cpu_share=0.2,
    load_start=1,
    load_end=2,
)
SOAK = Soak(
    minutes=60,
    seed=1,
    kills=60,
    faults={"kill": 60},
    windows_closed=700,
    windows_arrived=700,
    windows_lost=0,
    windows_lost_by_broker=0,
    windows_unjournaled=2,
    windows_altered=0,
    windows_suppressed=100,
    windows_unsynced=20,
    repeats=9,
    repeats_differing=0,
    overlaps=0,
    overlaps_across_restarts=0,
    epochs=2,
    starts=80,
    exits={"-9": 60, "0": 20},
    steady_exits={"0": 1},
    watchdog_barks=0,
    longest_silence_s=31,
    longest_pause_s=14,
    tracebacks=0,
    drain_s=3,
    rss_growth_mb_per_h=0.3,
    fd_growth=0,
    thread_growth=0,
    latency_p95_start_ms=10,
    latency_p95_end_ms=10.5,
    cpu_p95_start_ms=8,
    cpu_p95_end_ms=8,
    steady=TREND,
    bundle={},
    commit="",
    host={},
    versions={},
    details={},
)


def test_a_good_soak_breaks_no_limit():
    assert find_broken(SOAK) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"windows_lost": 1}, "1 windows lost"),
        ({"windows_lost": 2, "windows_lost_by_broker": 1}, "1 windows lost"),
        ({"repeats_differing": 1}, "differed"),
        ({"windows_altered": 1}, "other numbers"),
        ({"windows_unjournaled": 61}, "no journal"),
        ({"overlaps": 1}, "overlap"),
        ({"overlaps_across_restarts": 1}, "across restarts"),
        ({"epochs": 3}, "set aside"),
        ({"tracebacks": 1}, "tracebacks"),
        ({"watchdog_barks": 1}, "watchdog"),
        ({"steady_exits": {"1": 1}}, "steady device"),
        ({"longest_pause_s": 60}, "no window was closed for 60 s"),
        ({"kills": 49}, "only 49 kills"),
        ({"windows_arrived": 0}, "no window"),
        ({"steady": None}, "no samples"),
    ],
)
def test_every_limit_breaks(change: dict, words: str):
    broken = find_broken(msgspec.structs.replace(SOAK, **change))
    assert len(broken) == 1
    assert words in broken[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rss_growth_mb_per_h": 2.1}, "RSS"),
        ({"fd_growth": 1}, "descriptors"),
        ({"thread_growth": 1}, "threads"),
        ({"latency_p95_end_ms": 12, "cpu_p95_end_ms": 9}, "slower by 12%"),
        ({"processes": 2}, "restarted"),
    ],
)
def test_every_limit_of_a_long_run_breaks_and_is_not_asked_of_a_short_one(change: dict, words: str):
    spoilt = msgspec.structs.replace(SOAK, steady=msgspec.structs.replace(TREND, **change))
    assert len(broken := find_broken(spoilt)) == 1
    assert words in broken[0]
    assert find_broken(msgspec.structs.replace(spoilt, minutes=4)) == []


def test_other_load_on_the_machine_is_no_slower_device():
    busy = msgspec.structs.replace(TREND, latency_p95_end_ms=30, load_end=9)
    assert find_broken(msgspec.structs.replace(SOAK, steady=busy)) == []


def test_a_window_that_only_the_broker_lost_breaks_nothing():
    assert find_broken(msgspec.structs.replace(SOAK, windows_lost=1, windows_lost_by_broker=1)) == []
