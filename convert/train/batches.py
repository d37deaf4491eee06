"""Batches of augmented faces, rendered ahead of the network; seed, epoch and row decide everything."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.augment.augmentation import Augmentation, cover_mouth, draw_augmentation, move_points, render
from convert.errors import TrainingError
from convert.faces.pictures import loose_square
from convert.train.recipe import BackbonePhase
from convert.train.targets import MIRRORED_POINTS, move_shapes, rarity, spread_of
from edge.values import Float32Array, UInt8Array

_WORKERS, _AHEAD = 2, 4  # threads that render, batches that wait


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingFaces:
    """N faces to learn from.

    Attributes:
        loose: N upright pictures uint8 (P, P, 3), RGB; the crop's square, P / 1.7 wide, is in the middle.
        va: float32 (N, 2), the labels, −1..1.
        weight: float32 (N,), in the loss, above 0.
        expression: int32 (N,), number of the class, or −1.
        blendshapes: float32 (N, K) of `AUXILIARY`, 0..1; NaN where the landmarker was not asked.
        points: float32 (N, L, 2) of `POINTS`; likewise.
        extra: bool (N,), the studio's stills, or in `fit` the kit's faces: an epoch takes only a part of them.
        portrait: bool (N,), pictures as they are: no stills made of others.
    """

    loose: Sequence[UInt8Array]
    va: Float32Array
    weight: Float32Array
    expression: NDArray[np.int32]
    blendshapes: Float32Array
    points: Float32Array
    extra: NDArray[np.bool_]
    portrait: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.loose)


class Batch(NamedTuple):
    """B faces, each under an augmentation of its own.

    Attributes:
        images: uint8 (B, S, S, 3), RGB; with two views (2 B, S, S, 3), the second ones after all of the first.
        va, weight, expression: as in `TrainingFaces`.
        blendshapes, points: of the first view, float32 (B, K) and (B, 2 L); 0 where not known.
        known: float32 (B,), 1 where they are known.
        covered: bool (B,), whose mouth was covered on purpose.
    """

    images: UInt8Array
    va: Float32Array
    weight: Float32Array
    expression: NDArray[np.int32]
    blendshapes: Float32Array
    points: Float32Array
    known: Float32Array
    covered: NDArray[np.bool_]


def cut_crop(loose: UInt8Array, size: int, augmentation: Augmentation | None = None) -> UInt8Array:
    """The device's crop uint8 (S, S, 3) of a loose picture, without augmentation unless one is given."""
    return render(loose, loose_square(len(loose)), augmentation or Augmentation(), size)


def cut_crops(loose: Sequence[UInt8Array], size: int) -> UInt8Array:
    """The same of N pictures: uint8 (N, S, S, 3), RGB."""
    crops = [cut_crop(each, size) for each in loose]
    return np.stack(crops) if crops else np.zeros((0, size, size, 3), np.uint8)


def draw_epoch(faces: TrainingFaces, phase: BackbonePhase, seed: int, epoch: int) -> NDArray[np.intp]:
    """Rows that an epoch learns from, in a random order: all but the extra ones, portraits several times if the phase
    says so, and the next part of the extra ones.

    The share `balance` of them is replaced by rows drawn by the rarity of their blendshapes.
    """
    own, extra = np.flatnonzero(~faces.extra), np.flatnonzero(faces.extra)
    own = np.repeat(own, np.where(faces.portrait[own], phase.portraits, 1))
    count = min(round(phase.extra * len(own)), len(extra)) if len(own) else len(extra)
    rng = np.random.default_rng([seed, epoch])
    if count:
        extra = np.random.default_rng(seed).permutation(extra)
        own = np.concatenate([own, np.take(extra, epoch * count + np.arange(count), mode="wrap")])
    rows = rng.permutation(own)
    replaced = round(phase.balance * len(rows))
    if replaced:
        chance = rarity(faces.blendshapes, spread_of(faces.blendshapes))
        rows[:replaced] = rng.choice(len(faces), replaced, p=chance)
        rng.shuffle(rows)
    return rows


def batches(faces: TrainingFaces, phase: BackbonePhase, *, size: int, seed: int, epoch: int) -> Iterator[Batch]:
    """One epoch in whole batches.

    Args:
        faces: to learn from.
        phase: how many in a batch, and what is drawn.
        size: side of a crop, pixels.
        seed, epoch: decide the order and, with a face's row, its augmentation.

    Raises:
        TrainingError: there are fewer faces than one batch.
    """
    rows = draw_epoch(faces, phase, seed, epoch)
    if len(rows) < phase.batch:
        raise TrainingError(f"{len(rows)} faces to learn from are fewer than one batch of {phase.batch}")
    picks = [rows[at : at + phase.batch] for at in range(0, len(rows) - phase.batch + 1, phase.batch)]
    views = 2 if phase.targets.consistency else 1

    def load(number: int) -> Batch:
        return _load(faces, picks[number], phase, size, views, np.random.default_rng([seed, epoch, number]))

    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting = deque(pool.submit(load, number) for number in range(min(_AHEAD, len(picks))))
        try:
            for number in range(len(picks)):
                ready = waiting.popleft().result()
                if number + _AHEAD < len(picks):
                    waiting.append(pool.submit(load, number + _AHEAD))
                yield ready
        finally:
            for each in waiting:
                each.cancel()


def _load(
    faces: TrainingFaces, rows: NDArray[np.intp], phase: BackbonePhase, size: int, views: int, rng: np.random.Generator
) -> Batch:
    covered = np.arange(len(rows)) < round(phase.covered * len(rows))
    images = np.empty((views, len(rows), size, size, 3), np.uint8)
    blendshapes, points = faces.blendshapes[rows].copy(), faces.points[rows].copy()
    known = np.isfinite(blendshapes).all(axis=1) & np.isfinite(points).all(axis=(1, 2))
    for place, row in enumerate(rows):
        for view in range(views):
            augmentation = draw_augmentation(rng)
            if covered[place]:
                augmentation = cover_mouth(augmentation, rng)
            images[view, place] = cut_crop(faces.loose[row], size, augmentation)
            if view == 0 and known[place]:
                blendshapes[place] = move_shapes(blendshapes[place], augmentation)
                points[place] = move_points(points[place], augmentation, MIRRORED_POINTS)
    blendshapes[~known], points[~known] = 0, 0
    return Batch(
        images=images.reshape(-1, size, size, 3),
        va=faces.va[rows],
        weight=faces.weight[rows],
        expression=faces.expression[rows],
        blendshapes=blendshapes,
        points=points.reshape(len(rows), -1),
        known=known.astype(np.float32),
        covered=covered,
    )
