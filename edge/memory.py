"""Frames live in memory only: no core file, no swap, no look from another process of the same user.

What remains is root.
"""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress
from pathlib import Path

from edge.errors import EdgeError

_PR_SET_DUMPABLE = 4  # prctl(2)
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4  # mlockall(2); the last, Linux 4.4: locks what is used, fills nothing
SWAPS = Path("/proc/swaps")


def seal_memory() -> bool:
    """Forbids core dumps of this process, ptrace and /proc/PID/mem to its own user, and locks its memory where allowed.

    Returns:
        Whether nothing of it can reach a swap device: all is locked, now and later, or the machine has no swap.

    Raises:
        EdgeError: the kernel does not forbid core dumps; a picture could then end up in a file.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        raise EdgeError(f"core dumps cannot be forbidden ({error})", fix="see RLIMIT_CORE of this process") from error
    libc = ctypes.CDLL(None, use_errno=True)
    # 1 would let a handler in /proc/sys/kernel/core_pattern have the memory although the size limit is 0.
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise EdgeError("this process cannot be made undumpable: prctl(PR_SET_DUMPABLE) failed")
    endless = resource.RLIM_INFINITY
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (endless, endless))
    # Below a limit, later allocations would fail: whole mappings count, not what is used of them.
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == endless
    locked = unlimited and libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0
    return locked or not _swaps()


def _swaps() -> bool:
    try:
        return len(SWAPS.read_text(encoding="ascii", errors="replace").splitlines()) > 1  # the first is the heading
    except OSError:  # a kernel without swap, or a container that hides it
        return False
