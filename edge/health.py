"""How the device is doing: counts frames, faces and windows, takes stage times, and fills the `Health` message."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np

from edge import contract
from edge.clock import NS, Clock
from edge.contract.fields import bucket
from edge.version import VERSION, commit

_COARSE = 100  # looks at a face, ten seconds of one
_KEPT = 2048  # times of each kind: about the last minute at 30 frames a second, 16 KiB


class CameraCounts(Protocol):
    """What a camera counts itself; see `Frames` and `CameraEvents` of the contract."""

    dropped: int
    failed: int
    skipped: int
    events: dict[str, int]


class Timing:
    """Takes the time of a block and hands it on; a class, since a generator costs three times as much.

    Args:
        add: gets the nanoseconds, also when the block raised.
    """

    __slots__ = ("_add", "_begun_ns")

    def __init__(self, add: Callable[[int], None]) -> None:
        self._add = add

    def __enter__(self) -> None:
        self._begun_ns = time.perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        self._add(time.perf_counter_ns() - self._begun_ns)


class Times:
    """How long something took: in all, and the last 2,048 times, whose quantiles are exact and about now."""

    def __init__(self) -> None:
        self.total_ns = 0
        self._ns = np.zeros(_KEPT, np.int64)
        self._count = 0

    def add(self, ns: int) -> None:
        """Adds one; it takes the place of the oldest."""
        self.total_ns += ns
        self._ns[self._count % _KEPT] = ns
        self._count += 1

    def add_idle(self, ns: int) -> None:
        """Adds one in which there was nothing to do: quantiles leave it out."""
        self.total_ns += ns

    def quantiles_ms(self) -> tuple[float, float] | tuple[None, None]:
        """Median and 95th percentile in milliseconds, as the contract rounds them; None when there were no times."""
        kept = self._ns[: min(self._count, _KEPT)]
        if not kept.size:
            return None, None
        p50, p95 = np.percentile(kept, (50, 95))
        return _ms(p50), _ms(p95)


@dataclass(slots=True, eq=False)
class HealthMonitor:
    """The counters of a run.

    Attributes:
        started_ns: monotonic.
        seen: frames that came from the camera; those that it `skipped` are added in the report.
        worked: of these, frames that were searched for faces or scored.
        failed: frames that could not be worked on; those that the camera found damaged are added in the report.
        rejections: looks at a face that gave no score, by reason.
        scored: face-steps scored.
        faces: faces in view in the last frame.
        tracks: ids given so far.
        windows: windows closed, by content: `scored`, or the reason for no scores.
        latency: age of frames when their scores were there.
        stages: time by stage.
    """

    started_ns: int = field(default_factory=time.monotonic_ns)
    seen: int = 0
    worked: int = 0
    failed: int = 0
    rejections: dict[str, int] = field(default_factory=lambda: contract.zeros(contract.Rejections))
    scored: int = 0
    faces: int = 0
    tracks: int = 0
    windows: dict[str, int] = field(default_factory=lambda: contract.zeros(contract.Windows))
    latency: Times = field(default_factory=Times)
    stages: dict[str, Times] = field(
        default_factory=lambda: {stage: Times() for stage in contract.Stages.__annotations__}
    )

    def timing(self, stage: contract.Stage, *, busy: bool = True) -> Timing:
        """Adds the time of a block to a stage, once a frame.

        Args:
            stage: which.
            busy: whether the stage has something to do; if not, as without a face, its quantiles leave the frame out.
        """
        times = self.stages[stage]
        return Timing(times.add if busy else times.add_idle)

    def closed_window(self, window: contract.Window) -> None:
        """Counts a window that was handed to the publisher."""
        self.windows[window.suppressed or "scored"] += 1

    def stage_times(self) -> contract.Stages:
        """Time by stage; the means are over all worked frames, so they add up."""
        times = {}
        for stage, spent in self.stages.items():
            p50, p95 = spent.quantiles_ms()
            mean = spent.total_ns / max(self.worked, 1)
            times[stage] = contract.StageTime(mean_ms=_ms(mean), p50_ms=p50, p95_ms=p95)
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
        """The message; may be called from any thread.

        Args:
            origin, clock: who reports, and when.
            camera, load, board, delivery: what their owners measured.
            model_state: why this bundle runs.
            accelerated: whether the configured accelerator computes; None where none is configured.
        """
        p50, p95 = self.latency.quantiles_ms()
        frames = {
            "seen": self.seen + camera.skipped,
            "worked": self.worked,
            "dropped": camera.dropped,
            "failed": self.failed + camera.failed,
        }
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
            frames=cast("contract.Frames", frames),
            rejections=cast("contract.Rejections", {kind: n - n % _COARSE for kind, n in self.rejections.items()}),
            faces=bucket(self.faces),
            camera_events=cast("contract.CameraEvents", dict(camera.events)),
            stages=self.stage_times(),
            latency=contract.Latency(p50_ms=p50, p95_ms=p95),
            windows=cast("contract.Windows", dict(self.windows)),
            load=load,
            board=board,
            delivery=delivery,
        )


def _ms(ns: float) -> float:
    """Nanoseconds as milliseconds, to 0.01 and no more than the contract knows; a longer time is as bad."""
    return min(contract.rounded(ns / 1e6), contract.MAX_MS)
