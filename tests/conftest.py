"""Fixtures for all tests: where things lie, and whether they are here."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.model.assets import BLAZEFACE, find_asset

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repo() -> Path:
    """The checkout's root."""
    return REPO


@pytest.fixture(scope="session")
def shared() -> Path:
    """Clips and data beside the checkout, which are not part of it."""
    folder = REPO.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the clips and data in ../shared, which is not here")
    return folder


@pytest.fixture(scope="session")
def clips(shared: Path) -> Path:
    """Videos of people, for replays."""
    folder = shared / "clips"
    if not folder.is_dir():
        pytest.skip("needs the videos in ../shared/clips, which are not here")
    return folder


@pytest.fixture(scope="session")
def detector_asset() -> Path:
    """The face detector's file."""
    path = find_asset(BLAZEFACE)
    if path is None:
        pytest.skip(f"needs {BLAZEFACE.name}; run `affect-edge fetch`")
    return path
