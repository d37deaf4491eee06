"""The peers' networks as graphs, made once and kept in the user's cache. Imports no TensorFlow itself."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from convert.errors import TrainingError
from edge.paths import home_folder

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or home_folder() / ".cache") / "affect-edge" / "peers"
_TIMEOUT_S = 900
_MADE_WITH = ("tensorflow", "tf-keras", "tf2onnx")
_SOURCES = ("converter.py", "mobilefacenet.py")


class Graphs(NamedTuple):
    """One network in the two forms that are compared."""

    float32: bytes
    int8: bytes


def make_graphs(name: str, size: int, *, cache: Path | None = None) -> Graphs:
    """The graphs of a network with random weights, whose values say nothing; their time does not depend on them.

    Args:
        name: as in `converter`.
        size: side of the picture.
        cache: where graphs are kept; None for the user's cache folder. Another version of what makes them makes anew.

    Raises:
        TrainingError: the converter failed, or its packages are not installed.
    """
    here = Path(__file__).parent
    made_by = [(here / source).read_bytes() for source in _SOURCES]
    try:
        made_by += [f"{package} {version(package)}".encode() for package in _MADE_WITH]
    except PackageNotFoundError as error:
        raise TrainingError(f"{error.name} is not installed here; install the `convert` dependency group") from error
    key = hashlib.sha256(b"\0".join(made_by)).hexdigest()[:12]
    folder = (cache or CACHE) / f"{name}-{size}-{key}"
    files = folder / "float32.onnx", folder / "int8.tflite"
    if not all(file.is_file() for file in files):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="affect-edge-", dir=folder.parent) as scratch:
            _convert(name, size, Path(scratch))
            for file in files:
                (Path(scratch) / file.name).replace(file)
    return Graphs(*(file.read_bytes() for file in files))


def _convert(name: str, size: int, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.converter", name, str(size), str(folder)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise TrainingError(f"{name}: the converter ended with {done.returncode} ({last[0][:200]})")
