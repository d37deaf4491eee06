"""The pinned versions: names, versions and markers only, and something for everything we ask for."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

tomllib = pytest.importorskip("tomllib", reason="reads pyproject.toml with Python 3.11's library")

LINE = re.compile(r'[a-z0-9-]+==[0-9][0-9a-z.]*( ; python_version (<|>=) "3\.\d+"( and python_version < "3\.\d+")?)?')
FILES = ("constraints.txt", "constraints-tflite.txt")


@pytest.fixture(scope="module")
def script(repo: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("constraints", repo / "scripts" / "constraints.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", FILES)
def test_lines_are_names_versions_and_markers(repo: Path, name: str) -> None:
    lines = (repo / name).read_text("utf-8").splitlines()
    assert [line for line in lines if not line.startswith("# ") and not LINE.fullmatch(line)] == []


def test_an_address_in_a_line_is_noticed() -> None:
    assert not LINE.fullmatch("numpy @ https://example.org/numpy.whl")
    assert not LINE.fullmatch("numpy==2.4.6 --hash=sha256:00")


def test_everything_we_ask_for_is_pinned(repo: Path, script: ModuleType) -> None:
    data = tomllib.loads((repo / "pyproject.toml").read_text("utf-8"))
    extras = data["project"]["optional-dependencies"]
    groups = data["dependency-groups"]
    asked = [*data["project"]["dependencies"]]
    asked += [line for extra in ("demo", "onnx", "metrics") for line in extras[extra]]
    asked += [line for group in groups.values() for line in group if isinstance(line, str)]
    names = {script.normalize(re.split(r"[^A-Za-z0-9_.-]", line)[0]) for line in asked} - {"tomli"}
    assert names - script.pins_here((repo / "constraints.txt").read_text("utf-8")).keys() == set()


@pytest.mark.parametrize(("python", "numpy"), [((3, 10), "2.2.6"), ((3, 11), "2.4.6"), ((3, 13), "2.4.6")])
def test_each_python_has_one_numpy(repo: Path, script: ModuleType, python: tuple[int, int], numpy: str) -> None:
    lines = [line for line in (repo / "constraints.txt").read_text("utf-8").splitlines() if line.startswith("numpy==")]
    held = [line for line in lines if script.holds(line.partition(";")[2].strip(), python)]
    assert [line.partition(" ")[0] for line in held] == [f"numpy=={numpy}"]


def test_pythons_that_agree_share_a_line(script: ModuleType) -> None:
    pins = {"b": {(3, 10): "1", (3, 11): "2", (3, 12): "2", (3, 13): "3"}, "a": {(3, 12): "1", (3, 11): "1"}}
    assert script.render(pins).splitlines() == [
        "a==1",
        'b==1 ; python_version < "3.11"',
        'b==2 ; python_version >= "3.11" and python_version < "3.13"',
        'b==3 ; python_version >= "3.13"',
    ]
