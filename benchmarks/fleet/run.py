"""The course of a load: everybody connects, windows for some minutes, a broker that restarts, and the account."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.fleet.device import KEEPALIVE_S, SimulatedDevice, Tally
from benchmarks.fleet.report import FleetLoad, Windows
from benchmarks.fleet.stage import Stage, set_stage
from benchmarks.soak.report import describe_host, describe_versions, find_commit
from edge.clock import NS
from edge.errors import ConfigError

_HANDSHAKES = 100
_SPARE_DESCRIPTORS = 200
_ANSWER_S = 30.0  # for acknowledgements that are still under way at the end
_CONNECT_S = 300.0
_LEAVE_S = 5.0
_Say = Callable[[str], None]


def run_fleet(
    devices: int,
    minutes: float,
    folder: Path,
    *,
    window_s: int,
    saved: bool,
    windows: Windows,
    storm_s: float,
    say: _Say,
) -> FleetLoad:
    """Runs a load and measures it.

    Args:
        devices: connections.
        minutes: of windows; whole intervals, at least one.
        folder: empty or new.
        window_s: a device's interval.
        saved, windows: see `FleetLoad`.
        storm_s: how long the broker's restart is watched; 0 leaves it out.
        say: hears what happens.

    Raises:
        ConfigError: too many for this process, a program is missing, or the devices cannot connect.
    """
    need = devices + _SPARE_DESCRIPTORS
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and need > hard:
        raise ConfigError(f"--devices {devices}: needs {need} descriptors, and this machine allows {hard}; ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (need if hard == resource.RLIM_INFINITY else hard, hard))
    commit, host, begun = find_commit(), describe_host(), os.getloadavg()[0]
    with set_stage(folder, saved=saved) as stage:
        course = _Course(stage, devices, window_s, windows, say)
        found = asyncio.run(course.run(max(1, round(60 * minutes / window_s)), storm_s))
        heard, distinct = stage.windows_heard()
    return FleetLoad(
        devices=devices,
        minutes=minutes,
        window_s=window_s,
        saved=saved,
        windows=windows,
        windows_heard=heard,
        windows_heard_distinct=distinct,
        storm_limit_s=storm_s,
        load=(round(begun, 1), round(os.getloadavg()[0], 1)),
        commit=commit,
        host=host,
        versions=describe_versions(),
        **found,
    )


class _Course:
    def __init__(self, stage: Stage, devices: int, window_s: int, windows: Windows, say: _Say) -> None:
        self._stage, self._window_s, self._windows, self._say = stage, window_s, windows, say
        self._tally = Tally()
        handshakes = asyncio.Semaphore(_HANDSHAKES)
        self._devices = [
            SimulatedDevice(number, stage.broker.port, stage.tls, self._tally, handshakes, window_s)
            for number in range(devices)
        ]

    async def run(self, intervals: int, storm_s: float) -> dict[str, Any]:
        empty_mb = self._stage.broker_rss_mb()
        begun_s = time.monotonic()
        lives = [asyncio.ensure_future(device.live()) for device in self._devices]
        pings = asyncio.ensure_future(self._keep_alive())
        try:
            connect_s = await self._connected(begun_s)
            full_mb = self._stage.broker_rss_mb()
            self._say(f"{len(self._devices)} connected in {connect_s:.0f} s; the broker has {full_mb:.0f} MB")
            steady = await self._steady(intervals)
            storm = await self._storm(storm_s)
        finally:
            pings.cancel()
            for device in self._devices:
                device.close()
            for life in lives:
                life.cancel()
            await asyncio.gather(pings, *lives, return_exceptions=True)
            await self._leave()
        memory = {
            "connect_s": round(connect_s, 1),
            "broker_rss_mb_empty": round(empty_mb, 1),
            "broker_rss_mb_connected": round(full_mb, 1),
            "broker_kb_per_connection": round(1000 * (full_mb - empty_mb) / len(self._devices), 1),
        }
        return memory | steady | storm

    async def _connected(self, begun_s: float) -> float:
        while self._tally.connected < len(self._devices):
            if time.monotonic() - begun_s > _CONNECT_S:
                count = f"{self._tally.connected} of {len(self._devices)}"
                raise ConfigError(f"--devices: {count} connected in {_CONNECT_S:.0f} s; try fewer")
            await asyncio.sleep(0.05)
        return time.monotonic() - begun_s

    async def _leave(self) -> None:
        """Waits until every connection is closed; those that do not end are cut."""
        end_s = time.monotonic() + _LEAVE_S
        while any(device.open for device in self._devices) and time.monotonic() < end_s:
            await asyncio.sleep(0.05)
        for device in self._devices:
            device.abort()
        await asyncio.sleep(0.05)  # the loop closes their sockets in its next turn

    async def _keep_alive(self) -> None:
        """Everybody within half a keep-alive, spread."""
        pause_s = KEEPALIVE_S / 2 / len(self._devices)
        while True:
            for number, device in enumerate(self._devices):
                device.ping()
                if number % 50 == 49 or pause_s > 0.02:
                    await asyncio.sleep(pause_s * (50 if pause_s <= 0.02 else 1))
            await asyncio.sleep(pause_s)

    async def _steady(self, intervals: int) -> dict[str, Any]:
        """Windows, at the time that is asked for, and health reports at any time."""
        tally, broker = self._tally, psutil.Process(self._stage.broker.pid)
        cpu, bytes_before, begun_s = broker.cpu_times(), tally.bytes_sent, time.monotonic()
        reports = 0
        for interval in range(intervals):
            due = [(self._share(device), 0, device) for device in self._devices]
            due += [(random.random(), 1, device) for device in self._devices]
            end_ns = time.time_ns() // NS * NS
            for share, kind, device in sorted(due, key=lambda entry: entry[0]):
                wait_s = begun_s + (interval + share) * self._window_s - time.monotonic()
                if wait_s > 0.001:
                    await asyncio.sleep(wait_s)
                if kind:
                    device.send_health()
                    reports += 1
                else:
                    device.send_window(end_ns, self._window_s)
            await asyncio.sleep(max(0.0, begun_s + (interval + 1) * self._window_s - time.monotonic()))
            self._say(f"interval {interval + 1} of {intervals}: {tally.acked} of {tally.sent} windows acknowledged")
        spent_s, used = time.monotonic() - begun_s, broker.cpu_times()
        sent, size = tally.sent, tally.bytes_sent - bytes_before
        end_s = time.monotonic() + _ANSWER_S
        while tally.acked + tally.refused + tally.unanswered < sent and time.monotonic() < end_s:
            await asyncio.sleep(0.05)
        p50, p99, longest = _quantiles_ms(tally.latencies_s)
        return {
            "windows_sent": sent,
            "windows_acked": tally.acked,
            "windows_refused": tally.refused,
            "windows_unanswered": sent - tally.acked - tally.refused,
            "messages_per_s": round((sent + reports) / spent_s, 1),
            "most_windows_in_a_second": _most_in_a_second(tally.written_s),
            "bytes_per_device_and_interval": round(size / len(self._devices) / intervals),
            "ack_p50_ms": p50,
            "ack_p99_ms": p99,
            "ack_max_ms": longest,
            "broker_cpu_share": round((used.user + used.system - cpu.user - cpu.system) / spent_s, 3),
        }

    def _share(self, device: SimulatedDevice) -> float:
        """When in the interval a device writes its window, as a share of it."""
        if self._windows == "spread":
            return random.random()
        return device.stagger_s / self._window_s if self._windows == "staggered" else 0.0

    async def _storm(self, limit_s: float) -> dict[str, Any]:
        """A restart of the broker; everybody comes back when their own pause is over."""
        tally, failed = self._tally, self._tally.failed_connects
        back: list[float] = []
        if limit_s:
            await asyncio.to_thread(self._stage.broker.stop)
            await asyncio.to_thread(self._stage.broker.start)
            up_s = time.monotonic()
            while tally.connected < len(self._devices) and time.monotonic() - up_s < limit_s:
                await asyncio.sleep(0.05)
            back = sorted(max(0.0, since_s - up_s) for since_s in tally.since_s.values())
            self._say(f"{len(back)} back {time.monotonic() - up_s:.0f} s after the restart")
        count = len(self._devices)
        return {
            "storm_p50_s": _nth(back, -(-count // 2)),
            "storm_p99_s": _nth(back, -(-count * 99 // 100)),
            "storm_all_s": _nth(back, count),
            "storm_back": len(back),
            "storm_failed_connects": tally.failed_connects - failed,
        }


def _most_in_a_second(times_s: Sequence[float]) -> int:
    """How many of these moments fell into the fullest second."""
    times = np.sort(times_s)
    return int(np.max(np.searchsorted(times, times + 1.0) - np.arange(len(times)), initial=0))


def _nth(back: Sequence[float], number: int) -> float | None:
    """When so many were back; None when they never were."""
    return round(back[number - 1], 2) if len(back) >= number else None


def _quantiles_ms(latencies_s: Sequence[float]) -> tuple[float, float, float]:
    if not latencies_s:
        return 0.0, 0.0, 0.0
    p50, p99, longest = np.quantile(latencies_s, (0.5, 0.99, 1.0)) * 1000
    return round(float(p50), 2), round(float(p99), 2), round(float(longest), 2)
