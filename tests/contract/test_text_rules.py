"""No tracked file says where one machine finds its packages or keeps its files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

# Each is put together from parts, so that this file does not hold what it looks for.
RULES = {
    "address of a package registry": re.compile("pypi" + r"\.org|python" + r"hosted\.org"),
    "option that names a package index": re.compile("index" + "[-_]url", re.IGNORECASE),
    "path of one machine": re.compile("/work" + "/(main|shared)|/tmp" + "/w/|/root" + r"/\.|/opt" + "/wheels"),
}


def offences(text: str) -> list[str]:
    return [rule for rule, pattern in RULES.items() if pattern.search(text)]


def test_tracked_files_name_no_package_source_and_no_path_of_a_machine(repo: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repo, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("needs a git checkout")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = repo / name
        if path.is_file() and not path.is_symlink():
            found += [f"{name}: {rule}" for rule in offences(path.read_bytes().decode("utf-8", "ignore"))]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "see https://" + "pypi" + ".org/project/numpy",
        "https://files." + "python" + "hosted.org/packages/x.whl",
        "pip install --extra-" + "index" + "-url https://example.org numpy",
        "PIP_EXTRA_" + "INDEX" + "_URL",
        "cd /work" + "/main",
        "/root" + "/.cache/affect-edge",
    ],
)
def test_a_planted_offence_is_noticed(text: str) -> None:
    assert offences(text)


@pytest.mark.parametrize("text", ["pip install affect-edge", "/opt/affect-edge", "a simple /work/flow", "/home/pi"])
def test_plain_text_is_no_offence(text: str) -> None:
    assert offences(text) == []
