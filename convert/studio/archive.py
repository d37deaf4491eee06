"""Made faces on disk: in parts, so that an interrupted studio goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Record = TypeVar("_Record", bound=tuple[Any, ...])


def save_part(path: Path, records: Sequence[tuple[Any, ...]]) -> None:
    """Writes named tuples of arrays, numbers and texts as an `.npz`; complete or not at all.

    Each field has one dtype and number of axes.
    """
    columns: dict[str, NDArray[Any]] = {"count": np.array(len(records))}
    for name in getattr(records[0], "_fields", ()) if records else ():
        values = [np.asarray(getattr(record, name)) for record in records]
        columns[f"{name}_shape"] = np.array([value.shape for value in values], np.int64)
        columns[name] = np.concatenate([value.reshape(-1) for value in values])
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, **columns)  # type: ignore[arg-type]
    unfinished.replace(path)


def load_part(path: Path, kind: type[_Record]) -> list[_Record]:
    """Reads what `save_part` wrote of records of one kind."""
    with np.load(path, allow_pickle=False) as file:
        names = getattr(kind, "_fields", ()) if file["count"] else ()
        columns = [_split(file[name], file[f"{name}_shape"]) for name in names]
    return [kind(*values) for values in zip(*columns, strict=True)]


def _split(flat: NDArray[Any], shapes: NDArray[np.int64]) -> list[Any]:
    ends = np.cumsum(shapes.prod(axis=1, dtype=np.int64)) if shapes.size else np.arange(1, len(shapes) + 1)
    parts = np.split(flat, ends[:-1])
    return [part.reshape(shape) if shape.size else part[0].item() for part, shape in zip(parts, shapes, strict=True)]
