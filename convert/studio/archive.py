"""Made faces on disk: in parts, so that an interrupted studio goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.studio.stills import Still
from convert.teacher.landmarker import FaceShape

_SHAPE = ("blendshapes", "rotation")


def write_part(path: Path, **columns: NDArray[Any]) -> None:
    """Writes arrays as an `.npz`; complete or not at all."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, **columns)  # type: ignore[arg-type]
    unfinished.replace(path)


def save_stills(path: Path, stills: Sequence[Still]) -> None:
    """Writes one part, an `.npz`; complete or not at all. The meshes are left out."""
    columns = {
        f"{part}_{key}": np.stack([getattr(getattr(still, part), key) for still in stills])
        for part in ("seen", "clean")
        for key in _SHAPE
    }
    write_part(
        path,
        names=np.array([still.name for still in stills]),
        jpeg=np.concatenate([still.jpeg for still in stills]),
        ends=np.cumsum([len(still.jpeg) for still in stills]),
        **columns,
    )


def load_stills(path: Path) -> list[Still]:
    """Reads what `save_stills` wrote; the meshes are empty."""
    none = np.zeros((0, 3), np.float32)
    with np.load(path, allow_pickle=False) as file:
        pictures = np.split(file["jpeg"], file["ends"][:-1])
        shapes = [
            [
                FaceShape(blendshapes, rotation, none)
                for blendshapes, rotation in zip(file[f"{part}_blendshapes"], file[f"{part}_rotation"], strict=True)
            ]
            for part in ("seen", "clean")
        ]
        return [Still(str(n), *rest) for n, *rest in zip(file["names"], pictures, *shapes, strict=True)]
