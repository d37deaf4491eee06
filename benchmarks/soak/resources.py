"""What a process that is never killed costs over time: memory, descriptors, threads, and time a frame.

Owns the samples' file and what is read from it. The process samples itself: its memory is sealed, so nobody else may.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import numpy as np
import psutil

_EVERY_S = 5.0
_WARM_UP = 0.2  # of the run, or ten minutes
_LONGEST_WARM_UP_S = 600.0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Some seconds of a process.

    Attributes:
        at_s: monotonic.
        run: process id.
        rss_mb, uss_mb: resident memory with and without what is shared or comes from files, 10⁶ bytes.
        frames: worked on in these seconds.
        wall_p95_ms, cpu_p95_ms: 95th percentile of the time a frame took, by the clock and of the thread's own
            processor time. The second hardly knows of other load on the machine.
        cpu_share: of one core, all threads, drawing the scene included.
        load: of the machine, 1 minute.
    """

    at_s: float
    run: int
    rss_mb: float
    uss_mb: float
    fds: int
    threads: int
    frames: int
    wall_p95_ms: float
    cpu_p95_ms: float
    cpu_share: float
    load: float


class Sampler:
    """Writes a sample every few seconds.

    Args:
        path: the file, appended to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = psutil.Process()
        self._wall_ns: list[int] = []
        self._cpu_ns: list[int] = []
        self._begun_s, self._begun_cpu_s = time.monotonic(), time.process_time()

    def add(self, wall_ns: int, cpu_ns: int) -> None:
        """Counts one frame."""
        self._wall_ns.append(wall_ns)
        self._cpu_ns.append(cpu_ns)
        now_s = time.monotonic()
        if now_s - self._begun_s >= _EVERY_S:
            self._write(now_s)

    def _write(self, now_s: float) -> None:
        memory, cpu_s = self._process.memory_full_info(), time.process_time()
        sample = Sample(
            at_s=now_s,
            run=os.getpid(),
            rss_mb=memory.rss / 1e6,
            uss_mb=memory.uss / 1e6,
            fds=self._process.num_fds(),
            threads=self._process.num_threads(),
            frames=len(self._wall_ns),
            wall_p95_ms=float(np.percentile(self._wall_ns, 95)) / 1e6,
            cpu_p95_ms=float(np.percentile(self._cpu_ns, 95)) / 1e6,
            cpu_share=(cpu_s - self._begun_cpu_s) / (now_s - self._begun_s),
            load=os.getloadavg()[0],
        )
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(sample) + b"\n")
        self._wall_ns, self._cpu_ns = [], []
        self._begun_s, self._begun_cpu_s = now_s, time.process_time()


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """How a process changed after its warm-up; `start` and `end` are its first and last quarter.

    Attributes:
        processes: how many there were; a trend over more than one means nothing.
    """

    samples: int
    processes: int
    frames: int
    rss_mb: float
    uss_mb: float
    rss_growth_mb_per_h: float
    uss_growth_mb_per_h: float
    fds: int
    fd_growth: int
    threads: int
    thread_growth: int
    latency_p95_start_ms: float
    latency_p95_end_ms: float
    cpu_p95_start_ms: float
    cpu_p95_end_ms: float
    cpu_share: float
    load_start: float
    load_end: float


def read_samples(path: Path) -> list[Sample]:
    """The samples in order."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=Sample) for line in lines]


def find_trend(samples: list[Sample]) -> Trend | None:
    """The trend after the warm-up; None for fewer than eight samples."""
    if not samples:
        return None
    begun_s, length_s = samples[0].at_s, samples[-1].at_s - samples[0].at_s
    warm = [sample for sample in samples if sample.at_s - begun_s >= min(_WARM_UP * length_s, _LONGEST_WARM_UP_S)]
    if len(warm) < 8:
        return None
    quarter = len(warm) // 4
    first, last = warm[:quarter], warm[-quarter:]

    def middle(part: list[Sample], name: str) -> float:
        return round(float(np.median([getattr(sample, name) for sample in part])), 3)

    return Trend(
        samples=len(samples),
        processes=len({sample.run for sample in samples}),
        frames=sum(sample.frames for sample in samples),
        rss_mb=middle(last, "rss_mb"),
        uss_mb=middle(last, "uss_mb"),
        rss_growth_mb_per_h=_slope(warm, "rss_mb"),
        uss_growth_mb_per_h=_slope(warm, "uss_mb"),
        fds=int(middle(last, "fds")),
        fd_growth=int(middle(last, "fds") - middle(first, "fds")),
        threads=int(middle(last, "threads")),
        thread_growth=int(middle(last, "threads") - middle(first, "threads")),
        latency_p95_start_ms=middle(first, "wall_p95_ms"),
        latency_p95_end_ms=middle(last, "wall_p95_ms"),
        cpu_p95_start_ms=middle(first, "cpu_p95_ms"),
        cpu_p95_end_ms=middle(last, "cpu_p95_ms"),
        cpu_share=middle(warm, "cpu_share"),
        load_start=middle(first, "load"),
        load_end=middle(last, "load"),
    )


def _slope(samples: list[Sample], name: str) -> float:
    """Median of the slopes between all pairs, per hour: one sample that lies apart does not move it (Theil, Sen)."""
    at_h = np.array([sample.at_s for sample in samples]) / 3600
    values = np.array([getattr(sample, name) for sample in samples])
    one, other = np.triu_indices(len(samples), 1)
    return round(float(np.median((values[other] - values[one]) / (at_h[other] - at_h[one]))), 3)
