"""The part of Video4Linux (linux/videodev2.h) that reads one picture at a time.

OpenCV 5.0.0.93 shows old memory, without an error, for a buffer that is empty, cut or marked as damaged (2026-11).
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import select
import time
from contextlib import suppress
from fractions import Fraction
from struct import Struct
from typing import Any, NamedTuple

_CAPTURE, _MMAP = 1, 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP
_CAP_CAPTURE, _CAP_STREAMING, _CAP_DEVICE_CAPS = 0x1, 0x04000000, 0x80000000
_FLAG_ERROR, _FLAG_CLOCK, _CLOCK_MONOTONIC = 0x40, 0xE000, 0x2000
_BUFFERS = 2  # one that the driver fills, one that is read: no frame grows old in a queue
# The kernel's structures in native layout, with the fields used here; `0P` and `0l` align.
_CAPABILITY = Struct("84x2I12x")  # all capabilities, those of this device
_FORMAT = Struct("I0P6I176x")  # type; width, height, fourcc, field, bytes a row, bytes
_RATE = Struct("5I184x")  # type; capability, mode, seconds, frames in them
_REQUEST = Struct("3I8x")  # count, type, memory
_BUFFER = Struct("4I4x2l20xILI8x0l")  # as `_Buffer`


class _Buffer(NamedTuple):
    number: int
    type: int = _CAPTURE
    used: int = 0
    flags: int = 0
    seconds: int = 0
    micros: int = 0
    memory: int = _MMAP
    offset: int = 0
    length: int = 0


class _Call(NamedTuple):
    direction: int  # 1 write, 2 read, 3 both
    number: int
    layout: Struct


_QUERYCAP, _S_FMT, _S_PARM = _Call(2, 0, _CAPABILITY), _Call(3, 5, _FORMAT), _Call(3, 22, _RATE)
_REQBUFS, _QUERYBUF, _QBUF = _Call(3, 8, _REQUEST), _Call(3, 9, _BUFFER), _Call(3, 15, _BUFFER)
_DQBUF, _STREAMON, _STREAMOFF = _Call(3, 17, _BUFFER), _Call(1, 18, Struct("i")), _Call(1, 19, Struct("i"))


class Mode(NamedTuple):
    """How a device captures."""

    fourcc: str  # four letters of the pixel format
    width: int
    height: int
    stride: int  # bytes a row; 0 where that has no meaning
    fps: float  # 0 where the driver does not say


class VideoDevice:
    """An open `/dev/video*`. All methods raise `OSError` where the driver refuses."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._maps: list[mmap.mmap] = []
        self._held: _Buffer | None = None

    def captures(self) -> bool:
        """Whether it gives pictures; a camera has other nodes too."""
        able, here = self._call(_QUERYCAP)
        able = here if able & _CAP_DEVICE_CAPS else able
        return bool(able & _CAP_CAPTURE and able & _CAP_STREAMING)

    def set_mode(self, fourcc: str, width: int, height: int, fps: float) -> Mode:
        """Requests a mode; returns the one that the driver chose."""
        letters = int.from_bytes(fourcc.encode(), "little")
        _, width, height, letters, _, stride, _ = self._call(_S_FMT, _CAPTURE, width, height, letters, 0, 0, 0)
        rate, given = Fraction(fps).limit_denominator(1001), 0.0
        with suppress(OSError, ZeroDivisionError):  # many drivers have one rate only
            *_, seconds, frames = self._call(_S_PARM, _CAPTURE, 0, 0, rate.denominator, rate.numerator)
            given = frames / seconds
        return Mode(letters.to_bytes(4, "little").decode("latin-1"), width, height, stride, given)

    def start(self) -> None:
        """Starts to capture in the mode set last."""
        count, *_ = self._call(_REQBUFS, _BUFFERS, _CAPTURE, _MMAP)
        for index in range(count):
            buffer = _Buffer(*self._call(_QUERYBUF, *_Buffer(index)))
            self._maps.append(mmap.mmap(self._fd, buffer.length, mmap.MAP_SHARED, mmap.PROT_READ, offset=buffer.offset))
            self._call(_QBUF, *_Buffer(index))
        self._call(_STREAMON, _CAPTURE)

    def wait(self, timeout_s: float) -> bool:
        """Takes the next frame and returns the last one to the driver; False when none came in time."""
        if self._held is not None:
            held, self._held = self._held, None
            self._call(_QBUF, *_Buffer(held.number))
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if not poll.poll(timeout_s * 1000):
            return False
        try:
            self._held = _Buffer(*self._call(_DQBUF, *_Buffer(0)))
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EIO):
                raise
            time.sleep(0.05)  # EIO: a fault of the moment, such as a lost signal
        return self._held is not None

    @property
    def stamp_ns(self) -> int:
        """When the frame was taken, monotonic nanoseconds; 0 if the driver has another clock."""
        held = self._held
        if held is None or held.flags & _FLAG_CLOCK != _CLOCK_MONOTONIC:
            return 0
        return held.seconds * 1_000_000_000 + held.micros * 1000

    def read(self) -> bytes:
        """The frame's bytes; empty if the driver says that it is damaged."""
        held = self._held
        return b"" if held is None or held.flags & _FLAG_ERROR else self._maps[held.number][: held.used]

    def close(self) -> None:
        """Stops and releases the device."""
        for buffer in self._maps:
            buffer.close()
        self._maps, self._held = [], None
        with suppress(OSError):  # unplugged
            self._call(_STREAMOFF, _CAPTURE)
        os.close(self._fd)

    def _call(self, call: _Call, *values: int) -> tuple[Any, ...]:
        data = bytearray(call.layout.pack(*values) if values else call.layout.size)
        fcntl.ioctl(self._fd, call.direction << 30 | call.layout.size << 16 | ord("V") << 8 | call.number, data)
        return call.layout.unpack(data)
