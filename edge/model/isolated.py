"""Work in a process of its own, so that what goes wrong ends there, and giving up the rights to do harm.

A child never sees the current directory: Python would run a `json.py` or `pip.py` that lies there.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

NOBODY = 65_534
MAX_OUTPUT = 64 * 1024
_PR_SET_NO_NEW_PRIVS = 38  # prctl(2)


class Ended(NamedTuple):
    """How a child ended: its exit code, minus the signal that killed it, and the first 64 KiB of what it wrote."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def how(self) -> str:
        """`SIGSEGV`, `signal 40` or `exit code 3`."""
        if self.code >= 0:
            return f"exit code {self.code}"
        try:
            return signal.Signals(-self.code).name
        except ValueError:
            return f"signal {-self.code}"


def run_module(module: str, *arguments: str, timeout_s: float, given: bytes = b"") -> Ended:
    """Runs `python -m MODULE` isolated: from `/`, without PYTHON… variables and the user's own packages.

    Args:
        module: its name.
        arguments: for it.
        timeout_s: seconds until it is killed.
        given: its standard input.

    Raises:
        subprocess.TimeoutExpired: it did not end in time.
    """
    command = [sys.executable, "-I", "-m", module, *arguments]
    with TemporaryFile() as out, TemporaryFile() as err:  # not pipes: a limit on files bounds them
        code = subprocess.run(
            command, input=given, stdout=out, stderr=err, timeout=timeout_s, check=False, cwd="/"
        ).returncode
        out.seek(0)
        err.seek(0)
        return Ended(code, out.read(MAX_OUTPUT), err.read(MAX_OUTPUT))


def drop_rights(*, memory_bytes: int, cpu_s: int) -> None:
    """Gives up, for good, what this process may do beyond computing. Root becomes nobody; files stay small.

    Args:
        memory_bytes: that it may still reserve, in addresses.
        cpu_s: seconds of processor time that it may still use.

    Raises:
        OSError: the kernel refuses; nothing may be trusted to this process then.
    """
    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS) failed")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    limits = {
        resource.RLIMIT_AS: pages * resource.getpagesize() + memory_bytes,
        resource.RLIMIT_CPU: int(sum(os.times()[:2])) + cpu_s,
        resource.RLIMIT_FSIZE: MAX_OUTPUT,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (least, least))
