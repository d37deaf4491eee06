"""Real people on video: agreement with the teacher, face by face, and the head under injected accidents.

Nobody rated these clips. The teacher's labels are the reference for the first, the bundle's own answers to the
undisturbed pictures for the second; neither is a measure of truth, and no clip takes part in any training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.augment.augmentation import Augmentation, render
from convert.metrics import TARGETS, Agreement, agreement
from convert.predict.clips import ClipFace, clip_scene, read_clip
from convert.predict.evaluation import Device, embed_crop
from convert.predict.trial import SEED, take_in_trial
from convert.progress import Progress
from convert.teacher.landmarker import FaceLandmarker
from convert.teacher.regressor import Regressor
from convert.train.sequences import Scene, Sequences, make_sequences, photograph_step
from edge.values import UInt8Array

_SHORTEST, _STEPS = 20, 60  # steps of the grid: the fewest and the most of a sequence that is cut from a face
_ROUGH = 1.4  # the teacher's square relative to the device's


def read_clips(folder: Path, *, step_s: float) -> list[ClipFace]:
    """The faces of all clips of a folder, by file name."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".mp4", ".mkv", ".mov"))
    faces = []
    with Progress("clips", len(paths)) as progress:
        for path in paths:
            faces += read_clip(path, step_s=step_s, shortest=_SHORTEST)
            progress.advance()
    return faces


def agree_with_teacher(
    faces: Sequence[ClipFace], device: Device, landmarker: FaceLandmarker, regressor: Regressor, *, every: int = 3
) -> dict[str, Agreement]:
    """Frame answers against the teacher's labels on every third step; intervals by clip and face."""
    answers, shapes, groups = [], [], []
    with Progress("clips against the teacher", len(faces)) as progress:
        for face in faces:
            scene = clip_scene(face, 0, len(face.pictures))
            rough = scene.square._replace(side=scene.square.side * _ROUGH)
            for pixels in face.pictures[::every]:
                if pixels is not None:
                    crop = render(pixels, scene.square, Augmentation(), device.manifest.crop.size)
                    answers.append(embed_crop(device.backbone, crop).va)
                    shapes.append(landmarker.describe_square(pixels, rough))
                    groups.append(face.name)
            progress.advance()
    labels, ours = regressor.predict(shapes), np.stack(answers)
    return {target: agreement(labels[:, t], ours[:, t], groups=groups) for t, target in enumerate(TARGETS)}


class DisturbedClips(NamedTuple):
    """Parts of clips under the trial's accidents.

    Attributes:
        sequences: N of them, as long as the longest; `va` is the frame answer to the undisturbed picture.
        counts: bool (N, T), the steps that a part has; what follows them is filling.
        faces: N names of the faces they are of, which intervals draw whole.
    """

    sequences: Sequences
    counts: NDArray[np.bool_]
    faces: list[str]


def cut_parts(face: ClipFace) -> list[tuple[int, int]]:
    """Start and length of the parts of a face's steps: as long as a sequence may be, and the rest if long enough."""
    parts = []
    for start in range(0, len(face.pictures), _STEPS):
        first = next((n for n in range(start, len(face.pictures)) if face.pictures[n] is not None), start)
        length = min(start + _STEPS, len(face.pictures)) - first
        if length >= _SHORTEST:
            parts.append((first, length))
    return parts


def disturb_clips(faces: Sequence[ClipFace], device: Device) -> DisturbedClips:
    """The parts of the clips' faces under the trial's accidents."""
    parts = [(face, *part) for face in faces for part in cut_parts(face)]
    scenes = [partial(_filled_scene, face, start, length) for face, start, length in parts]
    size = device.manifest.crop.size
    with Progress("clips, disturbed", 2 * len(parts), every=40) as progress:
        clean, disturbed = (
            make_sequences(
                scenes, partial(embed_crop, device.backbone), take, size=size, seed=SEED, advance=progress.advance
            )
            for take in (_undisturbed, take_in_trial)
        )
    lengths = np.array([length for _, _, length in parts])
    return DisturbedClips(
        Sequences(disturbed.embeddings, disturbed.frame, clean.frame),
        np.arange(_STEPS) < lengths[:, None],
        [face.name for face, _, _ in parts],
    )


def _filled_scene(face: ClipFace, start: int, length: int) -> Scene:
    """A part, filled up with steps that show nothing."""
    scene = clip_scene(face, start, _STEPS)
    return scene._replace(picture=lambda step: scene.picture(step) if step < length else None)


def _undisturbed(scene: Scene, _rng: np.random.Generator, size: int) -> Iterator[UInt8Array | None]:
    for step in range(len(scene.va)):
        yield photograph_step(scene, step, Augmentation(), size)
