"""How the process is watched: strace's command line, and which system calls may go unwatched.

Watched is everything but a closed list of calls that carry nothing out of a process. So a call that nobody thought
of is seen, and found, instead of slipping through.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.egress.calls import read_calls
from edge.errors import EdgeError

# They read, wait, or change only the process's own memory and signals. Left out of the trace, they cost nothing.
_UNWATCHED = """
access alarm arch_prctl brk capget clock_getres clock_gettime clock_nanosleep close close_range epoll_pwait
epoll_pwait2 epoll_wait exit exit_group faccessat faccessat2 fadvise64 fstat fstatfs futex futex_waitv
get_mempolicy get_robust_list getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getpeername
getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname
getsockopt gettid gettimeofday getuid getxattr lseek lstat madvise mbind membarrier mincore mlock mprotect mremap
munlock munmap nanosleep newfstatat pause poll ppoll pread64 preadv preadv2 pselect6 read readahead readlink
readlinkat readv recvfrom recvmmsg recvmsg restart_syscall riscv_flush_icache rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_get_priority_max sched_get_priority_min
sched_getaffinity sched_getparam sched_getscheduler sched_yield select set_mempolicy set_robust_list
set_tid_address sigaltstack stat statfs statx sysinfo time times uname wait4 waitid
"""
_LONGEST = 1 << 26  # bytes of a string that strace shows whole
_PROBE = """
import os, sys
from edge.memory import seal_memory
seal_memory()
os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), b"probe")
"""


class TraceError(EdgeError, OSError):
    """The process cannot be watched here, so nothing can be proven."""

    exit_code = 5


def trace_command(prefix: Path, command: list[str]) -> list[str]:
    """The command that runs another one under strace.

    Args:
        prefix: path that strace's files begin with; each thread has its own, named by its id.
        command: what to run.
    """
    names = ",".join(f"?{name}" for name in _UNWATCHED.split())
    options = ["-f", "-ff", "-ttt", "-yy", "-xx", "-s", str(_LONGEST), "--seccomp-bpf", "-e", f"trace=!{names}"]
    return [strace(), *options, "-o", str(prefix), *command]


def strace() -> str:
    """Where strace is.

    Raises:
        TraceError: it is not installed.
    """
    found = shutil.which("strace")
    if found is None:
        raise TraceError("strace is not installed; run: apt-get install strace")
    return found


def strace_version() -> str:
    """Its name and version, as it says them."""
    said = subprocess.run([strace(), "-V"], capture_output=True, text=True, check=False).stdout
    return said.splitlines()[0].replace(" -- version", "") if said else "strace"


def require_trace() -> None:
    """Makes sure that strace sees what a process writes that has sealed its memory, as the device does.

    Raises:
        TraceError: strace is missing, or the kernel does not let it look.
    """
    with tempfile.TemporaryDirectory(prefix="egress-") as scratch:
        folder = Path(scratch)
        command = trace_command(folder / "probe", [sys.executable, "-B", "-c", _PROBE, str(folder / "out")])
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
        if done.returncode == 0:
            calls = read_calls(folder, "probe")
            if any(call.name == "write" and "<" in call.arguments[0] and call.written() == b"probe" for call in calls):
                return
    why = done.stderr.strip().splitlines()[-1][:160] if done.stderr.strip() else "it shows no content"
    raise TraceError(
        f"strace may not look into the device's process ({why}). The device seals its memory even against "
        "its own user: run this as root, with ptrace permitted (in a container: --cap-add SYS_PTRACE)"
    )
