"""UTC for windows, which never goes back, whatever the system clock does: two windows must not claim one interval."""

from __future__ import annotations

from edge.clock import NS, Clock

STEP_NS = NS  # below, an offset moves by a time daemon's slow correction
_PACE = (9, 10)  # how fast time goes here while a clock that was set back catches up


class Timeline:
    """Remembers the last instant that it gave.

    Args:
        clock: its offset is measured anew by `resume` only, between two windows.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._now_ns = 0
        self._utc_ns: int | None = None

    def utc_ns(self, now_ns: int) -> int:
        """UTC of a monotonic instant. After the clock was set back, time goes on here at nine tenths of the pace.

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
        """Whether the last instant that was given is the clock's, a second more or less."""
        return self._utc_ns is None or self._utc_ns - self._clock.utc_ns(self._now_ns) < STEP_NS

    def resume(self, now_ns: int) -> bool:
        """Measures the clock's offset anew; True when it has moved by a step, so that windows begin anew.

        A clock that was not known to be right and now is, is followed also backwards: the windows from before wait in
        the outbox to be stamped by it.
        """
        before_ns, before = self._clock.utc_ns(now_ns), self._clock.synced()
        self._clock.refresh()
        moved_ns = self._clock.utc_ns(now_ns) - before_ns
        if self._clock.synced() and not before and self._utc_ns is not None:
            # Compared with what was given, which may have been ahead of a clock that was set back.
            left_ns = self._clock.utc_ns(self._now_ns) - self._utc_ns
            self._utc_ns = None
            return abs(left_ns) >= STEP_NS
        return moved_ns >= STEP_NS
