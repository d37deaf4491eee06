"""Counts frames, faces and windows, measures the time of each stage, and builds the `Health` message."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np

from edge import contract
from edge.clock import NS, Clock
from edge.contract.fields import bucket
from edge.version import VERSION, commit

_REJECTION_STEP = 100  # rejections are reported in steps of this; about ten seconds of one face
_KEPT = 2048  # times; about one minute at 30 frames a second


class CameraCounts(Protocol):
    """A camera's counters; `Frames` and `CameraEvents` in the contract describe them."""

    dropped: int
    failed: int
    skipped: int
    events: dict[str, int]


class Timing:
    """A context manager that passes its duration in nanoseconds to `add`, also after an exception.

    It is a class because a generator-based one takes three times as long.
    """

    __slots__ = ("_add", "_begun_ns")

    def __init__(self, add: Callable[[int], None]) -> None:
        self._add = add

    def __enter__(self) -> None:
        self._begun_ns = time.perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        self._add(time.perf_counter_ns() - self._begun_ns)


class Times:
    """Durations: the sum of all, and the exact quantiles of the last 2,048."""

    def __init__(self) -> None:
        self.total_ns = 0
        self._ns: deque[int] = deque(maxlen=_KEPT)

    def add(self, ns: int) -> None:
        """Adds a duration."""
        self.total_ns += ns
        self._ns.append(ns)

    def add_idle(self, ns: int) -> None:
        """Adds a duration in which there was nothing to do: it counts in the sum, but not in the quantiles."""
        self.total_ns += ns

    def quantiles_ms(self) -> tuple[float, float] | tuple[None, None]:
        """Median and 95th percentile, milliseconds, rounded as in the contract; None before the first duration."""
        kept = tuple(self._ns)  # the loop may add one meanwhile
        if not kept:
            return None, None
        p50, p95 = np.percentile(kept, (50, 95))
        return _ms(p50), _ms(p95)


@dataclass(slots=True, eq=False)
class HealthMonitor:
    """The counters of a run. Frames that the camera skipped or found damaged are added in `report`."""

    started_ns: int = field(default_factory=time.monotonic_ns)
    seen: int = 0  # frames from the camera
    worked: int = 0  # processed frames
    failed: int = 0  # frames that could not be processed
    rejections: dict[str, int] = field(default_factory=lambda: contract.zeros(contract.Rejections))  # by reason
    scored: int = 0  # scores, one for each face and time step
    faces: int = 0  # in view in the last frame
    tracks: int = 0  # highest track id so far
    windows: dict[str, int] = field(default_factory=lambda: contract.zeros(contract.Windows))  # by content
    last_window: contract.Window | None = None
    staying: int = 0  # people whom the release rule leaves out, since they stay for many windows
    covered: float = 0.0  # share of the picture that zones cover, 0 to 1
    moved: bool | None = None  # whether the camera seems to have been moved; None before there are faces enough
    latency: Times = field(default_factory=Times)  # age of frames when their scores are ready
    stages: dict[str, Times] = field(default_factory=lambda: {key: Times() for key in contract.Stages.__annotations__})

    def timing(self, stage: contract.Stage, *, busy: bool = True) -> Timing:
        """Measures a stage; use it once a frame. The quantiles leave out frames in which the stage is not `busy`."""
        times = self.stages[stage]
        return Timing(times.add if busy else times.add_idle)

    def closed_window(self, window: contract.Window) -> None:
        """Counts a published window."""
        self.windows[window.suppressed or "scored"] += 1
        self.last_window = window

    def stage_times(self) -> contract.Stages:
        """Durations by stage. All means are over all processed frames, so their sum is the mean time of a frame."""
        times, worked = {}, max(self.worked, 1)
        for stage, spent in self.stages.items():
            p50, p95 = spent.quantiles_ms()
            times[stage] = contract.StageTime(mean_ms=_ms(spent.total_ns / worked), p50_ms=p50, p95_ms=p95)
        return cast("contract.Stages", times)

    def report(
        self,
        origin: contract.Origin,
        clock: Clock,
        *,
        camera: CameraCounts,
        load: contract.Load,
        board: contract.Board,
        delivery: contract.Delivery,
        model_state: contract.ModelState,
        accelerated: bool | None = None,
    ) -> contract.Health:
        """Builds the message; may be called from any thread.

        Args:
            model_state: why this bundle runs.
            accelerated: whether the configured accelerator is in use; None if none is configured.
        """
        p50, p95 = self.latency.quantiles_ms()
        return contract.Health(
            schema="affect/v1/health",
            site=origin.site,
            device=origin.device,
            at=contract.instant(clock.utc_ns(clock.monotonic_ns())),
            clock="synced" if clock.synced() else "unsynced",
            uptime_s=contract.rounded((time.monotonic_ns() - self.started_ns) / NS, 1),
            version=VERSION,
            commit=commit(),
            model=origin.model,
            model_state=model_state,
            accelerated=accelerated,
            frames={
                "seen": self.seen + camera.skipped,
                "worked": self.worked,
                "dropped": camera.dropped,
                "failed": self.failed + camera.failed,
            },
            rejections=cast(
                "contract.Rejections", {kind: n - n % _REJECTION_STEP for kind, n in self.rejections.items()}
            ),
            faces=bucket(self.faces),
            staying=bucket(self.staying),
            covered=contract.rounded(self.covered),
            moved=self.moved,
            camera_events=cast("contract.CameraEvents", dict(camera.events)),
            stages=self.stage_times(),
            latency=contract.Latency(p50_ms=p50, p95_ms=p95),
            windows=cast("contract.Windows", dict(self.windows)),
            load=load,
            board=board,
            delivery=delivery,
        )


def _ms(ns: float) -> float:
    """Nanoseconds as milliseconds, rounded to 0.01 and limited to the contract's maximum."""
    return min(contract.rounded(ns / 1e6), contract.MAX_MS)
