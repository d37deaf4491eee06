"""Messages as a device sends them, for the documents and for whoever tries a subscriber without a device."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from edge.clock import NS
from edge.publish.machine import BoardPayload, LatencyPayload, LoadPayload
from edge.publish.message import Origin, nanoseconds, number_window
from edge.publish.payload import HealthPayload, ModelPayload, StatusPayload, WindowPayload
from edge.values import Quadrants, Spread, WindowAggregate

_NOON = datetime(2026, 11, 2, 11, 0, tzinfo=timezone.utc)  # in Berlin
_MODEL = ModelPayload(name="affect-112", version=3, sha256="5e" * 32)
ORIGIN = Origin(site="berlin", device="door", tz="Europe/Berlin", tags={"zone": "entrance"}, model=_MODEL)
BUSY = WindowAggregate(
    start_ns=nanoseconds(_NOON),
    end_ns=nanoseconds(_NOON) + 60 * NS,
    synced=True,
    partial=False,
    visits=7,
    peak_simultaneous=3,
    scored_s=84.3,
    unscored_visits=1,
    valence=Spread(mean=0.21, std=0.18),
    arousal=Spread(mean=-0.05, std=0.12),
    quadrants=Quadrants(pos_high=0.29, pos_low=0.57, neg_high=0.0, neg_low=0.14),
    suppressed=None,
)
QUIET = replace(
    BUSY,
    start_ns=BUSY.end_ns,
    end_ns=BUSY.end_ns + 60 * NS,
    visits=2,
    peak_simultaneous=1,
    scored_s=9.5,
    valence=None,
    arousal=None,
    quadrants=None,
    suppressed="min_visits",
)


def example_windows() -> list[WindowPayload]:
    """A window with scores, and the next one with too few visits for any."""
    return [
        number_window(aggregate, ORIGIN, epoch="9f3c21ab", seq=412 + i) for i, aggregate in enumerate((BUSY, QUIET))
    ]


def example_statuses() -> list[StatusPayload]:
    """Online, and offline as the last will says it."""
    online = StatusPayload(
        schema="affect/v1/status",
        site=ORIGIN.site,
        device=ORIGIN.device,
        state="online",
        since=_NOON,
        clock="synced",
        version="0.1.0",
        commit="95a7b3e",
        model=_MODEL,
    )
    offline = StatusPayload(schema="affect/v1/status", site=ORIGIN.site, device=ORIGIN.device, state="offline")
    return [online, offline]


def example_health() -> HealthPayload:
    """A healthy device after a day."""
    return HealthPayload(
        schema="affect/v1/health",
        site=ORIGIN.site,
        device=ORIGIN.device,
        at=_NOON,
        clock="synced",
        uptime_s=86412.3,
        frames={"seen": 2592369, "closed": 0, "dropped": 12, "failed": 0},
        rejections={"small": 310, "blurred": 45},
        faces=2,
        stage_ms={"detect": 3.02, "embed": 1.12},
        outbox=0,
        evicted=0,
        refused=0,
        reconnects=1,
        interrupted=0,
        resets=0,
        camera={"gone": 1, "reopened": 1},
        stage_p50_ms={"detect": 2.98, "embed": 1.08},
        stage_p95_ms={"detect": 3.61, "embed": 2.2},
        latency_ms=LatencyPayload(p50=18.4, p95=36.9),
        windows={"scored": 611, "min_visits": 229, "closed": 600},
        suppressed_share=0.27,
        load=LoadPayload(level="normal", demand=0.21, skipped=0),
        board=BoardPayload(
            temperature_c=58.4,
            throttled=False,
            throttled_since_boot=False,
            under_voltage=False,
            cpu_mhz=2400,
            cpu_max_mhz=2400,
        ),
        accelerated=None,
        version="0.1.0",
        commit="95a7b3e",
        bundle=_MODEL,
        bundle_state="confirmed",
    )
