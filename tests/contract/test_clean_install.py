"""The wheel in environments made from nothing works, and brings no training framework along."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

Make = Callable[[str, str, Path], Path]
Succeed = Callable[..., str]


@pytest.fixture(scope="module")
def installed(make_environment: Make, wheel: Path, repo: Path) -> Path:
    return make_environment(sys.executable, str(wheel), repo / "constraints.txt")


def packages(succeed: Succeed, binaries: Path) -> set[str]:
    listed = succeed([binaries / "python", "-m", "pip", "--disable-pip-version-check", "list", "--format", "json"])
    return {package["name"].lower().replace("_", "-") for package in json.loads(listed)}


def test_clean_install_has_no_training_framework(installed: Path, succeed: Succeed) -> None:
    names = packages(succeed, installed)
    assert "affect-edge" in names
    assert names & {"tensorflow", "keras", "tf-keras", "scikit-learn", "scipy", "matplotlib", "torch"} == set()


def test_clean_install_shows_its_help(installed: Path, succeed: Succeed, bare_environment: dict[str, str]) -> None:
    assert "replay" in succeed([installed / "affect-edge", "--help"], env=bare_environment, cwd=installed)


def test_clean_install_verifies_its_bundle(
    installed: Path, succeed: Succeed, wheel: Path, bare_environment: dict[str, str]
) -> None:
    facts = json.loads(succeed([installed / "affect-edge", "info", "--json"], env=bare_environment, cwd=installed))
    assert facts["affect_edge"] in wheel.name
    assert facts["commit"] not in ("checkout", "unknown")
    assert facts["bundle"]["runtime"] == "litert"


def test_clean_install_replays_a_clip(
    installed: Path, succeed: Succeed, grey_clip: Path, bare_environment: dict[str, str]
) -> None:
    replayed = succeed([installed / "affect-edge", "replay", grey_clip], env=bare_environment, cwd=installed)
    window = json.loads(replayed.splitlines()[-1])
    assert window["visits"] == 0
    assert window["suppressed"] == "partial"


def test_oldest_python_of_a_device_replays_a_clip(
    make_environment: Make,
    wheel: Path,
    repo: Path,
    succeed: Succeed,
    grey_clip: Path,
    bare_environment: dict[str, str],
) -> None:
    python = find_python((3, 10), (3, 10))
    if python is None:
        pytest.skip("needs Python 3.10, JetPack 6's")
    binaries = make_environment(python, str(wheel), repo / "constraints.txt")
    replayed = succeed([binaries / "affect-edge", "replay", grey_clip], env=bare_environment, cwd=binaries)
    assert json.loads(replayed.splitlines()[-1])["visits"] == 0


def test_tflite_extra_works_in_an_environment_of_its_own(
    make_environment: Make,
    wheel: Path,
    repo: Path,
    succeed: Succeed,
    grey_clip: Path,
    tmp_path: Path,
    bare_environment: dict[str, str],
) -> None:
    python = find_python((3, 10), (3, 11))
    if python is None:
        pytest.skip("needs Python 3.10 or 3.11: tflite-runtime has no wheel for later ones")
    binaries = make_environment(python, f"{wheel}[tflite]", repo / "constraints-tflite.txt")
    config = tmp_path / "coral.toml"
    config.write_text('[engine]\nruntime = "tflite"\n', "utf-8")

    told = succeed([binaries / "affect-edge", "info", "--json", "--config", config], env=bare_environment, cwd=tmp_path)
    facts = json.loads(told)
    assert facts["bundle"]["runtime"] == "tflite"
    assert facts["packages"]["tflite-runtime"] == "2.14.0"
    assert facts["packages"]["numpy"].startswith("1.26.")

    command = [binaries / "affect-edge", "replay", grey_clip, "--config", config]
    assert json.loads(succeed(command, env=bare_environment, cwd=tmp_path).splitlines()[-1])["visits"] == 0


def find_python(first: tuple[int, int], last: tuple[int, int]) -> str | None:
    """An interpreter from one version to another that really runs; a name on the PATH may be an empty shim."""
    fits = f"import ensurepip, sys, venv; sys.exit(not {first} <= sys.version_info[:2] <= {last})"
    for candidate in (sys.executable, "python3.11", "python3.10", "python3"):
        found = shutil.which(candidate)
        if found and subprocess.run([found, "-c", fits], capture_output=True, check=False).returncode == 0:
            return found
    return None
