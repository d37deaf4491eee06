"""Fixtures of the contracts: a built wheel, environments made from nothing, and the programs they need."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
import pytest

_TIMEOUT_S = 900


def _run(command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
    settings = {"capture_output": True, "text": True, "timeout": _TIMEOUT_S, "check": False}
    return subprocess.run([str(part) for part in command], **(settings | options))


def _succeed(command: Sequence[str | Path], **options: Any) -> str:
    done = _run(command, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program to its end and keeps what it said; the caller judges the exit code."""
    return _run


@pytest.fixture(scope="session")
def succeed() -> Callable[..., str]:
    """Runs a program that has to succeed; returns its standard output."""
    return _succeed


@pytest.fixture(scope="session")
def bare_environment() -> dict[str, str]:
    """This process's environment without what would let the checkout or another installation shine through."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_CONSTRAINT")
    return {key: value for key, value in os.environ.items() if key not in hidden}


@pytest.fixture(scope="session")
def package_source(tmp_path_factory: pytest.TempPathFactory, repo: Path, missing: Callable[[str], NoReturn]) -> None:
    """Where pip finds no packages a failure to install is not ours."""
    pinned = next(
        line for line in (repo / "constraints.txt").read_text("utf-8").splitlines() if line.startswith("mdurl==")
    )
    folder = tmp_path_factory.mktemp("probe")
    done = _run([sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--dest", folder, pinned])
    if done.returncode != 0:
        missing("needs a package source that pip can reach")


@pytest.fixture(scope="session")
def build(repo: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Builds an sdist or a wheel from a folder, with the hatchling that is installed here, else with a fetched one."""

    def build_one(kind: str, source: Path = repo) -> Path:
        command = [sys.executable, "-m", "build", f"--{kind}", "--outdir", str(tmp_path_factory.mktemp("dist"))]
        if importlib.util.find_spec("hatchling"):
            command.append("--no-isolation")
        else:
            request.getfixturevalue("package_source")
        _succeed([*command, source])
        (built,) = Path(command[command.index("--outdir") + 1]).iterdir()
        return built

    return build_one


@pytest.fixture(scope="session")
def wheel(build: Callable[..., Path]) -> Path:
    """The wheel of this checkout."""
    return build("wheel")


@pytest.fixture(scope="session")
def make_environment(
    tmp_path_factory: pytest.TempPathFactory, package_source: None, bare_environment: dict[str, str]
) -> Callable[[str, str, Path], Path]:
    """Makes a virtual environment from nothing and installs one requirement; returns its `bin`."""

    def make(python: str, requirement: str, constraints: Path) -> Path:
        folder = tmp_path_factory.mktemp("environment") / "venv"
        _succeed([python, "-m", "venv", folder])
        pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
        _succeed([*pip, "-c", constraints, requirement], env=bare_environment)
        return folder / "bin"

    return make


@pytest.fixture(scope="session")
def grey_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of moving grey without a face, 320×240 at 10 frames a second."""
    path = tmp_path_factory.mktemp("clip") / "grey.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (320, 240))
    assert writer.isOpened(), "OpenCV cannot write MJPEG into AVI here"
    for index in range(20):
        picture = np.full((240, 320, 3), 90, np.uint8)
        picture[60:120, 10 * index : 10 * index + 40] = 160
        writer.write(picture)
    writer.release()
    return path
