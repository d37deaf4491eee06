"""The drawn scene as a camera, in real time or as quickly as it is read."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from edge.camera import Camera, Shown, Wanted, no_events
from edge.clock import NS, Clock, FileClock
from edge.config import CameraConfig
from edge.demo.scene import Scene
from edge.hours import OpeningHours
from edge.values import Frame, Tick

_NAP_S = 0.25


class SceneCamera(Camera):
    """Draws frames without end.

    Args:
        config: `width`, `height`, `fps`, and `pace`: `file` keeps real time and drops late frames; `fast` does not.
        clock: gives the first frame its time; a `FileClock` is moved along, and then no frame is dropped.
        wanted, shown: see their types.
        hours: when it is open.
    """

    def __init__(
        self,
        config: CameraConfig,
        clock: Clock,
        wanted: Wanted | None = None,
        shown: Shown = np.asarray,
        hours: OpeningHours | None = None,
    ) -> None:
        self.events = no_events()
        self._clock, self._wanted, self._shown = clock, wanted, shown
        self._hours = hours or OpeningHours()
        self._paced = config.pace == "file"
        self._period_ns = NS / config.fps
        self._scene = Scene(config.width, config.height)
        self._closed = False

    def __iter__(self) -> Iterator[Frame | Tick]:
        file_clock = self._clock if isinstance(self._clock, FileClock) else None
        origin_ns, real_ns = self._clock.monotonic_ns(), time.monotonic_ns()
        index, given_ns = 0, None
        while not self._closed:
            if self._paced:
                due_ns = real_ns + round(index * self._period_ns)
                if not self._sleep_until(due_ns):
                    return
                if file_clock is None:
                    late = max(int((time.monotonic_ns() - due_ns) / self._period_ns), 0)
                    self.dropped, index = self.dropped + late, index + late
            elapsed_ns = round(index * self._period_ns)
            at_ns = origin_ns + elapsed_ns
            if file_clock is not None:
                file_clock.now_ns = at_ns
            if not self._hours.open_now(self._clock.known_utc_ns):
                yield Tick(at_ns=at_ns, reason="closed")
                index += round(NS / self._period_ns)
                if not self._paced:
                    self._sleep_until(time.monotonic_ns() + NS)
                continue
            index += 1
            if self._wanted is not None and not self._wanted(at_ns, given_ns):
                self.skipped += 1
                continue
            given_ns = at_ns
            pixels = self._shown(self._scene.draw(elapsed_ns / NS))
            yield Frame(pixels=pixels, captured_ns=at_ns, index=index - 1)

    def close(self) -> None:
        self._closed = True

    def _sleep_until(self, real_ns: int) -> bool:
        """Waits for an instant of `time.monotonic_ns`; False when it was closed meanwhile."""
        while not self._closed and (left_ns := real_ns - time.monotonic_ns()) > 0:
            time.sleep(min(left_ns / NS, _NAP_S))
        return not self._closed
