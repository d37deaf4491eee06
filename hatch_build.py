"""Bakes the git commit into what is built, as `edge/_commit.py`; see `edge/version.py`."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_COMMIT = re.compile(r'^COMMIT = "([0-9a-z-]+)"$', re.MULTILINE)


class CommitHook(BuildHookInterface):
    """Adds the file without writing into the working tree, which stays `checkout`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the archive is written; an editable install is the checkout itself and gets nothing."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory(prefix="affect-edge-build-")
        path = Path(self._folder.name) / "_commit.py"
        path.write_text(
            f'"""Written when this was built."""\n\nCOMMIT = "{find_commit(Path(self.root))}"\n', encoding="utf-8"
        )
        build_data["force_include"][str(path)] = "edge/_commit.py"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called after the archive is written."""
        if version != "editable":
            self._folder.cleanup()


def find_commit(root: Path) -> str:
    """The commit of a checkout (with `-dirty` when the package differs from it), or of the sdist we came in."""
    if (root / ".git").exists():
        commit = _git(root, "rev-parse", "HEAD")
        if commit is None:
            return "unknown"
        return f"{commit}-dirty" if _git(root, "status", "--porcelain", "--", "edge", "pyproject.toml") else commit
    baked = root / "edge" / "_commit.py"
    match = _COMMIT.search(baked.read_text(encoding="utf-8")) if baked.is_file() else None
    return match[1] if match else "unknown"


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
