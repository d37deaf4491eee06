"""Labels in which the network's own first answers have a say, for faces that no rater saw.

The teacher knows blendshapes and head pose, the network all pixels; both err, and not alike. Half of each agrees with
raters better than either alone does, so a training goes on from the mean of both. Self-distillation after Furlanello et
al. 2018, "Born-Again Neural Networks" (ICML, arXiv 1805.04770), and Xie et al. 2020, "Self-training with Noisy Student"
(CVPR, arXiv 1911.04252): the answer is to a clean face, the learning under every nuisance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from convert.training.examples import Example
from convert.training.nuisance import Nuisance, render
from edge.types import Float32Array, UInt8Array

_AT_ONCE = 64


def share_labels(
    examples: Sequence[Example], answer: Callable[[UInt8Array], Float32Array], share: float, size: int
) -> list[Example]:
    """The same faces; of those that no rater saw, `share` of the label is the network's answer, cut to −1..1.

    Args:
        examples: to learn from.
        answer: crops uint8 (N, S, S, 3), RGB, to estimates float32 (N, 2); asked for each face and its mirror image.
        share: 0..1.
        size: S.
    """
    shared = list(examples)
    unrated = [row for row, example in enumerate(examples) if not example.rated]
    for at in range(0, len(unrated), _AT_ONCE):
        rows = unrated[at : at + _AT_ONCE]
        crops = np.stack([render(shared[row].pixels, shared[row].square, Nuisance(), size) for row in rows])
        own = (answer(crops) + answer(np.ascontiguousarray(crops[:, :, ::-1]))) / 2
        for row, va in zip(rows, np.clip(own, -1, 1), strict=True):
            label = (1 - share) * shared[row].va + share * va
            shared[row] = replace(shared[row], va=label.astype(np.float32))
    return shared
