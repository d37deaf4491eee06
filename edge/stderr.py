"""Catches what OpenCV, FFmpeg and libjpeg write to stderr by themselves; not all have a switch for that."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import RLock

_MOST_BYTES = 65_536  # what a pipe holds; more is lost
_lock = RLock()
_pipe: list[int] = []  # its two ends, once it was needed


class Caught:
    """`text` is what native code wrote, once the block is over."""

    text = ""


@contextmanager
def native_stderr() -> Iterator[Caught]:
    """Catches what the block, one native call, writes to stderr. Log lines of other threads wait meanwhile."""
    caught = Caught()
    if sys.__stderr__ is None:  # descriptor 2 was closed at the start and may be any file by now
        yield caught
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
            yield caught
        finally:
            os.dup2(kept, 2)
            with suppress(BlockingIOError):  # nothing was written
                caught.text = os.read(_pipe[0], _MOST_BYTES).decode(errors="replace")
