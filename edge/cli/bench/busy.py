"""Whether others worked on the machine while it was measured: Linux's load average, at the start and at the end."""

from __future__ import annotations

import os

import msgspec

_OTHERS = 1.0  # runnable tasks beside the measurement's own threads


class LoadAverage(msgspec.Struct, frozen=True, kw_only=True):
    """Runnable tasks, mean over the last minute; the measurement itself is one for each of its threads."""

    start: float
    end: float

    def busy(self, threads: int) -> bool:
        """Whether more worked than a measurement on so many threads."""
        return max(self.start, self.end) > threads + _OTHERS


def read_load() -> float | None:
    """The load average now; None where the system does not tell."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def measure_since(start: float | None) -> LoadAverage | None:
    """The load average from an earlier reading until now; None where the system does not tell."""
    end = read_load()
    return None if start is None or end is None else LoadAverage(start=start, end=end)


def note_load(load: LoadAverage | None, *, threads: int) -> list[str]:
    """What a reader of the figures has to know of the machine's other work, in words; nothing if it had none."""
    if load is None or not load.busy(threads):
        return []
    return [
        f"others worked on the machine: load average {load.start:g} at the start, {load.end:g} at the end; "
        "times are longer than on a quiet one"
    ]
