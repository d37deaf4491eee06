"""What can be said of a network on faces that nobody labelled: whether it agrees with itself, and with the teacher.

Itself: its answer to a face, and to the same face mirrored, moved and scaled a little, which shows the same expression.
A network that says the same of everybody agrees perfectly, so agreement is CCC over faces, not closeness. Neither says
that an answer is right; a network may be steadily wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convert.augment.augmentation import Augmentation
from convert.metrics import TARGETS, ccc, resample
from convert.predict.compare import Difference
from edge.values import Float32Array

SAME_FACE = (
    Augmentation(flip=True),
    Augmentation(shift=(0.03, -0.03)),
    Augmentation(zoom=1.06),
    Augmentation(roll=0.07),
)


def consistency(plain: Float32Array, varied: Sequence[Float32Array]) -> tuple[float, float]:
    """CCC of the answers to varied crops with those to the plain ones, each (N, 2), averaged over variations."""
    return tuple(float(np.mean([ccc(plain[:, t], each[:, t]) for each in varied])) for t in range(2))  # type: ignore[return-value]


def compare_consistency(
    ours: tuple[Float32Array, Sequence[Float32Array]],
    other: tuple[Float32Array, Sequence[Float32Array]],
    groups: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Difference]:
    """The difference of two networks' consistency by target, with its paired bootstrap interval.

    Args:
        ours, other: answers (N, 2) to the plain crops, and to each variation of them; of the same faces.
        groups: N tracks or files, drawn whole.
        draws: resamples.
        seed: of the resampling.
    """
    alone = len(set(groups)) in (1, len(groups))
    rng = np.random.default_rng(seed)
    rows = list(resample(len(groups), None if alone else list(groups), rng, draws))

    def over(pick: NDArray[np.intp] | slice) -> NDArray[np.float64]:
        both = [consistency(plain[pick], [each[pick] for each in varied]) for plain, varied in (ours, other)]
        return np.array(both)

    whole, drawn = over(slice(None)), np.stack([over(pick) for pick in rows])
    found = {}
    for t, target in enumerate(TARGETS):
        low, high = np.percentile(drawn[:, 0, t] - drawn[:, 1, t], [2.5, 97.5])
        found[target] = Difference(
            items=len(groups),
            groups=len(groups) if alone else len(set(groups)),
            ours=float(whole[0, t]),
            other=float(whole[1, t]),
            difference=float(whole[0, t] - whole[1, t]),
            low=float(low),
            high=float(high),
        )
    return found
