"""What the process does to keep frames out of files; each in a process of its own, since it cannot be undone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge import memory

ROOT = Path(__file__).parents[2]
SEALED = """
import ctypes, os, resource
from edge.memory import seal_memory
seal_memory()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)
os.abort()
"""


def _run(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True
    )


def test_a_sealed_process_leaves_no_core_and_is_not_dumpable(tmp_path):
    done = _run(SEALED, tmp_path)
    assert done.stdout == "(0, 0) 0\n"
    assert done.returncode < 0
    assert list(tmp_path.iterdir()) == []


def test_an_unsealed_process_is_dumpable(tmp_path):
    done = _run(SEALED.replace("seal_memory()\nprint", "print"), tmp_path)
    assert done.stdout.endswith(" 1\n")


def test_the_device_seals_itself_before_it_reads_its_configuration(tmp_path):
    code = "import edge.cli.run as run\nrun.seal_memory = lambda: print('sealed')\nrun.run(run.Path('none.toml'))"
    assert _run(code, tmp_path).stdout == "sealed\n"


class Kernel:
    """What the kernel would say to `prctl` and `mlockall`."""

    def __init__(self, locks: bool) -> None:
        self.prctl = lambda *_: 0
        self.mlockall = lambda flags: 0 if locks and flags == 7 else -1


@pytest.mark.parametrize(
    ("limit", "locks", "swap", "safe"),
    [
        (-1, True, True, True),
        (-1, False, True, False),  # a kernel without MCL_ONFAULT, or one that refuses
        (8 << 20, True, True, False),  # below a limit, allocations would fail later
        (8 << 20, True, False, True),
    ],
)
def test_memory_is_safe_where_it_is_locked_or_there_is_no_swap(monkeypatch, tmp_path, limit, locks, swap, safe):
    (tmp_path / "swaps").write_text("Filename Type Size Used Priority\n" + "/dev/zram0 partition 9 0 100\n" * swap)
    monkeypatch.setattr(memory, "SWAPS", tmp_path / "swaps")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda *_, **__: Kernel(locks))
    monkeypatch.setattr(memory.resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(memory.resource, "getrlimit", lambda _: (limit, limit))
    assert memory.seal_memory() is safe


def test_a_process_that_may_lock_its_memory_goes_on_working_in_it(tmp_path):
    """Threads, large arrays and mappings after `mlockall`: nothing is filled that is not used."""
    code = """
import pathlib, re, threading
from edge.memory import seal_memory
seal_memory()
import mmap, numpy
mapped = mmap.mmap(-1, 512 << 20)
kept = numpy.ones(4 << 20)
threads = [threading.Thread(target=kept.sum) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
peak_kb = int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
print(peak_kb < 300_000)
"""
    assert _run(code, tmp_path).stdout == "True\n"
