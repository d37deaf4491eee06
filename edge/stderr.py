"""What native code writes to the process's stderr by itself: OpenCV, FFmpeg and libjpeg do, not all with a switch."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import RLock

_MOST_BYTES = 65_536  # as much as a pipe holds; what native code writes beyond is lost
_lock = RLock()
_pipe: list[int] = []  # its two ends, once it was needed


class Said:
    """What native code wrote, once the block is over."""

    text = ""


@contextmanager
def native_stderr() -> Iterator[Said]:
    """Catches what native code writes to stderr in the block, which should be one native call.

    Our own log lines wait meanwhile: file descriptors belong to the whole process, so they would be caught too.
    """
    said = Said()
    if sys.__stderr__ is None:  # descriptor 2 was closed at the start and may be any file by now
        yield said
        return
    with ExitStack() as held:
        held.enter_context(_lock)
        for handler in list(logging.getLogger().handlers):
            handler.acquire()
            held.callback(handler.release)
        if sys.stderr is not None:
            sys.stderr.flush()
        if not _pipe:
            _pipe.extend(os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))
        kept = os.dup(2)
        held.callback(os.close, kept)
        os.dup2(_pipe[1], 2)
        try:
            yield said
        finally:
            os.dup2(kept, 2)
            with suppress(BlockingIOError):  # nothing was written
                said.text = os.read(_pipe[0], _MOST_BYTES).decode(errors="replace")
