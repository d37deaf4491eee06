"""System calls that write no stream: files opened, memory shared, processes made, limits set. Each is known by name."""

from __future__ import annotations

import re
from collections.abc import Callable

from benchmarks.egress.calls import Call
from benchmarks.egress.ledger import Ledger
from benchmarks.egress.places import Places
from benchmarks.egress.vocabulary import Vocabulary

_WRITING = re.compile(r"\bO_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)\b")
_CONTROLS = {"TCGETS", "TCGETS2", "TIOCGWINSZ", "FIONBIO", "FIOCLEX", "FIONCLEX", "FIONREAD"}
_FILE_CONTROLS = {"F_GETFD", "F_SETFD", "F_GETFL", "F_SETFL", "F_SETLK", "F_GETLK", "F_OFD_SETLK", "F_OFD_GETLK"}
_PROCESS_CONTROLS = {"PR_CAPBSET_READ", "PR_GET_DUMPABLE", "PR_GET_NAME", "PR_SET_VMA"}
_WITHIN = {
    "epoll_create1": "waits for sockets",
    "epoll_create": "waits for sockets",
    "epoll_ctl": "waits for sockets",
    "eventfd2": "wakes a thread",
    "pipe2": "a pipe within the process",
    "sched_setaffinity": "scheduling of its own threads",
    "sched_setscheduler": "scheduling of its own threads",
    "setpriority": "scheduling of its own threads",
    "umask": "rights of new files",
    "sync_file_range": "makes sure that the outbox is on the disk",
    "fsync": "makes sure that the outbox is on the disk",
    "fdatasync": "makes sure that the outbox is on the disk",
    "flock": "a lock on the outbox",
}
_OWN_MEMORY_FILE = "runtime-log"


class Process:
    """Judges them.

    Args:
        ledger: takes what is found.
        places: which files may be used.
        vocabulary: which names a thread may have.
    """

    def __init__(self, ledger: Ledger, places: Places, vocabulary: Vocabulary) -> None:
        self._ledger = ledger
        self._places = places
        self._vocabulary = vocabulary
        self._started = False
        self._written: set[str] = set()
        self.handlers: dict[str, Callable[[Call], None]] = {
            "open": self._open,
            "openat": self._open,
            "openat2": self._open,
            "creat": self._open,
            "mmap": self._map,
            "memfd_create": self._memory_file,
            "clone": self._clone,
            "clone3": self._clone,
            "fork": self._clone,
            "vfork": self._clone,
            "execve": self._execute,
            "prctl": self._control_process,
            "prlimit64": self._limit,
            "setrlimit": self._limit,
            "ioctl": self._control,
            "fcntl": self._control_file,
            "dup": self._duplicate,
            "dup2": self._duplicate,
            "dup3": self._duplicate,
            "ftruncate": self._change_open,
            "fallocate": self._change_open,
            "fchown": self._change_open,
            "fchmod": self._change_open,
            "mkdir": self._change,
            "mkdirat": self._change,
            "unlink": self._change,
            "unlinkat": self._change,
        }

    def judge(self, call: Call) -> None:
        """Takes one call; one that nobody has heard of is a finding."""
        handler = self.handlers.get(call.name)
        if handler is not None:
            handler(call)
        elif call.name in _WITHIN:
            self._ledger.touch(call.name, _WITHIN[call.name])
        else:
            self._ledger.find(call.name, "a system call that is on no list")

    def _open(self, call: Call) -> None:
        flags = " ".join(call.arguments[1:])
        if call.failed and not _WRITING.search(flags):
            return
        path = call.opened[1] if not call.failed else call.string(0 if call.name in ("open", "creat") else 1)
        name = self._places.name(path)
        if _WRITING.search(flags) or call.name == "creat":
            self._written.add(name)
            why = self._places.writing(name)
            if why is None:
                self._ledger.find(name, "a file that was opened for writing and is on no list")
            else:
                self._ledger.touch(name, f"written: {why}")
            return
        known = self._places.reading(name)
        if known is None:
            self._ledger.find(name, "a file that was read and is on no list")
        else:
            self._ledger.touch(known[0], f"read: {known[1]}")

    def _map(self, call: Call) -> None:
        protection, flags = call.arguments[2], call.arguments[3]
        if "MAP_SHARED" not in flags:
            return
        if "MAP_ANONYMOUS" in flags:
            self._ledger.find("memory", "memory that a child process could share")
            return
        name = self._places.name(call.descriptor(4)[1])
        if "PROT_WRITE" in protection or name in self._written:
            self._ledger.find(name, "a file that was mapped into memory for writing")
        else:
            self._ledger.touch("files mapped for reading only", "libraries of the system")

    def _memory_file(self, call: Call) -> None:
        if call.string(0) == _OWN_MEMORY_FILE:
            self._ledger.touch("memory file runtime-log", "catches what the inference runtime says; ends with it")
        else:
            self._ledger.find("memory file", "a file in memory that is on no list")

    def _clone(self, call: Call) -> None:
        if "CLONE_THREAD" in " ".join(call.arguments):
            self._ledger.touch("threads", "the process's own")
        else:
            self._ledger.find("processes", "a child process was made")

    def _execute(self, _: Call) -> None:
        if self._started:
            self._ledger.find("processes", "another program was started")
        self._started = True

    def _control_process(self, call: Call) -> None:
        wanted = call.arguments[0]
        if wanted == "PR_SET_DUMPABLE" and call.arguments[1] in ("SUID_DUMP_DISABLE", "0"):
            self._ledger.touch("PR_SET_DUMPABLE 0", "seals the memory: no dump, no look from outside")
            self._ledger.seen["memory sealed"] += 1
        elif wanted == "PR_SET_NAME" and self._vocabulary.knows(call.string(1)):
            self._ledger.touch("PR_SET_NAME", "a thread's name, one of the program's words")
        elif wanted in _PROCESS_CONTROLS:
            self._ledger.touch(wanted, "asks about or names the process's own memory")
        else:
            self._ledger.find("prctl", f"{wanted}, which is on no list")

    def _limit(self, call: Call) -> None:
        resource = call.arguments[1] if call.name == "prlimit64" else call.arguments[0]
        self._ledger.touch(resource, "a limit that the process asked for or set for itself")

    def _control(self, call: Call) -> None:
        wanted = call.arguments[1]
        if wanted in _CONTROLS:
            self._ledger.touch(f"ioctl {wanted}", "asks whether it is a terminal, or sets how a descriptor waits")
        else:
            self._ledger.find("ioctl", f"{wanted.split('(')[0]}, which is on no list")

    def _control_file(self, call: Call) -> None:
        wanted = call.arguments[1]
        if wanted.startswith("F_DUPFD"):
            self._duplicate(call)
        elif wanted in _FILE_CONTROLS:
            self._ledger.touch(f"fcntl {wanted}", "settings of a descriptor, and the outbox's lock")
        else:
            self._ledger.find("fcntl", f"{wanted}, which is on no list")

    def _duplicate(self, call: Call) -> None:
        target = call.descriptor()[1]
        if target.startswith(("TCP", "UDP", "UNIX", "socket:")):
            self._ledger.find("sockets", "a socket was given a second descriptor")
        else:
            self._ledger.touch("second descriptors of the log", "catches what the inference runtime says")

    def _change_open(self, call: Call) -> None:
        self._allow(self._places.name(call.descriptor()[1]), call)

    def _change(self, call: Call) -> None:
        at = 1 if call.name.endswith("at") else 0
        self._allow(self._places.name(call.string(at)), call)

    def _allow(self, name: str, call: Call) -> None:
        # The outbox's folder is made where it is missing; here it is the run's own, which is there.
        known = name == "<run>" if call.name.startswith("mkdir") else self._places.writing(name) == "the outbox"
        if known:
            self._ledger.touch(f"{call.name} {name}", "the outbox's files come and go")
        else:
            self._ledger.find(name, f"{call.name}, which is on no list for it")
