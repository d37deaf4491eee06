"""A run's folder: what each step leaves for the next, and the record of how it came about.

```
recipe.json  run.json                        what was asked for; hashes, machine, what happened
faces.parquet  pictures/                     the face table and its loose pictures
<phase>/  history.json  history.png          checkpoints; what was measured epoch by epoch
backbone.npz  auxiliary.npz  head.npz        averaged weights
backbone.tflite  float32.tflite  head.tflite quantization.json
```
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.errors import DataError, TrainingError
from convert.train.recipe import Recipe
from edge.values import Float32Array

if TYPE_CHECKING:
    import pandas as pd

    from convert.train.data import Part
    from edge.model.bundle import Bundle

WEIGHTS = Path(__file__).parents[1] / "weights"  # of the shipped bundle
FACES, PICTURES, ROWS = "faces.parquet", "pictures", "rows.npy"
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
            raise DataError(f"{self.folder}: holds a run with another recipe or seed", "choose another --out")
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
            raise DataError(
                f"{self.folder}: holds no run", f"run `python -m convert train --out {self.folder}` or `fit`"
            ) from None
        except msgspec.MsgspecError as error:
            raise DataError(f"{path}: {error}") from error

    def keep_faces(self, faces: pd.DataFrame, rows: NDArray[np.intp]) -> None:
        """Writes the face table, and which row of `pictures/` belongs to each face.

        Raises:
            DataError: the run has another table already: what was test could become train.
        """
        from convert.faces.table import read_faces, write_faces

        path = self.path(FACES)
        if path.is_file():
            before, now = (each[["id", "split", "valence", "arousal"]] for each in (read_faces(path), faces))
            if not before.equals(now):
                raise DataError(f"{path}: holds other faces, labels or splits than now", "choose another --out")
        write_faces(path, faces)
        np.save(self.path(PICTURES) / ROWS, rows)

    def parts(self) -> list[Part]:
        """The faces of the run and their pictures, all splits; of a fit one's own first, then the kit's as extra ones.

        Raises:
            DataError: there are none, or the pictures were deleted.
        """
        from convert.faces.kit import KIT_SOURCES
        from convert.faces.pictures import Pictures
        from convert.faces.table import read_faces
        from convert.train.data import Part

        faces, rows = read_faces(self.path(FACES)), self.path(PICTURES) / ROWS
        if not rows.is_file():
            raise DataError(f"{rows}: not there: the run's pictures were deleted")
        whole = Part(faces, Pictures(self.path(PICTURES), np.load(rows)))
        kit = faces["source"].isin(KIT_SOURCES).to_numpy()
        if kit.all() or not kit.any():
            return [whole]
        return [whole.take(~kit), whole.take(kit)._replace(extra=True)]

    def read(self, name: str, step: str) -> bytes:
        """A file that an earlier step made.

        Raises:
            TrainingError: it is not there; names the verb that makes it.
        """
        path = self.path(name)
        if not path.is_file():
            raise TrainingError(f"{path}: not there", f"run `python -m convert {step}` first")
        return path.read_bytes()

    def write_json(self, name: str, record: Mapping[str, Any]) -> None:
        """Writes a record, readable."""
        self.path(name).write_text(json.dumps(record, indent=2) + "\n")

    def read_json(self, name: str, step: str) -> Any:
        """A record that an earlier step wrote; raises as `read`."""
        return json.loads(self.read(name, step))

    def note(self, **facts: Any) -> None:
        """Adds facts to `run.json`."""
        self.write_json("run.json", {**self.notes(), **facts})

    def notes(self) -> dict[str, Any]:
        """What `run.json` says; empty where there is none."""
        path = self.path("run.json")
        return dict(json.loads(path.read_text())) if path.is_file() else {}

    def add_history(self, phase: str, records: Sequence[dict[str, float]]) -> None:
        """Writes a phase's records into `history.json`, and all phases as curves."""
        path = self.path("history.json")
        history = json.loads(path.read_text()) if path.is_file() else {}
        history[phase] = list(records)
        path.write_text(json.dumps(history, indent=1) + "\n")
        _plot(history, self.path("history.png"))


def save_weights(path: Path, weights: Sequence[Float32Array]) -> None:
    """Writes weights in Keras's order, whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **{f"w{n:03d}": weight for n, weight in enumerate(weights)})  # type: ignore[arg-type]
    partial.replace(path)


def load_weights(path: Path) -> list[Float32Array]:
    """Reads what `save_weights` wrote.

    Raises:
        TrainingError: the file is not there.
    """
    if not path.is_file():
        raise TrainingError(f"{path}: no weights", "run `python -m convert train` first")
    with np.load(path, allow_pickle=False) as file:
        return [file[key] for key in sorted(file.files)]


def bundle_of(run: Run) -> Bundle:
    """A run's graphs as a bundle, not yet packed.

    Raises:
        TrainingError: a graph is not there yet.
    """
    from convert.package.packing import Label, assemble

    graphs = run.read("backbone.tflite", "train"), run.read("head.tflite", "train")
    return assemble(*graphs, run.recipe(), Label(name="run", version=1, created="-"), sources=[], metrics=[])


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


def _plot(history: Mapping[str, Sequence[dict[str, float]]], path: Path) -> None:
    """Loss, and CCC on dev, by phase and epoch, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(history), figsize=(5 * len(history), 7), squeeze=False)
    for (loss, agreement), (phase, records) in zip(axes.T, history.items(), strict=True):
        loss.plot(*zip(*[(r["epoch"], r["loss"]) for r in records if "loss" in r] or [(0, 1)], strict=True))
        loss.set(title=f"{phase}: loss", yscale="log")
        for name in sorted({key for record in records for key in record if key.endswith("_ccc")}):
            points = [(record["epoch"], record[name]) for record in records if name in record]
            agreement.plot(*zip(*points, strict=True), label=name.removesuffix("_ccc").replace("_", " "))
        agreement.set(title="CCC on dev", xlabel="epoch", ylim=(0, 1))
        agreement.legend(loc="lower right") if agreement.lines else None
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
