"""One soak from its beginning to its record.

Owns the order of things: start, spoil, mend, drain, stop, settle. Whatever happens, nothing is left running.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.soak.account import longest_pause_s, settle
from benchmarks.soak.broker import Broker, Subscriber, find_mosquitto
from benchmarks.soak.conductor import Conductor, Say
from benchmarks.soak.plan import make_plan
from benchmarks.soak.proxy import Proxy
from benchmarks.soak.report import (
    Soak,
    describe_bundle,
    describe_host,
    describe_versions,
    details_of,
    find_broken,
    find_commit,
)
from benchmarks.soak.resources import find_trend, read_samples
from benchmarks.soak.supervisor import Supervisor
from edge.model.bundle import default_bundle, load_bundle

_READY_S = 90.0  # longer than a read that is stuck and the start after it
_ROUNDS = 3
_LOOK_S = 1.0


def run_soak(
    minutes: float,
    seed: int,
    folder: Path,
    *,
    fps: float = 10.0,
    drain_s: float = 180.0,
    say: Say,
    tick: Callable[[float], None],
) -> Soak:
    """Runs the device through everything.

    Args:
        minutes: of faults; mending and draining come on top.
        seed: of all chances.
        folder: empty; logs, journals and the databases stay there.
        fps: of the two devices' cameras.
        drain_s: seconds that the backlog may take once all is mended.
        say: told of each fault and step as it comes.
        tick: told the seconds since the start, each second.

    Raises:
        ConfigError: no Mosquitto, or it does not start.
    """
    find_mosquitto()
    commit, host, bundle = find_commit(), describe_host(), load_bundle(default_bundle())
    with ExitStack() as stack:
        broker = Broker(folder / "broker")
        stack.callback(broker.stop)
        broker.start()
        proxy = Proxy(broker.port)
        stack.callback(proxy.close)
        subscriber = Subscriber(broker.port)
        stack.callback(subscriber.close)
        victim, steady = (Supervisor(folder / name, name, proxy.port, fps) for name in ("victim", "steady"))
        for device in (victim, steady):
            stack.callback(device.close)
            device.start()
        conductor = Conductor(victim, [steady], broker, proxy, say, seed)
        conductor.start(make_plan(minutes, seed))
        begun_s = time.monotonic()
        while (spent_s := time.monotonic() - begun_s) < 60 * minutes:
            tick(spent_s)
            time.sleep(min(_LOOK_S, 60 * minutes - spent_s))
        say("all is mended; what waits is sent")
        conductor.lift()
        trend = find_trend(read_samples(steady.folder / "samples.jsonl"))
        drained_s = _drain([victim, steady], subscriber, drain_s, say)
        account = settle(
            [*victim.closed(), *steady.closed()],
            list(subscriber.arrivals),
            acknowledged=proxy.acknowledged,
            broker_killed_s=broker.killed_s,
        )
    kills = victim.exits[-signal.SIGKILL]  # those that met a process which had not ended by itself meanwhile
    soak = Soak(
        minutes=minutes,
        seed=seed,
        kills=kills,
        faults=dict(sorted(conductor.happened.items())),
        windows_closed=account.closed,
        windows_arrived=account.arrived,
        windows_lost=len(account.lost),
        windows_lost_by_broker=len(account.lost_by_broker),
        windows_unjournaled=len(account.unjournaled),
        windows_altered=len(account.altered),
        windows_suppressed=account.suppressed,
        windows_unsynced=account.unsynced,
        repeats=account.repeats,
        repeats_differing=len(account.differing),
        overlaps=len(account.overlaps),
        overlaps_across_restarts=len(account.overlaps_across),
        epochs=account.epochs,
        starts=victim.starts,
        exits={str(code): number for code, number in sorted(victim.exits.items())},
        steady_exits={str(code): number for code, number in sorted(steady.exits.items())},
        watchdog_barks=victim.barked + steady.barked,
        longest_silence_s=round(max(victim.longest_silence_s, steady.longest_silence_s), 1),
        longest_pause_s=round(longest_pause_s(steady.closed()), 1),
        tracebacks=sum(device.log().count("Traceback") for device in (victim, steady)),
        drain_s=round(drained_s, 1),
        rss_growth_mb_per_h=None if trend is None else trend.rss_growth_mb_per_h,
        fd_growth=None if trend is None else trend.fd_growth,
        thread_growth=None if trend is None else trend.thread_growth,
        latency_p95_start_ms=None if trend is None else trend.latency_p95_start_ms,
        latency_p95_end_ms=None if trend is None else trend.latency_p95_end_ms,
        cpu_p95_start_ms=None if trend is None else trend.cpu_p95_start_ms,
        cpu_p95_end_ms=None if trend is None else trend.cpu_p95_end_ms,
        steady=trend,
        bundle=describe_bundle(bundle),
        commit=commit,
        host=host,
        versions=describe_versions(),
        details=details_of(account),
    )
    soak.broken.extend(find_broken(soak))
    return soak


def _drain(devices: list[Supervisor], subscriber: Subscriber, drain_s: float, say: Say) -> float:
    """Waits until all that was closed has arrived, ends the devices in order, and waits for their last windows.

    A window that is held when its process ends goes out in the next run, so that there may be one more.

    Returns:
        Seconds that the backlog took before the devices were ended.
    """
    begun_s, took_s = time.monotonic(), 0.0
    for attempt in range(_ROUNDS):
        _wait(lambda: all(device.ready for device in devices), _READY_S)
        _wait(lambda: not _missing(devices, subscriber), drain_s)
        if not attempt:
            took_s = time.monotonic() - begun_s
        for device in devices:
            device.stop()
        if _wait(lambda: not _missing(devices, subscriber), 2 * _LOOK_S) or attempt == _ROUNDS - 1:
            break
        say(f"{len(_missing(devices, subscriber))} windows wait for the next run; started again")
        for device in devices:
            device.start()
    time.sleep(_LOOK_S)  # what is still under way may be a repeat
    return took_s


def _missing(devices: list[Supervisor], subscriber: Subscriber) -> set[str]:
    return {entry.id for device in devices for entry in device.closed()} - subscriber.ids()


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    end_s = time.monotonic() + timeout_s
    while not (met := condition()) and time.monotonic() < end_s:
        time.sleep(0.2)
    return met
