"""How the device is doing: counters and stage times. Owns them; says nothing about people's expressions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.clock import NS
from edge.values import BoardState, HealthReport, LoadState

STAGES = ("detect", "track", "crop", "embed", "head", "window", "publish")


_KEPT = 2048  # times of each kind: about the last minute at 30 frames a second, 16 KiB


class Timing:
    """Takes the time of a block and hands it on; a class, since a generator costs three times as much.

    Args:
        add: gets the nanoseconds, whatever became of the block.
    """

    __slots__ = ("_add", "_begun_ns")

    def __init__(self, add: Callable[[int], None]) -> None:
        self._add = add

    def __enter__(self) -> None:
        self._begun_ns = time.perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        self._add(time.perf_counter_ns() - self._begun_ns)


class Recent:
    """The last times of one kind, in a ring of fixed size.

    A ring and not a histogram: its quantiles are exact, they are about now and not about the whole run, and on one
    minute's frames it costs no more memory than a histogram fine enough for a percent.
    """

    def __init__(self) -> None:
        self._ns = np.zeros(_KEPT, np.int64)
        self._count = 0

    def add(self, ns: int) -> None:
        """Keeps one, in place of the oldest."""
        self._ns[self._count % _KEPT] = ns
        self._count += 1

    def quantiles_ms(self) -> tuple[float, float] | None:
        """Median and 95th percentile, milliseconds; None when there were none."""
        kept = self._kept()
        if not kept.size:
            return None
        p50, p95 = np.percentile(kept, (50, 95)) / 1e6
        return float(p50), float(p95)

    def percentile_ms(self, percent: float) -> float | None:
        """Milliseconds that `percent` (0..100) of the times do not exceed; None when there were none."""
        kept = self._kept()
        return float(np.percentile(kept, percent)) / 1e6 if kept.size else None

    def _kept(self) -> NDArray[np.int64]:
        return self._ns[: min(self._count, _KEPT)]


@dataclass(slots=True, eq=False)
class StageTime:
    """Time spent in one stage of the pipeline since it was made, and lately."""

    total_ns: int = 0
    frames: int = 0
    recent: Recent = field(default_factory=Recent)

    def add(self, ns: int) -> None:
        """One frame took so long."""
        self.total_ns += ns
        self.frames += 1
        self.recent.add(ns)

    @property
    def mean_ms(self) -> float:
        """Milliseconds a frame, 0 when no frame passed."""
        return self.total_ns / self.frames / 1e6 if self.frames else 0.0


@dataclass(slots=True)
class Health:
    """The pipeline's counters.

    Attributes:
        seen: frames that came while the eye was open.
        spared: further ones, not even decoded, since their step of the grid was done; a report counts them as seen.
        closed: frames thrown away unseen, outside opening hours.
        failed: frames that could not be worked on.
        rejections: faces due but not scored, by reason; one a face and grid step.
        scored: face-steps scored.
        faces: faces in view in the last frame.
        tracks: ids given so far.
        windows: closed and handed to the publisher.
        withheld: those among them without scores, by reason.
        stages: time by stage.
        latency: age of a frame when its scores were there, lately.
        camera: troubles of a live camera, counted by kind.
        bundle_state: why this bundle runs; empty where nobody says.
    """

    started_ns: int = field(default_factory=time.monotonic_ns)
    seen: int = 0
    spared: int = 0
    closed: int = 0
    failed: int = 0
    rejections: Counter[str] = field(default_factory=Counter)
    scored: int = 0
    faces: int = 0
    tracks: int = 0
    windows: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    latency: Recent = field(default_factory=Recent)
    stages: dict[str, StageTime] = field(default_factory=lambda: {stage: StageTime() for stage in STAGES})
    camera: dict[str, int] = field(default_factory=dict)
    bundle_state: str = ""

    @property
    def uptime_s(self) -> float:
        """Seconds since the pipeline was made."""
        return (time.monotonic_ns() - self.started_ns) / NS

    def timing(self, stage: str) -> Timing:
        """Adds the time of the block to a stage, once a frame."""
        return Timing(self.stages[stage].add)

    def closed_window(self, suppressed: str | None) -> None:
        """A window was closed and handed on, without scores for that reason if there is one."""
        self.windows += 1
        if suppressed is not None:
            self.withheld[suppressed] += 1

    def report(
        self,
        *,
        dropped: int,
        failed: int,
        load: LoadState | None = None,
        board: BoardState | None = None,
        accelerated: bool | None = None,
    ) -> HealthReport:
        """What is told to the operator; the publisher adds its own counters. Safe to call from another thread.

        Args:
            dropped, failed: the camera's own counts of frames overtaken by newer ones and of unusable ones.
            load: how the schedule copes.
            board: what the board tells about itself.
            accelerated: whether the configured accelerator computes; None where none is configured.
        """
        lately = {stage: found for stage, time in self.stages.items() if (found := time.recent.quantiles_ms())}
        withheld = dict(self.withheld)
        return HealthReport(
            uptime_s=round(self.uptime_s, 1),
            frames={
                "seen": self.seen + self.spared,
                "closed": self.closed,
                "dropped": dropped,
                "failed": self.failed + failed,
            },
            rejections=dict(self.rejections),
            faces=self.faces,
            stage_ms={stage: time.mean_ms for stage, time in self.stages.items()},
            camera=dict(self.camera),
            stage_p50_ms={stage: p50 for stage, (p50, _) in lately.items()},
            stage_p95_ms={stage: p95 for stage, (_, p95) in lately.items()},
            latency_ms=self.latency.quantiles_ms(),
            windows={"scored": max(self.windows - sum(withheld.values()), 0), **withheld},
            load=load or LoadState(),
            board=board or BoardState(),
            bundle_state=self.bundle_state,
            accelerated=accelerated,
        )
