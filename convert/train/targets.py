"""What the backbone learns besides valence and arousal: blendshapes and places of points, moved with the augmentation.

Points are in units of the crop's side, (0, 0) its centre, x to the right and y down: those of the landmarker's mesh
around eyes, brows, lips, chin, nose, cheeks and irises. Dense landmarks learned from generated faces carry over to
photographs (Wood et al. 2021, "Fake It Till You Make It", ICCV, arXiv 2109.15102).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convert.augment.augmentation import Augmentation
from convert.teacher.landmarker import BLENDSHAPES
from edge.values import Float32Array

LEAST_SPREAD = 0.03  # of a blendshape: one that hardly moves in the training faces is not blown up
LANDMARK_SCALE = 30.0  # Huber's parabola ends at 1/30 of the crop's side

# The gaze says little about affect here, and `_neutral` nothing.
AUXILIARY = tuple(n for n, name in enumerate(BLENDSHAPES) if name != "_neutral" and not name.startswith("eyeLook"))
AUXILIARY_NAMES = tuple(BLENDSHAPES[n] for n in AUXILIARY)
_SWAPPED = {"Left": "Right", "Right": "Left"}
MIRRORED_SHAPES = np.array(
    [
        next(
            (
                AUXILIARY_NAMES.index(name.replace(side, other))
                for side, other in _SWAPPED.items()
                if name.endswith(side)
            ),
            number,
        )
        for number, name in enumerate(AUXILIARY_NAMES)
    ]
)

# Numbers of the canonical face mesh: pairs (the person's right, left), then those in the middle.
# fmt: off
_PAIRS = (
    (33, 263), (160, 387), (159, 386), (158, 385), (133, 362), (153, 380), (145, 374), (144, 373),  # lids
    (70, 300), (63, 293), (105, 334), (66, 296), (107, 336), (55, 285), (65, 295), (52, 282), (53, 283), (46, 276),
    (61, 291), (40, 270), (37, 267), (91, 321), (84, 314), (78, 308), (81, 311), (178, 402),  # lips
    (148, 377), (176, 400), (98, 327), (50, 280), (205, 425), (468, 473),  # chin, nose, cheeks, irises
)
_MIDDLE = (0, 17, 13, 14, 152, 1, 4, 2)  # lips, chin, nose
# fmt: on
POINTS = np.array([*(one for one, _ in _PAIRS), *(other for _, other in _PAIRS), *_MIDDLE])
_COUNT = len(_PAIRS)
MIRRORED_POINTS = np.array([*range(_COUNT, 2 * _COUNT), *range(_COUNT), *range(2 * _COUNT, len(POINTS))])


def move_shapes(shapes: Float32Array, augmentation: Augmentation) -> Float32Array:
    """Blendshapes (K,) of `AUXILIARY` as the augmented picture shows them: mirrored where it is."""
    return shapes[MIRRORED_SHAPES] if augmentation.flip else shapes


def spread_of(blendshapes: Float32Array) -> Float32Array:
    """Standard deviation of each blendshape (N, K) over the rows that are known, at least `LEAST_SPREAD`."""
    known = blendshapes[np.isfinite(blendshapes).all(axis=1)]
    if not len(known):
        return np.ones(blendshapes.shape[1], np.float32)
    return np.maximum(known.std(axis=0), LEAST_SPREAD).astype(np.float32)


def rarity(blendshapes: Float32Array, spread: Float32Array) -> NDArray[np.float64]:
    """How often each row (N, K) should be drawn, relative to the others, so that rare expressions are seen as well.

    Each row counts by the rarest of its blendshapes: one over the share of rows in which that one is as strong. Rows
    that are not known count as the median.
    """
    known = np.isfinite(blendshapes).all(axis=1)
    weight = np.ones(len(blendshapes))
    if known.any():
        strong = np.abs(blendshapes[known] - np.median(blendshapes[known], axis=0)) > spread
        weight[known] = np.max(strong / np.maximum(strong.mean(axis=0), 0.01), axis=1, initial=1.0)
        weight[~known] = np.median(weight[known])
    return weight / weight.sum()
