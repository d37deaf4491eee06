"""A live camera: one thread captures into a slot of one, where the newest frame wins and losses are counted.

Owns the thread and the slot. Refuses to wait for ever: a source that gives nothing for a while is an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NamedTuple, Protocol

from edge.clock import NS
from edge.errors import CameraError, CameraStuckError, FrameError
from edge.values import Frame, UInt8Array

STALL_S = 10.0
STUCK_S = 30.0  # a read that takes longer than this is held to never return
_LOOK_S = 1.0
_JOIN_S = 3.0


class Picture(NamedTuple):
    """What a source read: pixels uint8 (H, W, 3) RGB, and the monotonic nanoseconds at which they were taken.

    Pixels are None where nobody wanted them, so that they were not decoded.
    """

    pixels: UInt8Array | None
    captured_ns: int


class Source(Protocol):
    """A device, used by the capture thread alone once that runs.

    Attributes:
        name: the device, as it is called in errors.
    """

    name: str

    def read(self) -> Picture | None:
        """The next picture; None when none came for now, after a short wait.

        Raises:
            FrameError: a frame came but cannot be used.
            CameraError: the device vanished.
        """
        ...

    def close(self) -> None:
        """Lets go of the device."""
        ...


class LiveCamera:
    """Reads a `Source` in a thread of its own, which starts with the first call of `frames`.

    Args:
        source: opened; it is closed with this camera.
        stall_s: seconds without a frame after which `frames` gives up; None where the source comes back by itself.
        stuck_s: seconds that one read of the source may take.
        waiting: called about once a second by the reader while no frame comes.
    """

    length: int | None = None

    def __init__(
        self,
        source: Source,
        *,
        stall_s: float | None = STALL_S,
        stuck_s: float = STUCK_S,
        waiting: Callable[[], None] | None = None,
    ) -> None:
        self._source = source
        self._stall_s = stall_s
        self._stuck_s = stuck_s
        self._waiting = waiting
        self._reading_s: float | None = None  # since when the thread is inside the source
        self._changed = threading.Condition()
        self._slot: Frame | None = None
        self._error: Exception | None = None
        self._closed = False
        self._thread: threading.Thread | None = None
        self._index = 0
        self._last_ns = -1
        self.dropped = 0
        self.failed = 0

    @property
    def ended(self) -> bool:
        """See `Camera.ended`."""
        return self._closed or (self._error is not None and self._slot is None)

    def frames(self) -> Iterator[Frame]:
        """See `Camera.frames`."""
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._capture, name=f"capture {self._source.name}", daemon=True)
            self._thread.start()
        while (frame := self._take()) is not None:
            yield frame

    def close(self) -> None:
        """See `Camera.close`."""
        with self._changed:
            already, self._closed = self._closed, True
            self._slot = None
            self._changed.notify_all()
        if self._thread is not None:
            # A driver may hold the thread longer than this; it then closes the device whenever it comes back.
            self._thread.join(_JOIN_S)
        elif not already:
            self._source.close()

    def __enter__(self) -> LiveCamera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> Frame | None:
        """Waits for a frame newer than the last one taken; None after `close`."""
        begun_s = time.monotonic()
        while True:
            look_s = _LOOK_S if self._stall_s is None else min(_LOOK_S, self._stall_s)
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or self._slot is not None or self._error is not None, look_s
                )
                if self._closed:
                    return None
                if self._slot is not None:
                    frame, self._slot = self._slot, None
                    return frame
                if self._error is not None:
                    raise self._error
            self._give_up(begun_s)
            if self._waiting is not None:
                self._waiting()

    def _give_up(self, begun_s: float) -> None:
        now_s, reading_s = time.monotonic(), self._reading_s
        if self._stall_s is not None and now_s - begun_s >= self._stall_s:
            raise CameraError(
                f"{self._source.name}: no frame for {self._stall_s:g} s; check its cable, and that nothing else uses it"
            )
        if reading_s is not None and now_s - reading_s > self._stuck_s:
            raise CameraStuckError(
                f"{self._source.name}: a read did not return for {self._stuck_s:g} s and cannot be interrupted; start "
                "the process again, and the board when that does not help"
            )

    def _capture(self) -> None:
        try:
            while not self._closed:
                self._reading_s = time.monotonic()
                try:
                    picture = self._source.read()
                    if picture is None:
                        continue
                    if picture.pixels is not None:
                        self._put(picture.pixels, picture.captured_ns)
                    self._index += 1
                except FrameError:
                    self.failed += 1
                    self._index += 1
        except Exception as error:  # noqa: BLE001 - it belongs to the reader, not to a thread that nobody watches
            self._fail(error)
        try:
            self._source.close()
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def _put(self, pixels: UInt8Array, captured_ns: int) -> None:
        # Two stamps may be equal where a driver's clock is coarse; time must move on all the same.
        captured_ns = max(captured_ns, self._last_ns + 1)
        frame = Frame(pixels=pixels, captured_ns=captured_ns, index=self._index)
        self._last_ns = captured_ns
        with self._changed:
            self.dropped += self._slot is not None
            self._slot = frame
            self._changed.notify_all()


def capture_time(stamp_ns: int, now_ns: int) -> int:
    """A driver's time stamp where it is of our clock and plausible, else now.

    V4L2 and libcamera stamp frames in monotonic time, but some drivers leave zero or count from elsewhere.

    Args:
        stamp_ns: what the driver says.
        now_ns: monotonic nanoseconds now, after the frame was received.
    """
    return stamp_ns if now_ns - NS <= stamp_ns <= now_ns else now_ns
