"""The line on which windows lie: UTC that never goes back, whatever the system clock does.

Owns what was said last. Clocks are set by people and by servers that are wrong; two windows must not claim one
interval.
"""

from __future__ import annotations

from edge.clock import NS, Clock

STEP_NS = NS  # below, an offset moves by a time daemon's slow correction
_PACE = (9, 10)  # how fast the line runs while the clock catches up with it


class Timeline:
    """UTC for windows.

    Args:
        clock: its offset is measured anew by `resume` only, between two windows.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._now_ns = 0
        self._utc_ns: int | None = None

    def utc_ns(self, now_ns: int) -> int:
        """Where a monotonic instant lies. When the clock was set back, the line goes on at nine tenths of the pace.

        Args:
            now_ns: not before the last call's.
        """
        utc_ns = self._clock.utc_ns(now_ns)
        if self._utc_ns is not None:
            least_ns = self._utc_ns + (now_ns - self._now_ns) * _PACE[0] // _PACE[1]
            utc_ns = max(utc_ns, least_ns)
        self._now_ns, self._utc_ns = now_ns, utc_ns
        return utc_ns

    def true(self) -> bool:
        """Whether the line was where the clock is, a second more or less, at the last instant asked for."""
        return self._utc_ns is None or self._utc_ns - self._clock.utc_ns(self._now_ns) < STEP_NS

    def resume(self, now_ns: int) -> bool:
        """Measures the clock's offset anew; True when it has moved by a step, so that windows begin anew.

        A clock that was not known to be right and now is, is followed wherever it points: windows from before wait in
        the outbox to be stamped by it.
        """
        before_ns, before = self._clock.utc_ns(now_ns), self._clock.synced()
        self._clock.refresh()
        moved_ns = self._clock.utc_ns(now_ns) - before_ns
        if self._clock.synced() and not before and self._utc_ns is not None:
            # Against the line, not the clock before: the line may still have been ahead of a clock that was set back.
            left_ns = self._clock.utc_ns(self._now_ns) - self._utc_ns
            self._utc_ns = None
            return abs(left_ns) >= STEP_NS
        return moved_ns >= STEP_NS
