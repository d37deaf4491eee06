"""What a soak found: the record for `benchmarks/reference/`, its limits, and the same in words."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import psutil

from benchmarks.soak.account import Account
from benchmarks.soak.broker import mosquitto_version
from benchmarks.soak.resources import Trend
from convert.train.run import describe_machine
from edge.model.bundle import Bundle
from edge.version import VERSION

MAX_RSS_GROWTH_MB_PER_H = 2.0
MAX_LATENCY_GROWTH = 0.10
MIN_KILLS_PER_H = 50
MAX_PAUSE_S = 45.0  # of windows of 10 s, which a clock that is caught up with, or a busy machine, makes longer
TREND_FROM_MINUTES = 30.0  # a slope over less, per hour, says nothing


class Soak(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one soak.

    Attributes:
        kills: SIGKILLs of the device.
        faults: what happened, by kind; `kill` among them.
        windows_lost: closed and never arrived; `windows_lost_by_broker` of them had been acknowledged by a broker that
            was killed within two seconds, which is no fault of the device.
        windows_unjournaled: arrived, but closed by a process that was killed before it could write its journal.
        repeats_differing: ids of which two deliveries differ.
        windows_altered: ids that arrived with other numbers than they were closed with.
        overlaps: synchronized windows that claim one interval, within one process and across two.
        longest_pause_s: between two windows of the steady device; they are 10 s long.
        exits: ends of the killed device's processes by exit code, negative for a signal.
        steady: of the device that is never killed; the `latency_…` and `…_growth` above it are taken from there.
        broken: the limits that do not hold, in words; empty when all do.
        details: the ids behind every count that is not 0.
    """

    minutes: float
    seed: int
    kills: int
    faults: dict[str, int]
    windows_closed: int
    windows_arrived: int
    windows_lost: int
    windows_lost_by_broker: int
    windows_unjournaled: int
    windows_altered: int
    windows_suppressed: int
    windows_unsynced: int
    repeats: int
    repeats_differing: int
    overlaps: int
    overlaps_across_restarts: int
    epochs: int
    starts: int
    exits: dict[str, int]
    steady_exits: dict[str, int]
    watchdog_barks: int
    longest_silence_s: float
    longest_pause_s: float
    tracebacks: int
    drain_s: float
    rss_growth_mb_per_h: float | None
    fd_growth: int | None
    thread_growth: int | None
    latency_p95_start_ms: float | None
    latency_p95_end_ms: float | None
    cpu_p95_start_ms: float | None
    cpu_p95_end_ms: float | None
    steady: Trend | None
    bundle: dict[str, str | int]
    commit: str
    host: dict[str, Any]
    versions: dict[str, str]
    details: dict[str, list[str]]
    broken: list[str] = []


def details_of(account: Account) -> dict[str, list[str]]:
    """The ids that someone has to look into."""
    names = ("lost", "lost_by_broker", "unjournaled", "differing", "altered", "overlaps", "overlaps_across")
    return {name: found for name in names if (found := getattr(account, name))}


def find_broken(soak: Soak) -> list[str]:
    """The limits that a soak does not keep, in words."""
    lost = soak.windows_lost - soak.windows_lost_by_broker
    trend, long = soak.steady, soak.minutes >= TREND_FROM_MINUTES
    checks = [
        (soak.windows_arrived == 0, "no window arrived"),
        (lost > 0, f"{lost} windows lost"),
        (soak.repeats_differing > 0, f"{soak.repeats_differing} windows came twice and differed"),
        (soak.windows_altered > 0, f"{soak.windows_altered} windows arrived with other numbers than they closed with"),
        (soak.windows_unjournaled > soak.kills, f"{soak.windows_unjournaled} windows that no journal knows"),
        (soak.overlaps > 0, f"{soak.overlaps} pairs of synchronized windows overlap"),
        (soak.overlaps_across_restarts > 0, f"{soak.overlaps_across_restarts} pairs overlap across restarts"),
        (soak.epochs > 2, f"{soak.epochs} epochs for two devices: an outbox was set aside"),
        (soak.tracebacks > 0, f"{soak.tracebacks} tracebacks in the logs"),
        (soak.watchdog_barks > 0, f"the watchdog ended {soak.watchdog_barks} processes"),
        (set(soak.steady_exits) != {"0"}, f"the steady device ended with {soak.steady_exits}"),
        (soak.longest_pause_s > MAX_PAUSE_S, f"no window was closed for {soak.longest_pause_s} s"),
        (soak.kills < int(MIN_KILLS_PER_H * soak.minutes / 60), f"only {soak.kills} kills"),
    ]
    if long and trend is None:
        checks.append((True, "no samples of the steady device"))
    elif long and trend is not None:
        slower = [
            end / start - 1
            for start, end in (
                (trend.latency_p95_start_ms, trend.latency_p95_end_ms),
                (trend.cpu_p95_start_ms, trend.cpu_p95_end_ms),
            )
        ]
        checks += [
            (trend.rss_growth_mb_per_h > MAX_RSS_GROWTH_MB_PER_H, f"RSS grows {trend.rss_growth_mb_per_h} MB/h"),
            (trend.fd_growth > 0, f"{trend.fd_growth} descriptors more"),
            (trend.thread_growth > 0, f"{trend.thread_growth} threads more"),
            # Other load moves the wall time alone; a device that got slower moves both.
            (min(slower) > MAX_LATENCY_GROWTH, f"frames got slower by {min(slower):.0%}"),
            (trend.processes != 1, "the steady device was restarted"),
        ]
    return [words for broken, words in checks if broken]


def describe_host() -> dict[str, Any]:
    """The machine, without anything that names it."""
    cpu = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.lower().startswith(("model name", "model\t"))]
        cpu = lines[0].partition(":")[2].strip() if lines else ""
    return {
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "cpu": cpu,
        "logical_cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "started": describe_machine()["started"],
    }


def describe_versions() -> dict[str, str]:
    """Of everything that took part."""
    found = describe_machine()
    return {
        "affect-edge": VERSION,
        "python": found["python"],
        "mosquitto": mosquitto_version(),
        "psutil": psutil.__version__,
    } | found["packages"]


def describe_bundle(bundle: Bundle) -> dict[str, str | int]:
    """Which model worked."""
    return {"name": bundle.manifest.name, "version": bundle.manifest.version, "sha256": bundle.sha256}


def find_commit() -> str:
    """Of the checkout, with `+` for changes that are not committed; `unknown` outside of one."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=False).stdout.strip()

    commit = git("rev-parse", "HEAD")
    return commit + ("+" if git("status", "--porcelain", "--untracked-files=no") else "") if commit else "unknown"
