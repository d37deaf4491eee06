"""The one way to a `cv2.VideoCapture`: files stay on this machine, and native code does not write to our stderr.

OpenCV, FFmpeg and libjpeg write to the process's stderr by themselves, some of them with no way to turn it off.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from threading import RLock

import cv2

# A playlist is a file too, but must not make FFmpeg open an address that it names.
_LOCAL_ONLY = "protocol_whitelist;file"
_MOST_BYTES = 4096
_lock = RLock()
_spool: list[int] = []  # a file in memory, made at first use


class Said:
    """What native code wrote, once the block is over."""

    text = ""


@contextmanager
def native_stderr() -> Iterator[Said]:
    """Catches what native code writes to stderr in the block, which should be one native call.

    Our own log lines wait meanwhile: file descriptors belong to the whole process, so they would be caught too.
    """
    said = Said()
    with ExitStack() as held:
        held.enter_context(_lock)
        for handler in list(logging.getLogger().handlers):
            handler.acquire()
            held.callback(handler.release)
        if sys.stderr is not None:
            sys.stderr.flush()
        if not _spool:
            _spool.append(os.memfd_create("stderr", os.MFD_CLOEXEC))
        kept = os.dup(2)
        held.callback(os.close, kept)
        os.dup2(_spool[0], 2)
        try:
            yield said
        finally:
            os.dup2(kept, 2)
            if os.fstat(_spool[0]).st_size:
                said.text = os.pread(_spool[0], _MOST_BYTES, 0).decode(errors="replace")
                os.ftruncate(_spool[0], 0)
                os.lseek(_spool[0], 0, os.SEEK_SET)


def open_capture(source: str, api: int, options: Mapping[int, int] | None = None) -> cv2.VideoCapture:
    """Opens a device or file; ask `isOpened` whether that worked.

    Args:
        source: path of the device or file.
        api: `cv2.CAP_V4L2` or `cv2.CAP_FFMPEG`.
        options: properties to open with, by their `cv2.CAP_PROP_` numbers.
    """
    # OpenCV 5.0 has it in `cv2.utils.logging`, 4.11 only as `cv2.setLogLevel` (both tried in November 2026).
    getattr(cv2.utils, "logging", cv2).setLogLevel(0)  # LOG_LEVEL_SILENT
    name = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
    before = os.environ.get(name)
    os.environ[name] = _LOCAL_ONLY
    try:
        with native_stderr():
            return cv2.VideoCapture(source, api, [number for pair in (options or {}).items() for number in pair])
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
