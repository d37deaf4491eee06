"""A package with a stand-in for the runtime: made in a second, and all that the builder itself writes is in it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_config.debian.archive import pack
from firmware_config.debian.target import Target
from firmware_config.debian.tree import lay_out, site_packages

EPOCH = 1_790_000_000
METADATA = "Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nLicense-Expression: {licence}\n"


def stand_in(site: Path) -> None:
    """Two packages as pip leaves them: ours and one that it needs."""
    for name, licence in (("affect-edge", "Apache-2.0"), ("needed", "MIT")):
        folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(METADATA.format(name=name, licence=licence))
    (site / "edge").mkdir()
    (site / "edge/__init__.py").write_text("")


def build(root: Path, target: Target, epoch: int = EPOCH) -> Path:
    """A package in `root/out`."""
    tree = root / "tree"
    stand_in(site_packages(tree, target))
    lay_out(tree, target, epoch=epoch)
    return pack(tree, target, root / "out", epoch)


@pytest.fixture(scope="session")
def build_package(program: Callable[[str], str]) -> Callable[..., Path]:
    """Builds a package whose runtime is a stand-in: a scratch folder, a target, a date."""
    program("dpkg-deb")
    return build


@pytest.fixture(scope="session")
def target() -> Target:
    """The machine of the package below."""
    return Target(architecture="arm64", python="3.13")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory, target: Target, build_package: Callable[..., Path]) -> Path:
    """A package whose runtime is a stand-in."""
    return build_package(tmp_path_factory.mktemp("deb"), target)


@pytest.fixture(scope="session")
def opened(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package taken apart again: its files, and its control files under DEBIAN."""
    folder = tmp_path_factory.mktemp("opened")
    subprocess.run(["dpkg-deb", "-R", package, folder], check=True)
    return folder
