"""Frames live in memory only: no core file, no look from another process of the same user.

What remains is root, and swap, which the service's unit forbids.
"""

from __future__ import annotations

import ctypes
import resource

from edge.errors import EdgeError

_PR_SET_DUMPABLE = 4  # prctl(2)


def seal_memory() -> None:
    """Forbids core dumps of this process, and ptrace and /proc/PID/mem to its own user.

    Raises:
        EdgeError: the kernel does not do it; a picture could then end up in a file.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        raise EdgeError(f"core dumps cannot be forbidden ({error})", fix="see RLIMIT_CORE of this process") from error
    # 1 would let a handler in /proc/sys/kernel/core_pattern have the memory although the size limit is 0.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise EdgeError("this process cannot be made undumpable: prctl(PR_SET_DUMPABLE) failed")
