"""Where frames come from: the one interface of all cameras, and the choice of a backend by the configuration.

A backend file is imported only when it is asked for, since some need what exists only on their board. There is no
backend for the network: video does not travel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from edge.clock import Clock
from edge.config import Config
from edge.values import Frame

if TYPE_CHECKING:
    from edge.camera.live import Source
    from edge.camera.reopening import CameraWatch


class Camera(Protocol):
    """A source of frames, used as a context manager by one reader.

    Attributes:
        dropped: frames that a newer one overtook before they were read; always 0 where nothing is lost.
        failed: frames that were there but could not be used (damaged, unreadable).
        ended: no further frame will come: the source is at its end, broke, or was closed.
        length: how many frames it gives in all, as far as it knows; None when it does not or never ends.
    """

    @property
    def dropped(self) -> int: ...

    @property
    def failed(self) -> int: ...

    @property
    def ended(self) -> bool: ...

    @property
    def length(self) -> int | None: ...

    def frames(self) -> Iterator[Frame]:
        """The frames from now on, each waited for; a second call goes on where the first stopped.

        A file gives every frame. A live camera gives the newest and counts those it overtook. The iterator ends at
        the end of a file that does not loop, and after `close`.

        Raises:
            CameraError: the source vanished, or nothing came for too long.
        """
        ...

    def close(self) -> None:
        """Lets go of the source within a few seconds; may be called twice."""
        ...

    def __enter__(self) -> Camera: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_camera(config: Config, clock: Clock, watch: CameraWatch | None = None) -> Camera:
    """Opens the configured camera; its frames are already turned, flipped and without the excluded zones.

    Args:
        config: `camera` says which and how, `zones` what is never looked at.
        clock: gives a live frame its time; a `FileClock` is moved along by a replay and by the drawn scene.
        watch: is told of a live camera's troubles, and asked which frames are worth decoding; with one, a camera that
            was open once is opened again for ever.

    Raises:
        CameraError: it cannot be opened; names the device or file and the fix.
    """
    from edge.camera.transform import Transform, TransformedCamera

    camera = _open_backend(config, clock, watch)
    view = config.camera
    transform = Transform(rotate=view.rotate, flip=view.flip, zones=[zone.exclude for zone in config.zones])
    return camera if transform.idle else TransformedCamera(camera, transform)


def _open_backend(config: Config, clock: Clock, watch: CameraWatch | None) -> Camera:
    wanted = config.camera
    if wanted.backend == "replay":
        from edge.camera.replay import Replay

        return Replay(wanted, clock)
    if wanted.backend == "scene":
        from edge.demo.scene import Scene

        return Scene(wanted, clock)
    from edge.camera.live import LiveCamera

    opener = _opener(config, clock, watch)
    if watch is None:
        return LiveCamera(opener())
    from edge.camera.reopening import ReopeningSource

    source = ReopeningSource(opener(), opener, watch)
    return LiveCamera(source, stall_s=None, waiting=watch.wait)


def _opener(config: Config, clock: Clock, watch: CameraWatch | None) -> Callable[[], Source]:
    view, wanted = config.camera, watch.wants if watch is not None else None
    if view.backend == "picamera2":
        from edge.camera.picamera import PicameraSource

        return lambda: PicameraSource(view, clock, wanted)
    from edge.camera.v4l2 import V4l2Source

    return lambda: V4l2Source(view, clock, wanted)
