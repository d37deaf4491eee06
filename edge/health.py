"""How the device is doing: counters and stage times. Owns them; says nothing about people's expressions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from edge.clock import NS
from edge.types import HealthReport

STAGES = ("detect", "track", "crop", "embed", "head", "window", "publish")


@dataclass(slots=True)
class StageTime:
    """Time spent in one stage of the pipeline since it was made."""

    total_ns: int = 0
    frames: int = 0

    @property
    def mean_ms(self) -> float:
        """Milliseconds a frame, 0 when no frame passed."""
        return self.total_ns / self.frames / 1e6 if self.frames else 0.0


@dataclass(slots=True)
class Health:
    """The pipeline's counters.

    Attributes:
        seen: frames that were looked at.
        closed: frames thrown away unseen, outside opening hours.
        failed: frames that could not be worked on.
        rejections: faces due but not scored, by reason; one a face and grid step.
        scored: face-steps scored.
        faces: faces in view in the last frame.
        tracks: ids given so far.
        windows: closed and handed to the publisher.
        stages: time by stage.
        camera: troubles of a live camera, counted by kind.
    """

    started_ns: int = field(default_factory=time.monotonic_ns)
    seen: int = 0
    closed: int = 0
    failed: int = 0
    rejections: Counter[str] = field(default_factory=Counter)
    scored: int = 0
    faces: int = 0
    tracks: int = 0
    windows: int = 0
    stages: dict[str, StageTime] = field(default_factory=lambda: {stage: StageTime() for stage in STAGES})
    camera: dict[str, int] = field(default_factory=dict)

    @property
    def uptime_s(self) -> float:
        """Seconds since the pipeline was made."""
        return (time.monotonic_ns() - self.started_ns) / NS

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Adds the time of the block to a stage, once a frame."""
        begun = time.perf_counter_ns()
        try:
            yield
        finally:
            clocked = self.stages[stage]
            clocked.total_ns += time.perf_counter_ns() - begun
            clocked.frames += 1

    def report(self, *, dropped: int, failed: int) -> HealthReport:
        """What is told to the operator; the publisher adds its own counters.

        Args:
            dropped, failed: the camera's own counts of frames overtaken by newer ones and of unusable ones.
        """
        return HealthReport(
            uptime_s=round(self.uptime_s, 1),
            frames={"seen": self.seen, "closed": self.closed, "dropped": dropped, "failed": self.failed + failed},
            rejections=dict(self.rejections),
            faces=self.faces,
            stage_ms={stage: time.mean_ms for stage, time in self.stages.items()},
            camera=dict(self.camera),
        )
