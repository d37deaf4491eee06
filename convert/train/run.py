"""A run's folder: what each stage leaves for the next, and the record of how it came about.

```
recipe.json  data.json      what was asked for, and hashes of the data
teacher/                    labels.npz, report.json
backbone/  backbone.npz     checkpoints; the averaged weights
backbone.tflite  quantization.json
head/  head.npz  head.tflite
evaluation.json             the held-out part through the device's code
backbone.png  head.png      curves
```
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from convert.errors import DataError, TrainingError
from convert.train.recipe import Recipe
from edge.values import Float32Array

_RECORDED = ("tensorflow", "tf-keras", "ai-edge-litert", "numpy", "opencv-python-headless", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder, by path."""

    folder: Path

    def path(self, name: str) -> Path:
        """Where a file of the run lies."""
        return self.folder / name

    def start(self, recipe: Recipe) -> None:
        """Makes the folder and pins its recipe.

        Raises:
            DataError: the folder belongs to a run with another recipe.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path("recipe.json")
        if path.is_file() and self.recipe() != recipe:
            raise DataError(f"{self.folder}: holds a run with another recipe or seed; choose another --out")
        path.write_bytes(msgspec.json.format(msgspec.json.encode(recipe)))

    def recipe(self) -> Recipe:
        """The recipe of this run.

        Raises:
            DataError: there is no run in the folder, or its recipe cannot be read.
        """
        path = self.path("recipe.json")
        try:
            return msgspec.json.decode(path.read_bytes(), type=Recipe)
        except FileNotFoundError:
            raise DataError(f"{self.folder}: holds no run; run `python -m convert train --out {self.folder}`") from None
        except msgspec.MsgspecError as error:
            raise DataError(f"{path}: {error}") from error

    def read(self, name: str, stage: str) -> bytes:
        """A file that an earlier stage made.

        Raises:
            TrainingError: it is not there; names the stage.
        """
        path = self.path(name)
        if not path.is_file():
            raise TrainingError(f"{path}: not there; run `python -m convert {stage}` first")
        return path.read_bytes()

    def write_json(self, name: str, record: Mapping[str, Any]) -> None:
        """Writes a record, readable."""
        self.path(name).write_text(json.dumps(record, indent=2) + "\n")

    def read_json(self, name: str, stage: str) -> Any:
        """A record that an earlier stage wrote; raises as `read`."""
        return json.loads(self.read(name, stage))


def save_weights(path: Path, weights: Sequence[Float32Array]) -> None:
    """Writes weights in Keras's order."""
    np.savez_compressed(path, **{f"w{n:03d}": weight for n, weight in enumerate(weights)})  # type: ignore[arg-type]


def load_weights(path: Path) -> list[Float32Array]:
    """Reads what `save_weights` wrote.

    Raises:
        TrainingError: the file is not there.
    """
    if not path.is_file():
        raise TrainingError(f"{path}: no weights; run `python -m convert train` first")
    with np.load(path, allow_pickle=False) as file:
        return [file[key] for key in sorted(file.files)]


def hash_folder(folder: Path) -> str:
    """SHA-256 over the names and bytes of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def describe_machine() -> dict[str, Any]:
    """When and with what: for the record of a run."""
    packages = {}
    for name in _RECORDED:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": packages,
    }
