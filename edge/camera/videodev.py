"""Video4Linux by its own interface (linux/videodev2.h), as far as one picture at a time needs it.

OpenCV reads such devices too, but says nothing of a buffer that came empty, cut, or marked as damaged by the driver,
and shows what was in its memory before (5.0.0.93, November 2026).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import select
import time
from ctypes import c_char, c_int, c_long, c_ubyte, c_uint32, c_void_p, sizeof
from fractions import Fraction
from typing import NamedTuple, TypeVar

_CAPTURE, _MMAP = 1, 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP
_CAP_CAPTURE, _CAP_STREAMING, _CAP_DEVICE_CAPS = 0x1, 0x04000000, 0x80000000
_FLAG_ERROR, _FLAG_CLOCK, _CLOCK_MONOTONIC = 0x40, 0xE000, 0x2000
Argument = TypeVar("Argument", bound="ctypes.Structure | c_int")
_BUFFERS = 2  # one that the driver fills, one that is read: no frame grows old in a queue


class _Capability(ctypes.Structure):
    _fields_ = [
        ("names", c_char * 80), ("version", c_uint32), ("all", c_uint32), ("device", c_uint32), ("rest", c_uint32 * 3),
    ]  # fmt: skip


class _Pixels(ctypes.Structure):
    _fields_ = [
        ("width", c_uint32), ("height", c_uint32), ("fourcc", c_uint32), ("field", c_uint32), ("stride", c_uint32),
        ("size", c_uint32), ("rest", c_uint32 * 6),
    ]  # fmt: skip


class _AnyFormat(ctypes.Union):
    _fields_ = [("pixels", _Pixels), ("raw", c_ubyte * 200), ("aligned", c_void_p)]


class _Format(ctypes.Structure):
    _fields_ = [("type", c_uint32), ("of", _AnyFormat)]


class _Rate(ctypes.Structure):
    _fields_ = [
        ("type", c_uint32), ("capability", c_uint32), ("mode", c_uint32), ("seconds", c_uint32), ("frames", c_uint32),
        ("rest", c_ubyte * 184),
    ]  # fmt: skip


class _Request(ctypes.Structure):
    _fields_ = [("count", c_uint32), ("type", c_uint32), ("memory", c_uint32), ("rest", c_uint32 * 2)]


class _Place(ctypes.Union):
    _fields_ = [("offset", c_uint32), ("aligned", c_void_p)]


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("index", c_uint32), ("type", c_uint32), ("used", c_uint32), ("flags", c_uint32), ("field", c_uint32),
        ("seconds", c_long), ("micros", c_long), ("timecode", c_uint32 * 4), ("sequence", c_uint32),
        ("memory", c_uint32), ("place", _Place), ("length", c_uint32), ("rest", c_uint32 * 2),
    ]  # fmt: skip


def _code(direction: int, number: int, argument: type[ctypes.Structure] | type[c_int]) -> int:
    return direction << 30 | sizeof(argument) << 16 | ord("V") << 8 | number


_WRITE, _READ, _BOTH = 1, 2, 3
_QUERYCAP = _code(_READ, 0, _Capability)
_S_FMT = _code(_BOTH, 5, _Format)
_REQBUFS = _code(_BOTH, 8, _Request)
_QUERYBUF, _QBUF, _DQBUF = (_code(_BOTH, number, _Buffer) for number in (9, 15, 17))
_STREAMON, _STREAMOFF = (_code(_WRITE, number, c_int) for number in (18, 19))
_S_PARM = _code(_BOTH, 22, _Rate)


class Mode(NamedTuple):
    """What a device gives: four letters of its pixel format, size in pixels, bytes a row (0 where that has no meaning),
    and frames a second (0 where the driver does not say).
    """

    fourcc: str
    width: int
    height: int
    stride: int
    fps: float


class VideoDevice:
    """An open `/dev/video*`. All methods raise `OSError` where the driver refuses.

    Args:
        path: of the device.
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._maps: list[mmap.mmap] = []
        self._held: _Buffer | None = None

    def captures(self) -> bool:
        """Whether it gives pictures at all; other nodes of a camera do not."""
        try:
            capability = self._ask(_QUERYCAP, _Capability())
        except OSError:
            self.close()
            raise
        able = capability.device if capability.all & _CAP_DEVICE_CAPS else capability.all
        return bool(able & _CAP_CAPTURE and able & _CAP_STREAMING)

    def set_mode(self, fourcc: str, width: int, height: int, fps: float) -> Mode:
        """Asks for a mode; returns the one that the driver chose."""
        wanted = _Format(type=_CAPTURE)
        pixels = wanted.of.pixels
        pixels.width, pixels.height, pixels.fourcc = width, height, int.from_bytes(fourcc.encode(), "little")
        pixels = self._ask(_S_FMT, wanted).of.pixels
        a_second = Fraction(fps).limit_denominator(1001)
        rate = _Rate(type=_CAPTURE, seconds=a_second.denominator, frames=a_second.numerator)
        try:
            rate = self._ask(_S_PARM, rate)
            given = rate.frames / rate.seconds if rate.seconds else 0.0
        except OSError:  # many drivers have one rate only
            given = 0.0
        name = pixels.fourcc.to_bytes(4, "little").decode("latin-1")
        return Mode(name, pixels.width, pixels.height, pixels.stride, given)

    def start(self) -> None:
        """Begins to capture in the mode set last."""
        count = self._ask(_REQBUFS, _Request(count=_BUFFERS, type=_CAPTURE, memory=_MMAP)).count
        for index in range(count):
            buffer = self._ask(_QUERYBUF, _Buffer(index=index, type=_CAPTURE, memory=_MMAP))
            self._maps.append(
                mmap.mmap(self._fd, buffer.length, mmap.MAP_SHARED, mmap.PROT_READ, offset=buffer.place.offset)
            )
            self._ask(_QBUF, buffer)
        self._ask(_STREAMON, c_int(_CAPTURE))

    def wait(self, timeout_s: float) -> bool:
        """Takes the next frame, and gives the one before back to the driver; False when none came in time."""
        if self._held is not None:
            held, self._held = self._held, None
            self._ask(_QBUF, held)
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if not poll.poll(timeout_s * 1000):
            return False
        try:
            self._held = self._ask(_DQBUF, _Buffer(type=_CAPTURE, memory=_MMAP))
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EIO):
                raise
            time.sleep(0.05)  # EIO: a fault of the moment, such as a lost signal
            return False
        return True

    @property
    def stamp_ns(self) -> int:
        """When the frame was taken, monotonic nanoseconds; 0 where the driver has another clock."""
        held = self._held
        if held is None or held.flags & _FLAG_CLOCK != _CLOCK_MONOTONIC:
            return 0
        return int(held.seconds * 1_000_000_000 + held.micros * 1000)

    def read(self) -> bytes:
        """The frame as it came; empty when the driver says that it is damaged."""
        held = self._held
        if held is None or held.flags & _FLAG_ERROR:
            return b""
        return self._maps[held.index][: held.used]

    def close(self) -> None:
        """Stops, and lets go of the device."""
        try:
            for buffer in self._maps:
                buffer.close()
            self._ask(_STREAMOFF, c_int(_CAPTURE))
        except OSError:  # unplugged
            pass
        finally:
            self._maps, self._held = [], None
            os.close(self._fd)

    def _ask(self, request: int, argument: Argument) -> Argument:
        fcntl.ioctl(self._fd, request, argument)
        return argument
