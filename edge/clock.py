"""Which time it is: monotonic nanoseconds, their offset to UTC, and whether that can be trusted.

Injected everywhere, so that tests run days in seconds. Nothing else in `edge` asks the system for UTC.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

NS = 1_000_000_000
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMESYNC = Path("/run/systemd/timesync/synchronized")  # of systemd-timesyncd; chrony and ntpd tell the kernel
_TIME_ERROR = 5  # adjtimex(2): the kernel clock is not synchronized


def grid_step(at_ns: int, step_ns: int) -> int:
    """Number of the step of the time grid that an instant is nearest to.

    Nearest, not last: a camera that runs at the grid's own rate, with some jitter, so fills each step once.
    """
    return (at_ns + step_ns // 2) // step_ns


class Clock(Protocol):
    """Monotonic time and its place in UTC.

    Attributes:
        live: time passes by itself, also while a frame is worked on; False where it is a file's and frames move it.
    """

    @property
    def live(self) -> bool: ...

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back; the base of `Frame.captured_ns`."""
        ...

    def utc_ns(self, monotonic_ns: int) -> int:
        """UTC nanoseconds since 1970 of a monotonic instant, by the offset that holds now."""
        ...

    @property
    def boot_id(self) -> str | None:
        """Names the run of the machine that monotonic time counts from; None where time is a file's."""
        ...

    def synced(self) -> bool:
        """Whether UTC was known to be right when the offset was last measured."""
        ...

    def refresh(self) -> None:
        """Measures the offset anew; called between windows, so that one window has one offset."""
        ...

    def known_utc_ns(self) -> int | None:
        """UTC now, nanoseconds since 1970, measured anew; None while it is not known to be right."""
        ...


class SystemClock:
    """The machine's own clocks."""

    live = True

    def __init__(self) -> None:
        self._boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else None
        self.refresh()

    @property
    def boot_id(self) -> str | None:
        return self._boot_id

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
    """Time as a file tells it: starts at `origin_ns`, moves with the frames, is never synchronized.

    Two replays of one file so give the same windows to the byte.
    """

    origin_ns: int = 0
    now_ns: int = field(default=0)
    live: bool = field(default=False, init=False)
    boot_id: str | None = field(default=None, init=False)

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
    """Whether a time daemon says that the system's clock is right (timesyncd by a file, chrony and ntpd the kernel)."""
    return _TIMESYNC.exists() or _kernel_synced()


def _kernel_synced() -> bool:
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return False
    state = adjtimex(ctypes.byref(_Timex()))
    return 0 <= state < _TIME_ERROR
