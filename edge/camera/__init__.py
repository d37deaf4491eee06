"""The interface of all cameras, and the one function that opens them. No backend reads video from a network.

A backend is imported only when it is configured: some need what only their board has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Protocol

from edge.clock import Clock
from edge.config import Config, require_deployment
from edge.contract import CameraEvents, zeros
from edge.hours import OpeningHours
from edge.memory import seal_memory
from edge.values import Frame, Tick, UInt8Array

log = logging.getLogger(__name__)

Wanted = Callable[[int, int | None], bool]
"""Whether to decode a frame, from its nanoseconds and those of the last decoded one, or None; a pure function."""
Shown = Callable[[UInt8Array], UInt8Array]
"""Changes each picture, uint8 (H, W, 3) RGB, before anyone sees it."""


class Camera(Protocol):
    """A source of frames; a context manager, to be iterated once.

    A file gives every frame and ends. A live camera gives the newest frame, or a `Tick` in each second without one, and
    ends only by `close`.
    """

    length: int | None = None  # frames in all; None if unknown or without end
    dropped: int = 0  # frames that a newer one replaced
    failed: int = 0  # damaged frames
    skipped: int = 0  # frames that were not wanted, so not decoded
    events: dict[str, int]  # faults of a live camera by kind, all kinds present

    def __iter__(self) -> Iterator[Frame | Tick]:
        """Gives frames and ticks.

        Raises:
            CameraStuckError: a live camera hangs; only a new process can open it again.
            CameraError: a file cannot be decoded.
        """
        ...

    def close(self) -> None:
        """Ends the iteration; may be called from a signal handler or another thread, and more than once."""
        ...

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_: object) -> None:
        """Releases the source too, within a few seconds."""
        self.close()


def no_events() -> dict[str, int]:
    """Counts of a camera without faults."""
    return zeros(CameraEvents)


class Exclusions:
    """Zones and opening hours of a running camera. The loop owns them, and changes them between two frames."""

    def __init__(self, config: Config) -> None:
        from edge.camera.transform import Transform

        self.hours = OpeningHours(config.hours.open, config.device.tz)
        self.transform = Transform(rotate=config.camera.rotate, flip=config.camera.flip)
        self.change(config)

    def change(self, config: Config) -> None:
        """Takes a configuration's zones and hours, from the next picture on."""
        self.transform.exclude([zone.exclude for zone in config.zones])
        self.hours.change(config.hours.open)


def open_camera(
    config: Config, clock: Clock, wanted: Wanted | None = None, exclusions: Exclusions | None = None
) -> Camera:
    """Opens the configured camera; its frames are already turned, flipped and without the excluded zones.

    A live camera needs a filled `[deployment]`; memory is sealed first. Outside its opening hours it stays closed, and
    the iteration opens it in time.

    Args:
        config: which camera and how.
        clock: gives a live frame its time; a `FileClock` is moved by a file and by the drawn scene.
        wanted: which frames are worth decoding; None for all.
        exclusions: zones and hours, where they may change; None: those of the configuration.

    Raises:
        DeploymentError: `[deployment]` does not say why this camera is there.
        CameraError: it cannot be opened; names the device or file and the fix.
    """
    exclusions = exclusions or Exclusions(config)
    view, hours, shown = config.camera, exclusions.hours, exclusions.transform.apply
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
