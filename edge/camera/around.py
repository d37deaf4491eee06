"""A camera around another: everything is the inner one's, until a subclass does something to its frames."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from edge.camera import Camera
from edge.values import Frame


class CameraAround:
    """A `Camera` that hands everything on.

    Args:
        camera: the inner one; it is entered, left and closed with this one.
    """

    def __init__(self, camera: Camera) -> None:
        self._camera = camera

    @property
    def dropped(self) -> int:
        return self._camera.dropped

    @property
    def failed(self) -> int:
        return self._camera.failed

    @property
    def ended(self) -> bool:
        return self._camera.ended

    @property
    def length(self) -> int | None:
        return self._camera.length

    def frames(self) -> Iterator[Frame]:
        """See `Camera.frames`."""
        return self._camera.frames()

    def close(self) -> None:
        """See `Camera.close`."""
        self._camera.close()

    def __enter__(self) -> Camera:
        self._camera.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._camera.__exit__(kind, error, trace)
