"""Made faces on disk: in parts, so that an interrupted studio goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.studio.acts import Act
from convert.studio.stills import Still
from convert.teacher.landmarker import FaceShape
from edge.values import UInt8Array

_NO_MESH = np.zeros((0, 3), np.float32)


def save_stills(path: Path, stills: Sequence[Still]) -> None:
    """Writes one part, an `.npz`; complete or not at all. Of the meshes only `points` are kept."""
    shapes = {
        f"{part}_{key}": np.stack([getattr(getattr(still, part), key) for still in stills])
        for part in ("seen", "clean")
        for key in ("blendshapes", "rotation")
    }
    plain = {key: np.array([getattr(still, key) for still in stills]) for key in _PLAIN}
    _write(path, **shapes, **plain, **_pack("jpeg", [s.jpeg for s in stills], [s.clean_jpeg for s in stills]))


def load_stills(path: Path) -> list[Still]:
    """Reads what `save_stills` wrote; the meshes are empty."""
    with np.load(path, allow_pickle=False) as file:
        part = dict(file)
    count = len(part["name"])
    pictures = _unpack("jpeg", part)
    return [
        Still(
            str(part["name"][n]),
            str(part["kind"][n]),
            part["asked"][n],
            bool(part["speaks"][n]),
            pictures[n],
            FaceShape(part["seen_blendshapes"][n], part["seen_rotation"][n], _NO_MESH),
            part["points"][n],
            pictures[count + n],
            FaceShape(part["clean_blendshapes"][n], part["clean_rotation"][n], _NO_MESH),
            part["clean_points"][n],
        )
        for n in range(count)
    ]


_PLAIN = ("name", "kind", "asked", "speaks", "points", "clean_points")


def save_acts(path: Path, acts: Sequence[Act]) -> None:
    """Writes one part, an `.npz`; complete or not at all."""
    _write(
        path,
        names=np.array([act.name for act in acts]),
        mix=np.concatenate([act.mix.ravel() for act in acts]),
        counts=np.array([len(act.keys) for act in acts]),
        blendshapes=np.concatenate([act.blendshapes for act in acts]),
        rotation=np.concatenate([act.rotation for act in acts]),
        **_pack("frames", *(act.frames for act in acts)),
        **_pack("keys", *(act.keys for act in acts)),
    )


def load_acts(path: Path) -> list[Act]:
    """Reads what `save_acts` wrote."""
    with np.load(path, allow_pickle=False) as file:
        part = dict(file)
    frames, keys, ends = _unpack("frames", part), _unpack("keys", part), np.cumsum(part["counts"])
    steps = len(frames) // len(ends)
    mixes = np.split(part["mix"], ends[:-1] * steps)
    return [
        Act(
            str(part["names"][n]),
            tuple(frames[n * steps : (n + 1) * steps]),
            mixes[n].reshape(steps, -1),
            tuple(keys[ends[n] - count : ends[n]]),
            part["blendshapes"][ends[n] - count : ends[n]],
            part["rotation"][ends[n] - count : ends[n]],
        )
        for n, count in enumerate(part["counts"])
    ]


def _write(path: Path, **columns: NDArray[Any]) -> None:
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, **columns)  # type: ignore[arg-type]
    unfinished.replace(path)


def _pack(name: str, *pictures: Sequence[UInt8Array]) -> dict[str, NDArray[Any]]:
    flat = [picture for group in pictures for picture in group]
    return {name: np.concatenate(flat), f"{name}_ends": np.cumsum([picture.size for picture in flat])}


def _unpack(name: str, part: dict[str, NDArray[Any]]) -> list[UInt8Array]:
    return np.split(part[name], part[f"{name}_ends"][:-1])
