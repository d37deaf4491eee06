"""What the backbone learns from: a face, its label and its blendshapes; and batches of them, rendered by seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from convert.datasets.faces import LabelledFace
from convert.errors import TrainingError
from convert.teacher.landmarker import BLENDSHAPES
from convert.teacher.regressor import TeacherLabels
from convert.training.nuisance import draw_nuisance, render
from edge.geometry import CropRule, Square, face_square
from edge.types import Float32Array, UInt8Array

# The gaze says little about affect here, and `_neutral` nothing.
AUXILIARY = tuple(n for n, name in enumerate(BLENDSHAPES) if name != "_neutral" and not name.startswith("eyeLook"))
_NAMES = [BLENDSHAPES[n] for n in AUXILIARY]
_MIRRORED = np.array(
    [_NAMES.index(name.replace("Left", "*").replace("Right", "Left").replace("*", "Right")) for name in _NAMES]
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """One face to learn from.

    Attributes:
        name: of the face.
        pixels: uint8 (H, W, 3), RGB.
        square: the rule's square of the face.
        va: float32 (2,), the label, −1..1.
        blendshapes: float32 (K,) of the names `AUXILIARY` picks, 0..1.
    """

    name: str
    pixels: UInt8Array
    square: Square
    va: Float32Array
    blendshapes: Float32Array


class Batch(NamedTuple):
    """`images` uint8 (B, S, S, 3) RGB, `va` float32 (B, 2), `blendshapes` float32 (B, K)."""

    images: UInt8Array
    va: Float32Array
    blendshapes: Float32Array


def make_examples(
    faces: Sequence[LabelledFace], teacher: TeacherLabels, *, rater_share: float, rule: CropRule
) -> list[Example]:
    """Joins faces outside of the held-out part with the teacher's labels; a face it does not know is left out."""
    rows = {name: row for row, name in enumerate(teacher.names)}
    examples = []
    for face in faces:
        row = rows.get(face.name)
        if face.validation or row is None:
            continue
        va = teacher.va[row]
        if face.rated is not None:
            va = rater_share * np.array(face.rated, np.float32) + (1 - rater_share) * va
        examples.append(
            Example(
                name=face.name,
                pixels=face.pixels,
                square=face_square(face.landmarks_px, rule),
                va=va.astype(np.float32),
                blendshapes=teacher.blendshapes[row][list(AUXILIARY)],
            )
        )
    return examples


def batches(examples: Sequence[Example], *, size: int, batch: int, seed: int, epoch: int) -> Iterator[Batch]:
    """One epoch in whole batches, each face under a nuisance of its own; `seed` and `epoch` decide everything.

    Raises:
        TrainingError: there are fewer examples than one batch.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(examples))
    if len(order) < batch:
        raise TrainingError(f"{len(order)} faces to learn from are fewer than one batch of {batch}")
    picks = [order[at : at + batch] for at in range(0, len(order) - batch + 1, batch)]

    def load(pick: np.ndarray) -> Batch:
        made = [_load(examples[n], size, np.random.default_rng([seed, epoch, int(n)])) for n in pick]
        return Batch(*(np.stack(part) for part in zip(*made, strict=True)))

    with ThreadPoolExecutor(1) as pool:  # one batch ahead of the network
        ahead = [pool.submit(load, pick) for pick in picks[:1]]
        for pick in [*picks[1:], None]:
            ready = ahead.pop().result()
            if pick is not None:
                ahead.append(pool.submit(load, pick))
            yield ready


def _load(example: Example, size: int, rng: np.random.Generator) -> tuple[UInt8Array, Float32Array, Float32Array]:
    nuisance = draw_nuisance(rng)
    shapes = example.blendshapes[_MIRRORED] if nuisance.flip else example.blendshapes
    return render(example.pixels, example.square, nuisance, size), example.va, shapes
