"""strace: how the process is watched, and its system calls as strace wrote them down.

Watched is everything but a closed list of calls that carry nothing out, so a call that nobody thought of is found.
Every string is written in hexadecimal, so no content can be mistaken for strace's own punctuation.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from convert.errors import DataError
from edge.errors import EdgeError

# They read, wait, or change only the process's own memory and signals. None of them takes a path.
_UNWATCHED = """
alarm arch_prctl brk capget clock_getres clock_gettime clock_nanosleep close close_range epoll_pwait epoll_pwait2
epoll_wait exit exit_group fadvise64 fstat fstatfs futex futex_waitv get_mempolicy get_robust_list getcpu getcwd
getdents getdents64 getegid geteuid getgid getgroups getpeername getpgid getpgrp getpid getppid getpriority getrandom
getresgid getresuid getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid lseek madvise mbind
membarrier mincore mlock mprotect mremap munlock munmap nanosleep pause poll ppoll pread64 preadv preadv2 pselect6 read
readahead readv recvfrom recvmmsg recvmsg restart_syscall riscv_flush_icache rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_get_priority_max sched_get_priority_min
sched_getaffinity sched_getparam sched_getscheduler sched_yield select set_mempolicy set_robust_list set_tid_address
sigaltstack sysinfo time times uname wait4 waitid
"""
_LONGEST = 1 << 26  # bytes of a string that strace shows whole
_LINE = re.compile(r"(\d+\.\d+) (\w+)\((.*)\) += (-?\d+|\?|0x[0-9a-f]+)(.*)$")
_UNFINISHED = re.compile(r"(\d+\.\d+) (\w+)\((.*?)\)?(?: <unfinished \.\.\.>| += \?)$")  # the process ended in it
_ESCAPED = re.compile(r"(?:\\x[0-9a-f]{2})+")
_QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DATA = re.compile(r'iov_base=("(?:\\x[0-9a-f]{2})*"(?:\.\.\.)?)')
_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD)(?:<(.*?)>(?:\(deleted\))?)?(?: \([A-Za-z ]+\))?")


class TraceError(EdgeError, OSError):
    """The process cannot be watched here, so nothing can be proven."""

    exit_code = 5


class Call(NamedTuple):
    """One system call as strace shows it, strings still in hexadecimal.

    Attributes:
        at: seconds since 1970, when it began.
        result, answer: what it returned, -1 for an error; the same with what a new descriptor leads to.
    """

    at: float
    name: str
    arguments: tuple[str, ...]
    result: int = 0
    answer: str = ""

    @property
    def failed(self) -> bool:
        return self.result < 0

    @property
    def opened(self) -> tuple[int, str]:
        """Number and target of the descriptor that the call returned."""
        return _descriptor(self.answer)

    def target(self, index: int = 0) -> tuple[int, str]:
        """Number and target of the descriptor in an argument; -1 and an empty text when it is none."""
        return _descriptor(self.arguments[index]) if index < len(self.arguments) else (-1, "")

    def string(self, index: int) -> str:
        """A path or a name in an argument."""
        return _bytes(self.arguments[index]).decode("utf-8", "backslashreplace")

    def messages(self) -> list[tuple[str, bytes]]:
        """What a call that writes was given: the data, and before it what strace says besides, such as an address.

        `sendmmsg` has several. Of a partial write what was taken; of a failed one all, since it was tried.

        Raises:
            DataError: strace does not show all of it.
        """
        first, *rest = self.arguments[1:]
        if "iov_base=" not in first:
            found = [(", ".join(rest), _bytes(first))]
        else:
            parts = first.split("{msg_hdr=")[1:] if self.name == "sendmmsg" else [first]
            found = [(part, _bytes("".join(_DATA.findall(part)))) for part in parts]
        if self.failed or self.name == "sendmmsg":
            return found
        beside, data = found[0]
        if len(data) < self.result:
            raise DataError(f"strace shows {len(data)} of {self.result} bytes of a {self.name}")
        return [(beside, data[: self.result])]


def readable(text: str) -> str:
    """A text of strace with its hexadecimal strings as characters."""
    return _ESCAPED.sub(lambda found: _bytes(f'"{found[0]}"').decode("utf-8", "backslashreplace"), text)


def read_calls(folder: Path, prefix: str) -> list[Call]:
    """The calls of all threads, in order of time, from the files `PREFIX.THREAD` that strace wrote.

    Raises:
        DataError: a line is none that strace writes for a finished call.
    """
    calls = [call for path in folder.glob(f"{prefix}.*") for call in _read(path)]
    return sorted(calls, key=lambda call: call.at)


def trace_command(prefix: Path, command: list[str]) -> list[str]:
    """The command that runs another one under strace, whose files begin with `prefix`.

    Raises:
        TraceError: strace is not installed.
    """
    found = shutil.which("strace")
    if found is None:
        raise TraceError("strace is not installed", fix="run: apt-get install strace")
    names = ",".join(f"?{name}" for name in _UNWATCHED.split())
    options = ["-f", "-ff", "-ttt", "-yy", "-xx", "-s", str(_LONGEST), "--seccomp-bpf", "-e", f"trace=!{names}"]
    return [found, *options, "-o", str(prefix), *command]


def require_trace() -> None:
    """Makes sure that strace can look into the device, which seals its memory against its own user.

    Raises:
        TraceError: strace is missing, the kernel forbids it, or this is not root.
    """
    with tempfile.TemporaryDirectory(prefix="egress-") as scratch:
        command = trace_command(Path(scratch, "trace"), ["true"])
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode or os.geteuid():
        why = done.stderr.strip().splitlines()[-1][:160] if done.stderr.strip() else "this is not root"
        raise TraceError(
            f"strace may not look into the device's process ({why}), whose memory is sealed even against its own user",
            fix="run this as root, with ptrace permitted (in a container: --cap-add SYS_PTRACE)",
        )


def _read(path: Path) -> Iterator[Call]:
    for line in path.read_text("ascii").splitlines():
        if line.partition(" ")[2].startswith(("+++", "---")):  # an end or a signal, no call
            continue
        if cut := _UNFINISHED.match(line):
            yield Call(float(cut[1]), cut[2], tuple(_split(cut[3])), -1)
        elif found := _LINE.match(line):
            at, name, inside, result, behind = found.groups()
            number = -1 if result == "?" else int(result, 0)
            yield Call(float(at), name, tuple(_split(inside)), number, (result + behind).strip())
        else:
            raise DataError(f"{path.name}: not a line of strace that is known: {line[:80]!r}")


def _split(inside: str) -> list[str]:
    """Arguments at the commas that lie in no bracket; strings are hexadecimal and hold none."""
    parts, depth = [""], 0
    for letter in inside:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _descriptor(text: str) -> tuple[int, str]:
    match = _DESCRIPTOR.fullmatch(re.sub(r"<(char|block) [\d:]+>", "", text))
    if match is None:
        return -1, ""
    return (-100 if match[1] == "AT_FDCWD" else int(match[1])), readable(match[2] or "")


def _bytes(text: str) -> bytes:
    found = _QUOTED.findall(text)
    if any(cut for _, cut in found):
        raise DataError("strace cut a string short, so not every byte was seen; raise its -s")
    return bytes.fromhex("".join(found for found, _ in found).replace("\\x", ""))
