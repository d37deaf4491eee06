"""A device whose disk takes nothing more when it starts says so in one line and works, and leaves no database open."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CONFIG = """
[camera]
backend = "replay"
path = "clip.avi"
pace = "fast"
[mqtt]
host = "127.0.0.1"
port = {port}
[outbox]
path = "outbox.db"
"""


def _no_growth() -> None:
    """A file may have 1000 bytes: less than a page of the database, more than a log's header."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


@pytest.mark.slow
def test_a_full_disk_at_the_start_is_one_line_and_stops_nothing(
    tmp_path: Path, grey_clip: Path, free_port: int, repo: Path
) -> None:
    (tmp_path / "clip.avi").write_bytes(grey_clip.read_bytes())
    (tmp_path / "config.toml").write_text(CONFIG.format(port=free_port), "utf-8")

    def run(preexec: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-B", "-W", "default::ResourceWarning", "-m", "edge", "run", "--config"]
        return subprocess.run(
            [*command, tmp_path / "config.toml"],
            cwd=repo,
            preexec_fn=preexec,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    first = run()
    assert first.returncode == 0, first.stderr
    assert (tmp_path / "outbox.db").stat().st_size > 0
    full = run(_no_growth)
    assert full.returncode == 0, full.stderr
    assert full.stderr.count("outbox: the disk takes nothing (") == 1
    assert "windows that were in memory alone and are lost: " in full.stderr
    assert "Traceback" not in full.stderr
    assert "unclosed database" not in full.stderr
