"""What the device under test is given to see and to tell the time by, and how that is spoilt from outside.

Owns two small files in the device's folder, `camera` and `clock`, which the harness writes and the device reads.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

from edge.clock import NS, Clock, SystemClock
from edge.demo.scene import Scene
from edge.errors import CameraError
from edge.values import UInt8Array

_NAP_S = 0.1


class Stage:
    """The two files, from both sides.

    Args:
        folder: the device's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def set_camera(self, state: str) -> None:
        """`fine`, `gone`, `frozen`, `stalled`, or `stuck`, which holds for one process only."""
        self._write("camera", state)

    def camera(self) -> str:
        """What the camera does now."""
        return self._read("camera", "fine")

    def set_clock(self, offset_s: float, *, synced: bool) -> None:
        """How far the clock is from the machine's, and whether it is said to be right."""
        self._write("clock", f"{offset_s} {int(synced)}")

    def clock(self) -> tuple[float, bool]:
        """See `set_clock`."""
        offset_s, synced = self._read("clock", "0 1").split()
        return float(offset_s), synced == "1"

    def _write(self, name: str, text: str) -> None:
        draft = self._folder / f"{name}.new"
        draft.write_text(text)
        draft.replace(self._folder / name)

    def _read(self, name: str, otherwise: str) -> str:
        with suppress(FileNotFoundError):
            return (self._folder / name).read_text()
        return otherwise


class StagedClock:
    """The machine's clock, moved and doubted as the stage says. A `Clock`."""

    live = True

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._system = SystemClock()
        self.refresh()

    @property
    def boot_id(self) -> str | None:
        return self._system.boot_id

    def monotonic_ns(self) -> int:
        return self._system.monotonic_ns()

    def utc_ns(self, monotonic_ns: int) -> int:
        return self._system.utc_ns(monotonic_ns) + self._measured[0]

    def synced(self) -> bool:
        return self._measured[1]

    def refresh(self) -> None:
        self._system.refresh()
        offset_s, synced = self._stage.clock()
        self._measured = (round(offset_s * NS), synced)

    def known_utc_ns(self) -> int | None:
        offset_s, synced = self._stage.clock()
        return time.time_ns() + round(offset_s * NS) if synced else None


class StagedSource:
    """The drawn scene as a device that can fail like one. A `Source`.

    Args:
        scene: draws; it outlives this device.
        stage: says how the camera is.
        clock: stamps the pictures.
        fps: pictures a second.

    Raises:
        CameraError: the camera is gone.
    """

    def __init__(self, scene: Scene, stage: Stage, clock: Clock, fps: float) -> None:
        self._scene, self._stage, self._clock = scene, stage, clock
        self._period_s = 1 / fps
        self._next_s = time.monotonic()
        self._last: UInt8Array | None = None
        self._check()

    def grab(self) -> int | None:
        state = self._check()
        if state == "stalled":
            time.sleep(_NAP_S)
            return None
        if state == "stuck":
            self._stage.set_camera("fine")  # the next process finds it well, as a new start mostly does
            threading.Event().wait()
        time.sleep(max(0.0, self._next_s - time.monotonic()))
        self._next_s = max(self._next_s + self._period_s, time.monotonic())
        return self._clock.monotonic_ns()

    def read(self) -> UInt8Array:
        if self._last is None or self._stage.camera() != "frozen":
            self._last = self._scene.draw(time.monotonic() % 86_400)
        return self._last

    def close(self) -> None:
        """Nothing is open."""

    def _check(self) -> str:
        state = self._stage.camera()
        if state == "gone":
            raise CameraError("staged camera: the camera is gone; was it unplugged?")
        return state
