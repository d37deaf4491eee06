"""Joules, where the system counts them: Linux's powercap (RAPL on x86). Boards without a counter tell nothing.

(Documentation/power/powercap/powercap.rst of the Linux kernel, read November 2026)
"""

from __future__ import annotations

from pathlib import Path


class EnergyMeter:
    """Reads the package counters.

    Args:
        root: where sysfs is mounted; another folder in tests.
    """

    def __init__(self, root: Path = Path("/sys")) -> None:
        zones = sorted((root / "class/powercap").glob("intel-rapl:[0-9]"))
        self._counters = [zone for zone in zones if _number(zone / "energy_uj") is not None]

    def read(self) -> list[int] | None:
        """The counters now, microjoules; None where there are none or they may not be read."""
        found = [_number(zone / "energy_uj") for zone in self._counters]
        return [value for value in found if value is not None] or None

    def joules_since(self, before: list[int] | None) -> float | None:
        """Joules since an earlier reading; a counter that began anew in between is taken to have done so once."""
        now = self.read()
        if before is None or now is None or len(before) != len(now):
            return None
        ranges = [_number(zone / "max_energy_range_uj") or 0 for zone in self._counters]
        return sum(n - b if n >= b else n - b + wrap for b, n, wrap in zip(before, now, ranges, strict=True)) / 1e6


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
