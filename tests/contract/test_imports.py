"""Who may import whom: the contracts in pyproject.toml hold, and each of them notices a breach."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

PACKAGES = ("analytics", "edge", "convert", "benchmarks", "firmware_config")


@pytest.fixture
def copied(repo: Path, tmp_path: Path) -> Path:
    """A copy of the packages and their contracts, to break."""
    for name in PACKAGES:
        shutil.copytree(repo / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.npz", "*.tflite"))
    shutil.copy(repo / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.fixture
def lint_imports(run: Run) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Checks the contracts of a tree by itself, whatever is installed."""

    def lint(root: Path) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("lint-imports")
        if not program.exists():
            pytest.skip("needs import-linter, the `lint` dependency group")
        # The tree's own packages come before an editable install of the checkout.
        environment = os.environ | {"PYTHONPATH": str(root)}
        return run([program, "--no-cache"], cwd=root, env=environment)

    return lint


def test_contracts_hold(copied: Path, lint_imports: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = lint_imports(copied)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("edge/values.py", "import edge.geometry", "Layers of the device"),
        ("edge/face/crop.py", "import edge.affect.backbone", "Layers of the device"),
        ("edge/camera/live.py", "import edge.publish.mqtt", "Layers of the device"),
        ("edge/surprise.py", "", "Layers of the device"),
        ("edge/geometry.py", "import convert", "The device knows nothing of the workstation"),
        ("edge/affect/stream.py", "import tensorflow", "No training framework reaches the device"),
        ("convert/train/recipe.py", "import edge.config", "Training shares the device's crop and preprocessing"),
        ("analytics/table.py", "import edge.config", "The server side shares the contract with the device"),
        ("edge/face/crop.py", "import socket", "What handles pictures cannot reach a network"),
    ],
)
def test_a_planted_breach_is_noticed(
    copied: Path,
    lint_imports: Callable[..., subprocess.CompletedProcess[str]],
    module: str,
    statement: str,
    contract: str,
) -> None:
    path = copied / module
    path.write_text((path.read_text("utf-8") if path.exists() else "") + f"\n{statement}\n", "utf-8")
    done = lint_imports(copied)
    said = " ".join(done.stdout.split())
    assert done.returncode == 1
    assert re.search(re.escape(contract) + "[^A-Z]*BROKEN", said), done.stdout
