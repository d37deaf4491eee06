"""A live source that comes back: watched for every way in which cameras fail, closed and opened anew with back-off.

Owns the open device and the time of the next try. Refuses nothing but a read that never returns: that one no thread
can end, so `LiveCamera` ends the process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edge.backoff import Backoff
from edge.camera.live import Picture, Source
from edge.errors import CameraError, FrameError
from edge.values import UInt8Array

log = logging.getLogger(__name__)

STALL_S = 10.0  # without a usable frame
FROZEN_S = 10.0  # with the same bytes again and again
_FIRST_DELAY_S = 1.0
_MAX_DELAY_S = 60.0
_NAP_S = 0.05
_FLAT = 8  # a picture whose brightest and darkest value are closer is dark or covered: its bytes may well repeat


def _nothing() -> None:
    pass


def _every(_: int) -> bool:
    return True


@dataclass(slots=True, kw_only=True)
class CameraWatch:
    """Who is told what a live camera goes through.

    Attributes:
        troubles: counted here by kind: `gone`, `stalled`, `frozen`, `resized`, `reopened`, `failed_opens`.
        attempted: called after every completed try to open the camera anew, by the capture thread.
        waiting: called about once a second while no frame comes, by the reader.
        wanted: whether a frame taken at that monotonic nanosecond is worth decoding; asked by the capture thread.
    """

    troubles: dict[str, int] = field(default_factory=dict)
    attempted: Callable[[], None] = _nothing
    waiting: Callable[[], None] = _nothing
    wanted: Callable[[int], bool] = _every

    def wants(self, captured_ns: int) -> bool:
        """Asks whoever `wanted` is by now."""
        return self.wanted(captured_ns)

    def wait(self) -> None:
        """Calls whoever `waiting` is by now."""
        self.waiting()

    def count(self, kind: str) -> None:
        """Counts one trouble."""
        self.troubles[kind] = self.troubles.get(kind, 0) + 1


class ReopeningSource:
    """A `Source` around another, which is opened again whenever it failed.

    Args:
        opened: the source, open.
        reopen: opens it anew, or raises `CameraError`.
        watch: is told.
        now_s: monotonic seconds, for tests.
    """

    def __init__(
        self,
        opened: Source,
        reopen: Callable[[], Source],
        watch: CameraWatch,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = opened.name
        self._source: Source | None = opened
        self._reopen = reopen
        self._watch = watch
        self._now_s = now_s
        self._shape: tuple[int, ...] | None = None
        self._last: UInt8Array | None = None
        self._good_s = self._changed_s = now_s()
        self._backoff = Backoff(_FIRST_DELAY_S, _MAX_DELAY_S)
        self._worked = True  # since the last wait
        self._next_s = 0.0
        self._told = ""

    def read(self) -> Picture | None:
        """See `Source.read`; raises `FrameError` only, for frames that cannot be used."""
        if self._source is None:
            self._try()
            return None
        try:
            picture = self._source.read()
        except FrameError:
            self._check_stall()
            raise
        except CameraError as error:
            self._lose("gone", str(error))
            return None
        if picture is None:
            self._check_stall()
            return None
        return picture if picture.pixels is None else self._judge(picture, picture.pixels)

    def close(self) -> None:
        """See `Source.close`."""
        if self._source is not None:
            source, self._source = self._source, None
            source.close()

    def _judge(self, picture: Picture, pixels: UInt8Array) -> Picture | None:
        now_s, shape = self._now_s(), pixels.shape
        if self._shape is None:
            self._shape = shape
        if shape != self._shape:
            self._lose("resized", f"{self.name}: gives {shape[1]}x{shape[0]}, it was {self._shape[1]}x{self._shape[0]}")
            return None
        if self._last is None or not np.array_equal(self._last, pixels) or np.ptp(pixels) < _FLAT:
            self._changed_s = now_s
        elif now_s - self._changed_s > FROZEN_S:
            self._lose("frozen", f"{self.name}: the same bytes for {FROZEN_S:g} s; the camera is frozen")
            return None
        self._last, self._good_s, self._worked = pixels, now_s, True
        if self._told:
            self._told = ""
            log.info("%s: gives frames again", self.name)
        return picture

    def _check_stall(self) -> None:
        if self._now_s() - self._good_s > STALL_S:
            self._lose("stalled", f"{self.name}: no usable frame for {STALL_S:g} s; check its cable and its power")

    def _lose(self, kind: str, why: str) -> None:
        self._watch.count(kind)
        self._tell(why)
        self._last = None
        try:
            self.close()
        except Exception as error:  # noqa: BLE001 - a driver in trouble raises what it likes; it is given up anyway
            log.debug("%s: closing failed: %s", self.name, error)
        self._wait()

    def _try(self) -> None:
        if self._now_s() < self._next_s:
            time.sleep(_NAP_S)
            return
        try:
            self._source = self._reopen()
        except CameraError as error:
            self._watch.count("failed_opens")
            self._tell(str(error))
            self._wait()
        else:
            self._watch.count("reopened")
            self._good_s = self._changed_s = self._now_s()
        self._watch.attempted()

    def _wait(self) -> None:
        self._next_s = self._now_s() + self._backoff.next_s(lasted=self._worked)
        self._worked = False

    def _tell(self, why: str) -> None:
        """One line for each change of what is wrong, none for each try."""
        if why != self._told:
            log.warning("%s; it is opened again and again until it works", why)
            self._told = why
