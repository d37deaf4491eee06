"""What a backend of a live camera is to `LiveCamera`."""

from __future__ import annotations

from typing import Protocol

from edge.clock import NS
from edge.values import UInt8Array


class Source(Protocol):
    """An open device, used by one thread."""

    def grab(self) -> int | None:
        """Waits a second at most for the next frame.

        Returns:
            The monotonic nanoseconds at which it was taken; None when none came for now.

        Raises:
            CameraError: the device vanished.
        """
        ...

    def read(self) -> UInt8Array:
        """The picture of the frame grabbed last, once: uint8 (H, W, 3), RGB.

        Raises:
            FrameError: it came damaged.
        """
        ...

    def close(self) -> None:
        """Lets go of the device."""
        ...


def capture_time(stamp_ns: int, now_ns: int) -> int:
    """A driver's time stamp where it is of our clock and plausible, else now, when the frame was received.

    V4L2 and libcamera stamp frames in monotonic nanoseconds, but some drivers leave zero or count from elsewhere.
    """
    return stamp_ns if now_ns - NS <= stamp_ns <= now_ns else now_ns
