"""Whatever the kit brings onto a device is named with its licence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from edge.face.detector import GRAPH

tomllib = pytest.importorskip("tomllib", reason="reads pyproject.toml with Python 3.11's library")


def unlisted(text: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if not re.search(rf"^\| {re.escape(name)} \| \S.* \| \S", text, re.MULTILINE)]


@pytest.fixture
def text(repo: Path) -> str:
    return (repo / "THIRD_PARTY_LICENSES.md").read_text("utf-8")


@pytest.fixture
def dependencies(repo: Path) -> list[str]:
    """The names in the base and in every extra."""
    project = tomllib.loads((repo / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    # tomli is for Python 3.10 alone, where the list is not written.
    return sorted({re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in asked} - {"tomli"})


def test_every_dependency_is_listed(text: str, dependencies: list[str]) -> None:
    assert unlisted(text, dependencies) == []


def test_detector_is_listed_with_its_licence_and_training_data(text: str) -> None:
    assert unlisted(text, [GRAPH.name]) == []
    assert "WIDER FACE" in text
    assert "Permission is hereby granted" in GRAPH.with_suffix(".LICENSE").read_text()


def test_no_licence_is_unknown(text: str) -> None:
    assert "| ? |" not in text


def test_a_missing_dependency_is_noticed(text: str, dependencies: list[str]) -> None:
    assert unlisted(text, [*dependencies, "left-pad"]) == ["left-pad"]
    without = "\n".join(line for line in text.splitlines() if not line.startswith("| msgspec "))
    assert unlisted(without, dependencies) == ["msgspec"]
