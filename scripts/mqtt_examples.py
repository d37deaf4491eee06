"""Messages as a device sends them: for the documents in docs/mqtt, and for tests of whoever reads messages."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TypeVar, cast

from msgspec.structs import replace

from edge import contract

T = TypeVar("T")
NOON = datetime(2026, 11, 2, 11, 0, tzinfo=timezone.utc)  # in Berlin
ORIGIN = contract.Origin(
    site="berlin",
    device="door",
    tz="Europe/Berlin",
    tags={"zone": "entrance"},
    model=contract.Model(name="affect-112", version=5, sha256="5e" * 32),
    policy="70" * 16,
)
BUSY = contract.Window(
    schema="affect/v1/window",
    id="door/9f3c21ab/412",
    seq=412,
    epoch="9f3c21ab",
    site=ORIGIN.site,
    device=ORIGIN.device,
    tags=ORIGIN.tags,
    start=NOON,
    end=NOON + timedelta(seconds=900),
    tz=ORIGIN.tz,
    clock="synced",
    partial=False,
    observed_s=900.0,
    visits=47,
    visits_begun=45,
    peak_simultaneous=5,
    scored_s=412.3,
    unscored_visits=6,
    people=38,
    valence=contract.Spread(mean=0.22, std=0.2),
    arousal=contract.Spread(mean=-0.04, std=0.12),
    quadrants=contract.Quadrants(pos_high=0.3, pos_low=0.6, neg_high=0.0, neg_low=0.1),
    suppressed=None,
    epsilon=None,
    model=ORIGIN.model,
    policy=ORIGIN.policy,
)
QUIET = replace(
    BUSY,
    id="door/9f3c21ab/413",
    seq=413,
    start=BUSY.end,
    end=BUSY.end + timedelta(seconds=900),
    visits=5,
    visits_begun=5,
    peak_simultaneous=1,
    scored_s=None,
    unscored_visits=1,
    people=None,
    valence=None,
    arousal=None,
    quadrants=None,
    suppressed="few_people",
)
ONLINE = contract.Status(
    schema="affect/v1/status",
    site=ORIGIN.site,
    device=ORIGIN.device,
    state="online",
    since=NOON,
    clock="synced",
    version="0.1.0",
    commit="95a7b3e",
    model=ORIGIN.model,
    policy=ORIGIN.policy,
)
OFFLINE = contract.Status(schema="affect/v1/status", site=ORIGIN.site, device=ORIGIN.device, state="offline")


def _counts(kinds: type[T], **counts: int) -> T:
    return cast("T", contract.zeros(kinds) | counts)


def _stage(mean_ms: float, p50_ms: float, p95_ms: float) -> contract.StageTime:
    return contract.StageTime(mean_ms=mean_ms, p50_ms=p50_ms, p95_ms=p95_ms)


HEALTH = contract.Health(
    schema="affect/v1/health",
    site=ORIGIN.site,
    device=ORIGIN.device,
    at=NOON,
    clock="synced",
    uptime_s=86412.3,
    version="0.1.0",
    commit="95a7b3e",
    model=ORIGIN.model,
    model_state="active",
    accelerated=None,
    frames=_counts(contract.Frames, seen=2592369, worked=864120, dropped=12),
    rejections=_counts(contract.Rejections, small=300, turned=100),
    faces=1,
    camera_events=_counts(contract.CameraEvents, gone=1, reopened=1),
    stages={
        "detect": _stage(3.02, 2.98, 3.61),
        "track": _stage(0.05, 0.04, 0.09),
        "crop": _stage(0.21, 0.44, 0.93),
        "embed": _stage(1.12, 1.08, 2.2),
        "head": _stage(0.07, 0.15, 0.31),
        "window": _stage(0.02, 0.02, 0.04),
        "publish": _stage(0.01, 0.01, 0.02),
    },
    latency=contract.Latency(p50_ms=18.4, p95_ms=36.9),
    windows=_counts(contract.Windows, scored=41, few_people=15, closed=40, partial=1),
    load=contract.Load(level="normal", demand=0.21, skipped=0),
    board=contract.Board(
        temperature_c=58.4,
        throttled=False,
        throttled_since_boot=False,
        under_voltage=False,
        cpu_mhz=2400,
        cpu_max_mhz=2400,
    ),
    delivery=contract.Delivery(connected=True, reconnects=1),
)
EXAMPLES: dict[str, list[contract.Window | contract.Status | contract.Health]] = {
    "window": [BUSY, QUIET],
    "status": [ONLINE, OFFLINE],
    "health": [HEALTH],
}
