"""Bundles to install: the shipped one under another version, and small ones that load but compute nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import Config, ModelConfig
from edge.model.bundle import MANIFEST, Bundle, default_bundle, load_bundle

MakeBundle = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug of the machine that runs the tests, and waiting for its disk takes most of their time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def real(tmp_path: Path) -> MakeBundle:
    """Makes copies of the shipped bundle with another version; they run."""

    def make(version: int, name: str = "default") -> Path:
        folder = shutil.copytree(default_bundle(), tmp_path / f"{name}-{version}")
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
def folder(tmp_path: Path) -> Path:
    """Where a store lies; not there yet."""
    return tmp_path / "disk" / "state" / "bundles"


@pytest.fixture
def config(folder: Path) -> Config:
    """A device with that store and a short probation."""
    return Config(model=ModelConfig(store=str(folder), probation_s=5))
