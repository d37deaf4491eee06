"""Monotonic time, its offset to UTC, and whether that is known to be right. Nothing else in `edge` asks for UTC."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

NS = 1_000_000_000
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMESYNC = Path("/run/systemd/timesync/synchronized")  # of systemd-timesyncd; chrony and ntpd tell the kernel
_TIME_ERROR = 5  # adjtimex(2): the kernel clock is not synchronized


def grid_step(at_ns: int, step_ns: int) -> int:
    """Number of the nearest step of the time grid: a camera with the grid's rate and some jitter fills each once."""
    return (at_ns + step_ns // 2) // step_ns


class Clock(Protocol):
    """Monotonic time and its offset to UTC."""

    @property
    def live(self) -> bool:
        """Whether time passes by itself; False where it is a file's, which the frames move."""
        ...

    @property
    def boot_id(self) -> str | None:
        """Identifies the machine's run that monotonic time counts from; None where time is a file's."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back; the base of `Frame.captured_ns`."""
        ...

    def utc_ns(self, monotonic_ns: int) -> int:
        """UTC nanoseconds since 1970 of a monotonic instant, by the present offset."""
        ...

    def synced(self) -> bool:
        """Whether UTC was known to be right when the offset was last measured."""
        ...

    def refresh(self) -> None:
        """Measures the offset again; called between windows, so that one window has one offset."""
        ...

    def known_utc_ns(self) -> int | None:
        """UTC nanoseconds since 1970, measured now; None while they are not known to be right."""
        ...


class SystemClock:
    """The machine's own clocks."""

    live = True

    def __init__(self) -> None:
        self.boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else None
        self.refresh()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def utc_ns(self, monotonic_ns: int) -> int:
        return monotonic_ns + self._measured[0]

    def synced(self) -> bool:
        return self._measured[1]

    def refresh(self) -> None:
        synced = _synced()  # before the offset: one that is called right has to be it
        self._measured = (time.time_ns() - time.monotonic_ns(), synced)

    def known_utc_ns(self) -> int | None:
        return time.time_ns() if _synced() else None


@dataclass(slots=True, kw_only=True)
class FileClock:
    """A file's time: starts at `origin_ns`, moves with the frames, never synchronized: replays repeat to the byte."""

    live = False
    boot_id = None
    origin_ns: int = 0
    now_ns: int = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self, monotonic_ns: int) -> int:
        return self.origin_ns + monotonic_ns

    def synced(self) -> bool:
        return False

    def refresh(self) -> None:
        """The offset of a file never changes."""

    def known_utc_ns(self) -> int | None:
        return None


class _Timex(ctypes.Structure):
    # struct timex is 208 bytes on 64-bit Linux and starts with `modes`; zero modes only reads.
    _fields_ = [("modes", ctypes.c_uint), ("rest", ctypes.c_ubyte * 252)]


def _synced() -> bool:
    """Whether a time daemon says that the system's clock is right."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    return _TIMESYNC.exists() or (adjtimex is not None and 0 <= adjtimex(ctypes.byref(_Timex())) < _TIME_ERROR)
