"""A live camera. A thread reads it and keeps the newest frame.

The thread reopens a failed camera, with back-off and without a limit. The iteration raises an error only if a driver
call hangs or an unexpected exception occurs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal, Protocol

import numpy as np

from edge.backoff import Backoff
from edge.camera import Camera, Shown, Wanted, no_events
from edge.clock import NS, Clock
from edge.errors import CameraError, CameraStuckError, FrameError
from edge.hours import OpeningHours
from edge.values import Frame, Tick, UInt8Array

log = logging.getLogger(__name__)

STALL_S = 10.0  # this long without a usable frame: the camera has failed
FROZEN_S = 10.0  # this long with the same bytes: the camera is frozen
STUCK_S = 30.0  # a driver call that takes longer is taken to hang
_TICK_S = 1.0
_SLEEP_S = 0.05
_JOIN_S = 3.0
_FIRST_DELAY_S, _MAX_DELAY_S = 1.0, 60.0
_FLAT = 8  # with a smaller range of pixel values the camera is dark or covered, and its bytes may repeat

Reason = Literal["starting", "closed", "gone", "frozen"]


class Source(Protocol):
    """An open camera device; only one thread uses it."""

    def grab(self) -> int | None:
        """Waits up to one second for the next frame.

        Returns:
            When the frame was taken, monotonic nanoseconds; None if none came.

        Raises:
            CameraError: the device is gone.
        """
        ...

    def read(self) -> UInt8Array:
        """Decodes the last grabbed frame: uint8 (H, W, 3), RGB. Call it at most once a frame.

        Raises:
            FrameError: the frame is damaged.
        """
        ...

    def close(self) -> None:
        """Releases the device."""
        ...


def capture_time(stamp_ns: int, now_ns: int) -> int:
    """The driver's timestamp if it lies in the last second of monotonic time, as it should; else `now_ns`."""
    return stamp_ns if now_ns - NS <= stamp_ns <= now_ns else now_ns


class LiveCamera(Camera):
    """Frames of a camera device. The thread that reads them starts with the iteration.

    Args:
        name: the device, for messages.
        open_source: opens the device, or raises `CameraError`.
        clock: gives the time of ticks, and UTC for the opening hours.
        wanted, shown: see the types `Wanted` and `Shown`.
        hours: when the camera may be open.

    Raises:
        CameraError: the device cannot be opened within its opening hours.
    """

    def __init__(
        self,
        name: str,
        open_source: Callable[[], Source],
        clock: Clock,
        wanted: Wanted | None = None,
        shown: Shown = np.asarray,
        hours: OpeningHours | None = None,
    ) -> None:
        self.events = no_events()
        self._name, self._open_source, self._clock, self._wanted = name, open_source, clock, wanted
        self._shown, self._hours = shown, hours or OpeningHours()
        self._logged = ""  # the last logged fault
        # Used by the capture thread only.
        self._source = open_source() if self._is_open() else None
        self._index = 0
        self._shape: tuple[int, ...] | None = None
        self._last: UInt8Array | None = None
        self._decoded_ns: int | None = None
        self._good_s = self._changed_s = time.monotonic()
        self._backoff, self._worked = Backoff(_FIRST_DELAY_S, _MAX_DELAY_S), True  # gave a frame since the last failure
        self._next_s = 0.0  # earliest time of the next attempt to open it
        # Used by both threads.
        self._reason: Reason = "starting"  # why there is no frame, for the next tick
        self._busy_s = time.monotonic()  # when the capture thread began its current step
        self._changed = threading.Condition()
        self._slot: Frame | None = None
        self._error: Exception | None = None
        self._closed = False
        self._last_ns = -1  # of the last frame or tick
        self._thread = threading.Thread(target=self._run, name=f"capture {name}", daemon=True)

    def __iter__(self) -> Iterator[Frame | Tick]:
        if not self._closed:
            self._good_s = self._changed_s = self._busy_s = time.monotonic()
            self._thread.start()
        while (event := self._take()) is not None:
            yield event

    def close(self) -> None:
        with self._changed:  # a reentrant lock: a signal handler may call this while its thread holds the lock
            self._closed = True
            self._changed.notify_all()

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)  # if the driver takes longer, the thread closes the device later
        else:
            self._release()

    def _take(self) -> Frame | Tick | None:
        """The newest frame; a tick after a second without a frame; None after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._slot is not None or self._error is not None, _TICK_S)
            if self._closed:
                return None
            frame, self._slot = self._slot, None
            return frame or self._tick()

    def _tick(self) -> Tick:
        if self._error is not None:
            raise self._error
        if time.monotonic() - self._busy_s > STUCK_S:
            raise CameraStuckError(
                f"{self._name}: a read did not return for {STUCK_S:g} s and cannot be interrupted",
                "restart the process; if that does not help, restart the board",
            )
        # One second in the past, so that a frame now being read is not older than the tick.
        self._last_ns = max(self._last_ns, self._clock.monotonic_ns() - NS)
        return Tick(at_ns=self._last_ns, reason=self._reason)

    def _run(self) -> None:
        try:
            while not self._closed:
                self._busy_s = time.monotonic()
                self.step()
        except Exception as error:  # noqa: BLE001 - raised by the iteration
            with self._changed:
                self._error = error
                self._changed.notify_all()
        self._release()

    def step(self) -> None:
        """One step of the capture thread: reads a frame, opens the device, or sleeps briefly."""
        if not self._is_open():
            self._reason, self._last = "closed", None
            self._release()
            time.sleep(_SLEEP_S)
        elif self._source is None:
            self._reopen()
        else:
            try:
                self._read(self._source)
            except CameraError as error:
                self._fail("gone", error.message)

    def _is_open(self) -> bool:
        open_now = self._hours.open_now(self._clock.known_utc_ns)
        if not open_now and self._clock.known_utc_ns() is None:
            self._log_fault(f"{self._name}: stays closed; [hours] needs the time, and the clock is not synchronized")
        return open_now

    def _read(self, source: Source) -> None:
        captured_ns = source.grab()
        if captured_ns is None:
            self._check_stall()
            return
        number, self._index = self._index, self._index + 1
        if self._wanted is not None and not self._wanted(captured_ns, self._decoded_ns):
            self.skipped += 1
            return
        try:
            pixels = source.read()
            frame = Frame(pixels=self._shown(pixels), captured_ns=captured_ns, index=number)
        except FrameError:
            self.failed += 1
            self._check_stall()
            return
        if not self._is_new(pixels):
            return
        self._decoded_ns = captured_ns
        with self._changed:
            self._last_ns = max(captured_ns, self._last_ns + 1)  # a coarse clock gives equal timestamps
            self.dropped += self._slot is not None
            self._slot = replace(frame, captured_ns=self._last_ns)
            self._changed.notify_all()

    def _is_new(self, pixels: UInt8Array) -> bool:
        """False if the camera is frozen. Else records that it works, and counts a changed picture size."""
        now_s = time.monotonic()
        if self._last is None or not np.array_equal(self._last, pixels) or np.ptp(pixels) < _FLAT:
            self._changed_s = now_s
        elif now_s - self._changed_s > FROZEN_S:
            self._fail("frozen", f"{self._name}: the same picture for {FROZEN_S:g} s, so it is frozen")
            return False
        if self._shape is not None and pixels.shape != self._shape:
            self.events["resized"] += 1
            log.warning("%s: gives %dx%d, it was %dx%d", self._name, *pixels.shape[1::-1], *self._shape[1::-1])
        self._shape, self._last, self._good_s, self._worked = pixels.shape, pixels, now_s, True
        self._reason = "gone"  # the reason, if no more frames come
        if self._logged:
            self._logged = ""
            log.info("%s: gives frames again", self._name)
        return True

    def _check_stall(self) -> None:
        if time.monotonic() - self._good_s > STALL_S:
            self._fail("stalled", f"{self._name}: no usable frame for {STALL_S:g} s; check cable and power")

    def _fail(self, kind: str, why: str) -> None:
        self.events[kind] += 1
        self._reason = "frozen" if kind == "frozen" else "gone"
        self._log_fault(f"{why}; trying to reopen it until it works")
        self._release()
        self._next_s = time.monotonic() + self._backoff.next_s(lasted=self._worked)
        self._worked = False

    def _reopen(self) -> None:
        if time.monotonic() < self._next_s:
            time.sleep(_SLEEP_S)
            return
        try:
            self._source = self._open_source()
        except CameraError as error:
            self._fail("failed_opens", str(error))
            return
        self._good_s = time.monotonic()
        if self._reason != "frozen":  # a frozen camera has to give a different picture first
            self._changed_s = self._good_s
        if self._reason == "closed":
            self._reason = "starting"
        self.events["reopened"] += not self._worked

    def _release(self) -> None:
        source, self._source = self._source, None
        try:
            if source is not None:
                source.close()
        except Exception as error:  # noqa: BLE001 - a driver may raise any exception
            log.debug("%s: closing failed: %s", self._name, error)

    def _log_fault(self, why: str) -> None:
        """Logs a fault once, until another fault occurs or the camera works."""
        if why != self._logged:
            log.warning("camera: %s", why)
            self._logged = why
