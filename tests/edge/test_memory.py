"""What the process does to keep frames out of files; each in a process of its own, since it cannot be undone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
