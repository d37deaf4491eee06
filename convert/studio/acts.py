"""Acts: a portrait playing a script, with valence and arousal at each step.

The truth at a step mixes what the teacher says of the script's expressions, each rendered for itself (unturned, in the
picture's own light, silent, eyes as expressed), as the script mixes the expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convert.studio.archive import write_part
from convert.studio.jobs import run_jobs
from convert.studio.reenact import Portrait, reenact
from convert.studio.script import write_script
from convert.studio.stills import StudioFiles, decode, describe, encode_loose, studio_models
from convert.teacher.landmarker import FaceShape
from edge.geometry import CropRule, face_square
from edge.values import Float32Array, UInt8Array

_NOTHING = np.zeros(0, np.uint8)


class Act(NamedTuple):
    """One act of T steps.

    Attributes:
        name: of the portrait.
        frames: T pictures as JPEG bytes (`decode`), empty where the face is away or was not found.
        mix: float32 (T, K), of the expressions at each step.
        blendshapes, rotation: float32 (K, 52) and (K, 3), what the landmarker read of each expression.
    """

    name: str
    frames: tuple[UInt8Array, ...]
    mix: Float32Array
    blendshapes: Float32Array
    rotation: Float32Array

    def picture(self, step: int) -> UInt8Array | None:
        """The picture around the face at a step, uint8 (P, P, 3) RGB, or None."""
        return decode(self.frames[step]) if self.frames[step].size else None

    def shapes(self) -> list[FaceShape]:
        """The expressions, for the teacher; without meshes."""
        none = np.zeros((0, 3), np.float32)
        return [FaceShape(*row, none) for row in zip(self.blendshapes, self.rotation, strict=True)]


def make_acts(
    portraits: Sequence[Portrait],
    seen: Float32Array,
    files: StudioFiles,
    *,
    numbers: Sequence[int],
    steps: int,
    step_s: float,
    seed: int,
    advance: Callable[[], None],
    processes: int = 2,
) -> list[Act]:
    """Plays and films the acts of these numbers; arguments as of `make_stills`, and how many steps of how long."""
    jobs = ((portraits[n % len(portraits)], seen, files, steps, step_s, seed, n) for n in numbers)
    return run_jobs(_make, jobs, advance, processes=processes)


def save_acts(path: Path, acts: Sequence[Act]) -> None:
    """Writes one part, an `.npz`; complete or not at all."""
    write_part(
        path,
        names=np.array([act.name for act in acts]),
        jpeg=np.concatenate([frame for act in acts for frame in act.frames]),
        ends=np.cumsum([len(frame) for act in acts for frame in act.frames]),
        mix=np.concatenate([act.mix.ravel() for act in acts]),
        keys=np.array([len(act.blendshapes) for act in acts]),
        blendshapes=np.concatenate([act.blendshapes for act in acts]),
        rotation=np.concatenate([act.rotation for act in acts]),
    )


def load_acts(path: Path) -> list[Act]:
    """Reads what `save_acts` wrote."""
    with np.load(path, allow_pickle=False) as file:
        names, keys = [str(name) for name in file["names"]], file["keys"]
        frames = np.split(file["jpeg"], file["ends"][:-1])
        steps = len(frames) // len(names)
        mixes = np.split(file["mix"], np.cumsum(keys * steps)[:-1])
        shapes, turns = (np.split(file[key], np.cumsum(keys)[:-1]) for key in ("blendshapes", "rotation"))
    return [
        Act(name, tuple(frames[n * steps : (n + 1) * steps]), mixes[n].reshape(steps, -1), shapes[n], turns[n])
        for n, name in enumerate(names)
    ]


def _make(job: tuple[Portrait, Float32Array, StudioFiles, int, float, int, int]) -> Act | None:
    portrait, seen, files, steps, step_s, seed, number = job
    head, landmarker, finder = studio_models(files)
    script = write_script(np.random.default_rng([seed, number, 7]), seen, steps=steps, step_s=step_s)
    read = [describe(reenact(head, portrait, head.coefficients(key)), finder, landmarker) for key in script.keys]
    if any(each is None for each in read):
        return None
    shapes = [each[0] for each in read if each is not None]
    frames = []
    for step in range(steps):
        if not script.present[step]:
            frames.append(_NOTHING)
            continue
        yaw, pitch, roll = map(float, script.turn[step])
        pixels = reenact(
            head,
            portrait,
            head.coefficients(script.seen(step)),
            turn=(yaw, pitch, roll),
            light=script.light[step],
        )
        face = finder.find(pixels)
        frames.append(
            encode_loose(pixels, face_square(face.landmarks_px, CropRule())) if face is not None else _NOTHING
        )
    return Act(
        portrait.name,
        tuple(frames),
        script.mix,
        np.stack([shape.blendshapes for shape in shapes]),
        np.stack([shape.rotation for shape in shapes]),
    )
