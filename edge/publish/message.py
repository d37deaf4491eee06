"""From the device's values to messages: which topic, which payload, how it is delivered.

Takes a `WindowAggregate`, a `HealthReport` or a status, and nothing else: there is no way in for a frame, a face or
a single score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import cast

import msgspec

from edge.clock import NS, Clock
from edge.config import DeviceConfig
from edge.errors import ConfigError
from edge.model.bundle import Bundle
from edge.publish.fields import Trust
from edge.publish.machine import (
    MAX_DEMAND,
    MAX_MS,
    BoardPayload,
    BundleState,
    CameraTroubles,
    FrameCounts,
    LatencyPayload,
    Level,
    LoadPayload,
    Rejections,
    Stages,
    WindowCounts,
)
from edge.publish.payload import (
    HealthPayload,
    ModelPayload,
    QuadrantsPayload,
    SpreadPayload,
    StatusPayload,
    Suppressed,
    WindowPayload,
    decode_window,
    encode,
)
from edge.release import VERSION, commit
from edge.values import HealthReport, Message, Quadrants, Spread, WindowAggregate

_MAX_TAG_BYTES = 1024  # of JSON, all tags together: keeps the largest legal window under 2 KiB
_EPOCH_START = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who sends, and with which model: the part of a message that does not change during a run.

    Raises:
        ConfigError: the tags are too long to be sent.
    """

    site: str
    device: str
    model: ModelPayload
    tz: str = "UTC"
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = len(msgspec.json.encode(dict(self.tags)))
        if size > _MAX_TAG_BYTES:
            raise ConfigError(f"device.tags: {size} bytes of JSON, at most {_MAX_TAG_BYTES} together; shorten them")

    def topic(self, kind: str) -> str:
        """The topic of `window`, `status` or `health`."""
        return f"affect/v1/{self.site}/{self.device}/{kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishCounts:
    """What the publisher knows about its own work.

    Attributes:
        outbox: windows waiting for the broker.
        evicted: windows lost because the outbox was full or they were too old.
        refused: windows that the broker refused, each counted once.
        interrupted: runs that did not end in order, each with the loss of its open window.
        resets: broken outbox databases set aside in this run.
        reconnects: times the broker session was made anew.
    """

    outbox: int
    evicted: int
    refused: int
    interrupted: int
    resets: int
    reconnects: int


def origin_of(device: DeviceConfig, bundle: Bundle) -> Origin:
    """The origin that a configuration and a loaded bundle make.

    Raises:
        ConfigError: the tags are too long to be sent.
    """
    manifest = bundle.manifest
    model = ModelPayload(name=manifest.name, version=manifest.version, sha256=bundle.sha256)
    return Origin(site=device.site, device=device.name, tz=device.tz, tags=dict(device.tags), model=model)


def number_window(aggregate: WindowAggregate, origin: Origin, *, epoch: str, seq: int) -> WindowPayload:
    """One aggregate as the payload it will be sent as, `historical` still open (False).

    Raises:
        ValueError: a number that is none.
    """
    return WindowPayload(
        schema="affect/v1/window",
        id=f"{origin.device}/{epoch}/{seq}",
        seq=seq,
        epoch=epoch,
        site=origin.site,
        device=origin.device,
        tags=dict(origin.tags),
        start=instant(aggregate.start_ns),
        end=instant(aggregate.end_ns),
        tz=origin.tz,
        clock=_trust(aggregate.synced),
        partial=aggregate.partial,
        historical=False,
        visits=aggregate.visits,
        peak_simultaneous=aggregate.peak_simultaneous,
        scored_s=rounded(aggregate.scored_s, 1),
        unscored_visits=aggregate.unscored_visits,
        valence=_spread(aggregate.valence),
        arousal=_spread(aggregate.arousal),
        quadrants=_quadrants(aggregate.quadrants),
        suppressed=cast("Suppressed | None", aggregate.suppressed),  # `encode` checks it
        model=origin.model,
    )


def stamped(payload: bytes, start_ns: int, end_ns: int) -> bytes:
    """A window's payload on a clock that is now known to be right; moved only where it was wrong by a second or more.

    Raises:
        ValueError: not a window, or the times are none.
    """
    window = decode_window(payload)
    if abs(start_ns - nanoseconds(window.start)) < NS and abs(end_ns - nanoseconds(window.end)) < NS:
        return encode(msgspec.structs.replace(window, clock="synced"))
    return encode(msgspec.structs.replace(window, start=instant(start_ns), end=instant(end_ns), clock="synced"))


def window_message(window: WindowPayload, *, historical: bool) -> Message:
    """A numbered window, ready to send: QoS 1, not retained (an old window must not look like the present).

    Raises:
        ValueError: a value breaks the contract.
    """
    payload = encode(msgspec.structs.replace(window, historical=historical))
    return Message(topic=f"affect/v1/{window.site}/{window.device}/window", payload=payload, qos=1)


def offline_message(origin: Origin) -> Message:
    """What the device says when it stops, and the broker in its name when it vanished: the same bytes, always."""
    payload = StatusPayload(schema="affect/v1/status", site=origin.site, device=origin.device, state="offline")
    return Message(topic=origin.topic("status"), payload=encode(payload), qos=1, retain=True)


def online_message(origin: Origin, clock: Clock) -> Message:
    """What the device says at the start of each broker session: retained, QoS 1."""
    payload = StatusPayload(
        schema="affect/v1/status",
        site=origin.site,
        device=origin.device,
        state="online",
        since=instant(clock.utc_ns(clock.monotonic_ns())),
        clock=_trust(clock.synced()),
        version=VERSION,
        commit=commit(),
        model=origin.model,
    )
    return Message(topic=origin.topic("status"), payload=encode(payload), qos=1, retain=True)


def health_message(report: HealthReport, origin: Origin, counts: PublishCounts, clock: Clock) -> Message:
    """A health report: QoS 0, not retained. Its counters run on, so the next one makes up for a lost one.

    Raises:
        ValueError: a value breaks the contract.
    """
    return Message(topic=origin.topic("health"), payload=encode(health_payload(report, origin, counts, clock)), qos=0)


def health_payload(report: HealthReport, origin: Origin, counts: PublishCounts, clock: Clock) -> HealthPayload:
    """A health report as the contract has it, every number rounded.

    Raises:
        ValueError: a number that is none.
    """
    load, board, windows = report.load, report.board, report.windows
    looked = windows.get("scored", 0) + windows.get("min_visits", 0)
    return HealthPayload(
        schema="affect/v1/health",
        site=origin.site,
        device=origin.device,
        at=instant(clock.utc_ns(clock.monotonic_ns())),
        clock=_trust(clock.synced()),
        uptime_s=rounded(report.uptime_s, 1),
        frames=cast("FrameCounts", dict(report.frames)),  # `encode` checks the names of this and its like
        rejections=cast("Rejections", dict(report.rejections)),
        faces=report.faces,
        stage_ms=_stages(report.stage_ms),
        outbox=counts.outbox,
        evicted=counts.evicted,
        refused=counts.refused,
        interrupted=counts.interrupted,
        resets=counts.resets,
        camera=cast("CameraTroubles", dict(report.camera)),
        reconnects=counts.reconnects,
        stage_p50_ms=_stages(report.stage_p50_ms),
        stage_p95_ms=_stages(report.stage_p95_ms),
        latency_ms=_latency(report.latency_ms),
        windows=cast("WindowCounts", dict(windows)),
        suppressed_share=rounded(windows.get("min_visits", 0) / looked, 2) if looked else None,
        load=LoadPayload(
            level=cast("Level", load.level),
            demand=None if load.demand is None else min(rounded(load.demand, 2), MAX_DEMAND),
            skipped=load.skipped,
        ),
        board=BoardPayload(
            temperature_c=None if board.temperature_c is None else rounded(board.temperature_c, 1),
            throttled=board.throttled,
            throttled_since_boot=board.throttled_since_boot,
            under_voltage=board.under_voltage,
            cpu_mhz=board.cpu_mhz,
            cpu_max_mhz=board.cpu_max_mhz,
        ),
        accelerated=report.accelerated,
        version=VERSION,
        commit=commit(),
        bundle=origin.model,
        bundle_state=cast("BundleState", report.bundle_state) if report.bundle_state else msgspec.UNSET,
    )


def instant(utc_ns: int) -> datetime:
    """UTC nanoseconds since 1970 as a time, cut to milliseconds.

    Raises:
        ValueError: before 1970 or after the year 9999.
    """
    try:
        if utc_ns < 0:
            raise OverflowError
        return _EPOCH_START + timedelta(milliseconds=utc_ns // 1_000_000)
    except OverflowError:
        raise ValueError(f"{utc_ns} ns is no time between 1970 and 9999") from None


def nanoseconds(time: datetime) -> int:
    """The inverse of `instant`: UTC nanoseconds since 1970, exact to the millisecond."""
    return (time - _EPOCH_START) // timedelta(milliseconds=1) * 1_000_000


def rounded(value: float, digits: int) -> float:
    """A finite number, rounded; never minus zero.

    Raises:
        ValueError: not a finite number.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return round(float(value), digits) + 0.0


def _trust(synced: bool) -> Trust:
    return "synced" if synced else "unsynced"


def _ms(value: float) -> float:
    """Milliseconds as they are sent: to 0.01, and no more than the contract knows; a longer time is as bad."""
    return min(rounded(value, 2), MAX_MS)


def _stages(times: Mapping[str, float]) -> Stages:
    return cast("Stages", {stage: _ms(value) for stage, value in times.items()})


def _latency(quantiles_ms: tuple[float, float] | None) -> LatencyPayload | None:
    if quantiles_ms is None:
        return None
    return LatencyPayload(p50=_ms(quantiles_ms[0]), p95=_ms(quantiles_ms[1]))


def _spread(spread: Spread | None) -> SpreadPayload | None:
    if spread is None:
        return None
    return SpreadPayload(mean=rounded(spread.mean, 2), std=rounded(spread.std, 2))


def _quadrants(quadrants: Quadrants | None) -> QuadrantsPayload | None:
    if quadrants is None:
        return None
    return QuadrantsPayload(
        pos_high=rounded(quadrants.pos_high, 2),
        pos_low=rounded(quadrants.pos_low, 2),
        neg_high=rounded(quadrants.neg_high, 2),
        neg_low=rounded(quadrants.neg_low, 2),
    )
