"""Labels in which the network's own first answers have a say, for faces that no rater saw.

The teacher knows blendshapes and head pose, the network all pixels; both err, and not alike. Half of each agrees with
raters better than either alone does, so a training goes on from the mean of both. Self-distillation after Furlanello et
al. 2018, "Born-Again Neural Networks" (ICML, arXiv 1805.04770), and Xie et al. 2020, "Self-training with Noisy Student"
(CVPR, arXiv 1911.04252): the answer is to a clean face, the learning under every augmentation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from convert.augment.augmentation import Augmentation, render
from convert.train.examples import Example
from edge.values import Float32Array, UInt8Array

_AT_ONCE = 64
# What is asked: small errors of the crop average out.
LOOKS = (Augmentation(roll=-0.05, shift=(-0.02, 0.02)), Augmentation(roll=0.05, shift=(0.02, -0.02)))


def share_labels(
    examples: Sequence[Example], answer: Callable[[UInt8Array], Float32Array], share: float, size: int
) -> list[Example]:
    """The same faces; of those that no rater saw, `share` of the label is the network's answer, cut to −1..1.

    Args:
        examples: to learn from.
        answer: crops uint8 (N, S, S, 3), RGB, to estimates float32 (N, 2); asked for each face and its mirror image,
            turned and moved a little to either side.
        share: 0..1.
        size: S.
    """
    shared = list(examples)
    unrated = [row for row, example in enumerate(examples) if not example.rated]
    for at in range(0, len(unrated), _AT_ONCE):
        rows = unrated[at : at + _AT_ONCE]
        own = np.mean([_answer(answer, [shared[row] for row in rows], look, size) for look in LOOKS], axis=0)
        for row, va in zip(rows, np.clip(own, -1, 1), strict=True):
            label = (1 - share) * shared[row].va + share * va
            shared[row] = replace(shared[row], va=label.astype(np.float32))
    return shared


def _answer(
    answer: Callable[[UInt8Array], Float32Array], faces: Sequence[Example], look: Augmentation, size: int
) -> Float32Array:
    crops = np.stack([render(face.pixels, face.square, look, size) for face in faces])
    mirrored = np.ascontiguousarray(crops[:, :, ::-1])
    return np.asarray((answer(crops) + answer(mirrored)) / 2, np.float32)
