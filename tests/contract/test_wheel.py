"""The wheel is the device: the package `edge` and its model, the commit it came from, and no training framework."""

from __future__ import annotations

import re
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from email import message_from_string
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TRAINING = re.compile(r"tensorflow|keras|scikit|scipy|torch|matplotlib", re.IGNORECASE)


@pytest.fixture(scope="module")
def members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (member for member in archive.namelist() if member.endswith(".dist-info/METADATA"))
        return message_from_string(archive.read(name).decode()).get_all("Requires-Dist") or []


def commit_in(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        match = re.search(r'^COMMIT = "(.+)"$', archive.read("edge/_commit.py").decode(), re.MULTILINE)
    assert match
    return match[1]


def test_wheel_holds_the_package_edge_only(members: list[str]) -> None:
    tops = {member.partition("/")[0] for member in members}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"edge"}


def test_wheel_holds_every_module_of_edge(members: list[str], repo: Path) -> None:
    modules = {str(path.relative_to(repo)) for path in (repo / "edge").rglob("*.py")}
    assert modules - set(members) == set()


def test_wheel_holds_the_default_bundle(members: list[str], repo: Path) -> None:
    bundle = {str(path.relative_to(repo)) for path in (repo / "edge/bundles/default").iterdir()}
    assert "edge/bundles/default/manifest.json" in bundle
    assert bundle - set(members) == set()


def test_wheel_holds_the_device_profiles(members: list[str], repo: Path) -> None:
    profiles = {str(path.relative_to(repo)) for path in (repo / "edge/profiles").glob("*.toml")}
    assert profiles - set(members) == set()


def test_wheel_holds_no_leftovers(members: list[str]) -> None:
    assert [member for member in members if "__pycache__" in member or member.endswith((".pyc", ".partial"))] == []


def test_wheel_carries_its_licences(members: list[str]) -> None:
    names = {member.rpartition("/")[2] for member in members if ".dist-info/licenses/" in member}
    assert names == {"LICENSE", "NOTICE", "THIRD_PARTY_LICENSES.md"}


def test_commit_is_baked_in(wheel: Path, repo: Path) -> None:
    if not (repo / ".git").exists():
        pytest.skip("needs a git checkout")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repo, capture_output=True, text=True, check=False)
    if head.returncode != 0:
        pytest.skip("needs git to read this checkout")
    assert commit_in(wheel).removesuffix("-dirty") == head.stdout.strip()


def test_wheel_from_the_sdist_names_the_same_commit(
    wheel: Path, build: Callable[..., Path], tmp_path: Path, repo: Path
) -> None:
    with tarfile.open(build("sdist")) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12's Python 3.11.2 has none
        archive.extractall(tmp_path)
    (source,) = tmp_path.iterdir()
    assert {"edge", "tests", "Makefile", "constraints.txt", "hatch_build.py"} <= {p.name for p in source.iterdir()}
    assert not (source / "out").exists()
    assert commit_in(build("wheel", source)) == commit_in(wheel)


def test_no_spelling_of_the_requirement_brings_a_training_framework(requirements: list[str]) -> None:
    assert [requirement for requirement in requirements if TRAINING.search(requirement)] == []


def test_base_requirements_are_the_few_we_chose(requirements: list[str]) -> None:
    base = {re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in requirements if "extra ==" not in line}
    assert base == {
        "ai-edge-litert",
        "cryptography",
        "msgspec",
        "numpy",
        "opencv-python-headless",
        "paho-mqtt",
        "rich",
        "tomli",
        "typer",
    }
