"""Real time for a source that has none of its own: sleeps until a frame is due."""

from __future__ import annotations

import time

from edge.clock import NS


class Pace:
    """Lets frames pass no sooner than their own times say, counted from the first one."""

    def __init__(self) -> None:
        self._origin_ns: int | None = None

    def wait(self, at_ns: int) -> int:
        """Sleeps until an instant of the source's own time.

        Returns:
            By how much it is late, nanoseconds; 0 when it had to wait. More than a second behind, the lag is
            forgiven: nothing races afterwards to catch up.
        """
        now_ns = time.monotonic_ns()
        if self._origin_ns is None:
            self._origin_ns = now_ns - at_ns
        late_ns = now_ns - self._origin_ns - at_ns
        if late_ns < 0:
            time.sleep(-late_ns / NS)
            return 0
        if late_ns > NS:
            self._origin_ns += late_ns
        return late_ns
