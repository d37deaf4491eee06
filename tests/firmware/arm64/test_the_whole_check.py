"""The check itself, from the package to the comparison. Off by default: it takes root, a package source and minutes.

    make deb ARCH=arm64 PY=3.13
    AFFECT_EDGE_ARM64=1 python -m pytest tests/firmware/arm64/test_the_whole_check.py

`AFFECT_EDGE_ARM64_CACHE` names a folder of roots, `AFFECT_EDGE_DEBS` one of packages (dist).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_config.arm64.report import read_report

REPO = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("AFFECT_EDGE_ARM64") != "1", reason="needs AFFECT_EDGE_ARM64=1, root and minutes")
@pytest.mark.parametrize("suite", ["trixie", "bookworm"])
def test_the_package_computes_on_arm64_what_it_computes_here(suite: str, tmp_path: Path) -> None:
    out = tmp_path / "arm64.json"
    options = [f"--suite={suite}", f"--debs={os.environ.get('AFFECT_EDGE_DEBS', 'dist')}", f"--out={out}"]
    if cache := os.environ.get("AFFECT_EDGE_ARM64_CACHE"):
        options.append(f"--cache={cache}")
    command = [sys.executable, "-m", "firmware_config", "arm64-check", *options]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = read_report(out)
    assert report.wrong == []
    assert all(clip.steps > 0 and clip.scored_windows > 0 for clip in report.suites[0].clips)
    mounts = Path("/proc/self/mounts").read_text()
    assert suite not in mounts
    assert list(Path("/proc/sys/fs/binfmt_misc").glob("affect-edge-arm64*")) == []
