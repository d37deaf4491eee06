"""A video file as a camera: every frame, in the file's own time, the same bytes at every run."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from edge.camera import Camera, Shown, Wanted, no_events
from edge.clock import NS, Clock, FileClock
from edge.config import CameraConfig
from edge.errors import FrameError
from edge.values import Frame
from edge.video_file import VideoFile


class Replay(Camera):
    """Replays a file; opening hours do not apply to it. Damaged frames leave a gap in `Frame.index`.

    Args:
        config: `path`, `loop` and `pace`; `fps` is used only for a file that does not name its rate.
        clock: moved along if it is a `FileClock`.
        wanted, shown: see their types.

    Raises:
        CameraError: not a regular file, unreadable, or no video in it.
    """

    def __init__(
        self, config: CameraConfig, clock: Clock, wanted: Wanted | None = None, shown: Shown = np.asarray
    ) -> None:
        self.events = no_events()
        self._config, self._wanted, self._shown = config, wanted, shown
        self._clock = clock if isinstance(clock, FileClock) else None
        self._video = VideoFile(config.path, config.fps)
        self.length = None if config.loop else self._video.length
        self._lead_ns: int | None = None  # the machine's time minus the file's
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        given_ns, at_ns, first_index, first_ns, failed = None, 0, 0, 0, 0
        while not self._closed:
            for index, elapsed_ns in self._video:
                if self._closed:
                    return
                at_ns = first_ns + elapsed_ns
                self.failed = failed + self._video.failed
                if self._wanted is not None and not self._wanted(at_ns, given_ns):
                    self.skipped += 1
                    continue
                try:
                    pixels = self._shown(self._video.read())
                except FrameError:
                    failed += 1
                    continue
                given_ns = at_ns
                self._wait(at_ns)
                if self._clock is not None:
                    self._clock.now_ns = at_ns
                yield Frame(pixels=pixels, captured_ns=at_ns, index=first_index + index)
            failed += self._video.failed
            self.failed = failed
            if not self._config.loop:
                return
            first_index += self._video.index
            first_ns = at_ns + round(NS / self._video.fps)
            self._video.close()
            self._video = VideoFile(self._config.path, self._config.fps)

    def close(self) -> None:
        self._closed = True

    def __exit__(self, *_: object) -> None:
        self.close()
        self._video.close()

    def _wait(self, at_ns: int) -> None:
        """Sleeps until a frame is due; after a delay of more than a second, time goes on from there."""
        if self._config.pace != "file":
            return
        now_ns = time.monotonic_ns()
        if self._lead_ns is None or now_ns - self._lead_ns - at_ns > NS:
            self._lead_ns = now_ns - at_ns
        while not self._closed and (left_ns := at_ns + self._lead_ns - time.monotonic_ns()) > 0:
            time.sleep(min(left_ns / NS, 0.5))
