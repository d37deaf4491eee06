"""Bundles to install: copies of the shipped one under another version, and small ones that compute nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import ModelConfig
from edge.model.bundle import MANIFEST, Bundle, default_bundle, load_bundle

MakeBundle = Callable[..., Path]


@pytest.fixture
def real(tmp_path: Path) -> MakeBundle:
    """Makes copies of the shipped bundle with another version; they run."""

    def make(version: int, name: str = "default") -> Path:
        folder = shutil.copytree(default_bundle(), tmp_path / f"{name}-{version}", dirs_exist_ok=True)
        manifest = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps(manifest | {"version": version, "name": name}))
        return folder

    return make


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[[int], Bundle]:
    """Makes bundles of a few hundred bytes that pass every check but the one that they compute."""

    def make(version: int) -> Bundle:
        folder = tmp_path / f"tiny-{version}"
        folder.mkdir(exist_ok=True)
        manifest = json.loads((default_bundle() / MANIFEST).read_text())
        for name in manifest["files"]:
            (folder / name).write_text(f"{name} of {version}")
        digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]}
        (folder / MANIFEST).write_text(json.dumps(manifest | {"version": version, "files": digests}))
        return load_bundle(folder)

    return make


@pytest.fixture
def model(tmp_path: Path) -> ModelConfig:
    """A device whose store is not there yet, and which takes unsigned bundles."""
    return ModelConfig(store=str(tmp_path / "disk" / "state" / "bundles"), allow_unsigned=True)
