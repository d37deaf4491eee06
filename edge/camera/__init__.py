"""Where frames come from: the one interface of all cameras, and the one function that opens them.

A backend file is imported only when it is asked for, since some need what exists only on their board. There is no
backend for the network: video does not travel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol

from edge.clock import Clock
from edge.config import Config, require_deployment
from edge.contract import CameraEvents
from edge.hours import OpeningHours
from edge.memory import seal_memory
from edge.values import Frame, Tick, UInt8Array

log = logging.getLogger(__name__)

Wanted = Callable[[int, int | None], bool]
"""Whether a frame is worth decoding: (nanoseconds at which it was taken, those of the last frame that was decoded, or
None). Called by the camera's thread; depends on nothing else."""
Shown = Callable[[UInt8Array], UInt8Array]
"""What is done to each picture, uint8 (H, W, 3) RGB, before it is given."""


class Camera(Protocol):
    """A source of frames; a context manager, to be iterated once.

    A file gives every frame and then ends. A live camera gives the newest frame, or a `Tick` in each second without
    one, and ends only by `close`.
    """

    length: int | None = None  # frames in all; None where that is not known, or there is no end
    dropped: int = 0  # frames that a newer one overtook
    failed: int = 0  # frames that came damaged
    skipped: int = 0  # frames that were not decoded because nobody wanted them
    events: dict[str, int]  # faults of a live camera, by kind; complete, 0 where there was none

    def __iter__(self) -> Iterator[Frame | Tick]:
        """Gives frames and ticks.

        Raises:
            CameraStuckError: a live camera does not answer any more, and only a new process can have it again.
            CameraError: a file cannot be decoded.
        """
        ...

    def close(self) -> None:
        """Ends the iteration; may be called from a signal handler or another thread, and more than once."""
        ...

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets go of the source too, within a few seconds."""
        self.close()


def no_events() -> dict[str, int]:
    """Counts of a camera that had no fault."""
    return dict.fromkeys(CameraEvents.__annotations__, 0)


def open_camera(config: Config, clock: Clock, wanted: Wanted | None = None) -> Camera:
    """Opens the configured camera; its frames are already turned, flipped and without the excluded zones.

    A live camera is opened only with a filled `[deployment]`, and after this process's memory was sealed. Outside its
    opening hours it is not opened; the iteration opens it when it is time.

    Args:
        config: which camera and how.
        clock: gives a live frame its time; a `FileClock` is moved along by a file and by the drawn scene.
        wanted: which frames are worth decoding; None for all.

    Raises:
        DeploymentError: `[deployment]` does not say why this camera is there.
        CameraError: it cannot be opened; names the device or file and the fix.
    """
    from edge.camera.transform import Transform

    view, hours = config.camera, OpeningHours(config.hours.open, config.device.tz)
    shown = Transform(rotate=view.rotate, flip=view.flip, zones=[zone.exclude for zone in config.zones]).apply
    if view.backend == "replay":
        from edge.camera.replay import Replay

        return Replay(view, clock, wanted, shown)
    if view.backend == "scene":
        from edge.camera.drawn import SceneCamera

        return SceneCamera(view, clock, wanted, shown, hours)
    require_deployment(config)
    if not seal_memory():
        log.warning("memory cannot be locked and swap is on, so a picture could reach a disk; see `affect-edge doctor`")
    from edge.camera.live import LiveCamera

    if view.backend == "picamera2":
        from edge.camera.picamera import PicameraSource

        return LiveCamera("picamera2", lambda: PicameraSource(view, clock), clock, wanted, shown, hours)
    from edge.camera.v4l2 import V4l2Source

    return LiveCamera(view.device, lambda: V4l2Source(view, clock), clock, wanted, shown, hours)
