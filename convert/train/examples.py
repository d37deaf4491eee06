"""What the backbone learns from: a face, its label and its blendshapes; and batches of them, rendered by seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.augment.augmentation import cover_mouth, draw_augmentation, render
from convert.errors import TrainingError
from convert.faces.finder import LabelledFace
from convert.faces.pictures import loose_square
from convert.studio.stills import Still, decode
from convert.teacher.landmarker import BLENDSHAPES
from convert.teacher.regressor import TeacherLabels
from convert.train.recipe import BackboneRecipe
from edge.geometry import CropRule, Square, face_square
from edge.values import Float32Array, UInt8Array

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
        weight: in the loss; of a rated face, as sure as its raters were.
        rated: whether a rater had a part in the label; otherwise it is the teacher's.
    """

    name: str
    pixels: UInt8Array
    square: Square
    va: Float32Array
    blendshapes: Float32Array
    weight: float = 1.0
    rated: bool = True


class Batch(NamedTuple):
    """`images` uint8 (B, S, S, 3) RGB, `va` float32 (B, 2), `blendshapes` float32 (B, K), `weight` float32 (B,).

    `covered` bool (B,): whose mouth was covered on purpose.
    """

    images: UInt8Array
    va: Float32Array
    blendshapes: Float32Array
    weight: Float32Array
    covered: NDArray[np.bool_]


def make_examples(
    faces: Sequence[LabelledFace], teacher: TeacherLabels, *, recipe: BackboneRecipe, rule: CropRule
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
            va = recipe.rater_share * np.array(face.rated, np.float32) + (1 - recipe.rater_share) * va
        examples.append(
            Example(
                name=face.name,
                pixels=face.pixels,
                square=face_square(face.landmarks_px, rule),
                va=va.astype(np.float32),
                blendshapes=teacher.blendshapes[row][list(AUXILIARY)],
                weight=face.weight if face.rated is not None else recipe.unrated_weight,
                rated=face.rated is not None,
            )
        )
    return examples


def make_studio_examples(stills: Sequence[Still], va: Float32Array, *, weight: float) -> list[Example]:
    """Made faces with the teacher's labels of what they express, float32 (N, 2)."""
    return [
        Example(
            name=f"{still.name}#{number}",
            pixels=decode(still.jpeg),
            square=loose_square(),
            va=label,
            blendshapes=still.blendshapes[list(AUXILIARY)],
            weight=weight,
            rated=False,
        )
        for number, (still, label) in enumerate(zip(stills, va, strict=True))
    ]


def epoch_examples(own: Sequence[Example], made: Sequence[Example], share: float, epoch: int) -> list[Example]:
    """What one epoch learns from: the data's own faces, and the next `share` times as many of the made ones."""
    count = min(round(share * len(own)), len(made))
    start = epoch * count
    return [*own, *(made[(start + n) % len(made)] for n in range(count))]


def batches(
    examples: Sequence[Example], *, size: int, batch: int, seed: int, epoch: int, covered: float = 0.0
) -> Iterator[Batch]:
    """One epoch in whole batches, each face under an augmentation of its own; `seed` and `epoch` decide everything.

    Args:
        examples: to learn from.
        size, batch: side of a crop in pixels, and crops in a batch.
        seed, epoch: decide.
        covered: share of each batch whose mouth is covered.

    Raises:
        TrainingError: there are fewer examples than one batch.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(examples))
    if len(order) < batch:
        raise TrainingError(f"{len(order)} faces to learn from are fewer than one batch of {batch}")
    picks = [order[at : at + batch] for at in range(0, len(order) - batch + 1, batch)]

    def load(pick: np.ndarray) -> Batch:
        made = [
            _load(examples[n], size, np.random.default_rng([seed, epoch, int(n)]), covered=row < round(covered * batch))
            for row, n in enumerate(pick)
        ]
        return Batch(*(np.stack(part) for part in zip(*made, strict=True)))

    with ThreadPoolExecutor(1) as pool:  # one batch ahead of the network
        ahead = [pool.submit(load, pick) for pick in picks[:1]]
        for pick in [*picks[1:], None]:
            ready = ahead.pop().result()
            if pick is not None:
                ahead.append(pool.submit(load, pick))
            yield ready


def _load(example: Example, size: int, rng: np.random.Generator, *, covered: bool) -> tuple[Any, ...]:
    augmentation = draw_augmentation(rng)
    if covered:
        augmentation = cover_mouth(augmentation, rng)
    shapes = example.blendshapes[_MIRRORED] if augmentation.flip else example.blendshapes
    image = render(example.pixels, example.square, augmentation, size)
    return image, example.va, shapes, np.float32(example.weight), covered
