"""What native code writes to the process's stderr by itself: OpenCV, FFmpeg and libjpeg do, not all with a switch."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import RLock

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
