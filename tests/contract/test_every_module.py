"""Every module of the workstation's packages can be imported: a name that moved is noticed here, not by a user."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import importlib, pkgutil, sys
root = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(root.__path__, root.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


@pytest.mark.parametrize("package", ["analytics", "benchmarks", "convert", "firmware_config"])
def test_every_module_can_be_imported(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, package], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
