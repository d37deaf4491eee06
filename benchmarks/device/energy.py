"""Joules, where the system counts them: Linux's powercap (RAPL on x86). Boards without a counter tell nothing.

(Documentation/power/powercap/powercap.rst of the Linux kernel, read November 2026)
"""

from __future__ import annotations

from pathlib import Path


class EnergyMeter:
    """Reads the counters of the processor packages. `root` is where sysfs is mounted."""

    def __init__(self, root: Path = Path("/sys")) -> None:
        self._zones = sorted((root / "class/powercap").glob("intel-rapl:[0-9]"))
        self._before = self._read("energy_uj")

    def joules(self) -> float | None:
        """Joules since the last call, at first since this was made; None where none are counted or may be read.

        A counter that began anew meanwhile is taken to have done so once.
        """
        before, self._before = self._before, self._read("energy_uj")
        counters = zip(before, self._before, self._read("max_energy_range_uj"), strict=False)
        spent = [(now - then) % largest for then, now, largest in counters]
        return sum(spent) / 1e6 if spent else None

    def _read(self, name: str) -> list[int]:
        try:
            return [int((zone / name).read_text(encoding="ascii")) for zone in self._zones]
        except (OSError, ValueError):
            return []
