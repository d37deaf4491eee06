"""What the LSTM adds: its answers against the per-frame ones and the best exponential average, on the same embeddings.

The device's code throughout: int8 graph, `edge.affect.stream` with its held steps, cut to −1..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.metrics import TARGETS, Agreement, agreement, ccc
from convert.predict.compare import Difference, paired_bootstrap
from convert.predict.evaluation import Device
from convert.train.sequences import Sequences
from edge.values import Float32Array

_GRID = np.concatenate([np.arange(0.04, 0.2, 0.02), np.arange(0.2, 1.01, 0.05)])  # weights of the newest answer
_DRIFT_STEPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """The comparison on one set of sequences.

    Attributes:
        data: what they are.
        n: sequences.
        groups: that the intervals draw.
        weights: of the newest answer in the average, by target, as tuned.
        agreement: by answer (`frame`, `average`, `stream`), then by target.
        over_frame, over_average: the stream's CCC less the other's, by target, paired by sequence.
    """

    data: str
    n: int
    groups: int
    weights: tuple[float, float]
    agreement: dict[str, dict[str, Agreement]]
    over_frame: dict[str, Difference]
    over_average: dict[str, Difference]


class Drift(NamedTuple):
    """Answers to the same embeddings at the beginning and at the end of a long stream without a reset.

    Attributes:
        steps: how many in all.
        largest: largest difference between the first passage (when warm) and the last.
        cell: largest absolute value that a cell state took.
    """

    steps: int
    largest: float
    cell: float


def smooth(answers: Float32Array, weight: float) -> Float32Array:
    """Exponential average along axis 1 of (N, T), beginning with the first answer."""
    out = answers.copy()
    for step in range(1, answers.shape[1]):
        out[:, step] = weight * answers[:, step] + (1 - weight) * out[:, step - 1]
    return out


def tune_average(sequences: Sequences, warm: int) -> tuple[float, float]:
    """The weight that gives the average its best CCC, for each target by itself."""
    best = []
    for column in range(2):
        truth = sequences.va[:, warm:, column].ravel()
        scores = [ccc(truth, smooth(sequences.frame[..., column], w)[:, warm:].ravel()) for w in _GRID]
        best.append(float(_GRID[int(np.argmax(scores))]))
    return best[0], best[1]


def stream_answers(device: Device, sequences: Sequences) -> Float32Array:
    """The head's answers (N, T, 2) to embeddings as held, from a zero state, all sequences side by side."""
    count, steps, _ = sequences.embeddings.shape
    h = c = np.zeros((count, device.manifest.head.h.shape[-1]), np.float32)
    out = np.empty((count, steps, 2), np.float32)
    for step in range(steps):
        out[:, step], h, c = device.stream.run(sequences.embeddings[:, step], h, c)
    return np.clip(out, -1, 1)


def measure_gain(
    device: Device,
    sequences: Sequences,
    weights: tuple[float, float],
    data: str,
    *,
    only: NDArray[np.bool_] | None = None,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Gain:
    """Compares on sequences, from the first warm step on.

    Args:
        device: the bundle.
        sequences: to compare on.
        weights: of the average, tuned on others.
        data: what the sequences are.
        only: bool (N, T), steps that count; None for all that are warm.
        groups: N names of what belongs together, as sequences of one face; None: each sequence by itself.
        seed: of the bootstrap, which draws whole groups, never steps.
    """
    warm = device.manifest.warmup_steps
    average = np.stack([smooth(sequences.frame[..., t], weights[t]) for t in range(2)], axis=-1)
    answers = {"frame": sequences.frame, "average": average, "stream": stream_answers(device, sequences)}
    counts = np.ones(sequences.va.shape[:2], bool) if only is None else only.copy()
    counts[:, :warm] = False
    flat = {name: answer[counts] for name, answer in answers.items()}
    truth = sequences.va[counts]
    names = np.arange(len(counts)) if groups is None else np.unique(groups, return_inverse=True)[1]
    drawn = names[np.nonzero(counts)[0]]

    def over(other: str) -> dict[str, Difference]:
        return paired_bootstrap(truth, flat["stream"], flat[other], drawn, seed=seed)

    return Gain(
        data=data,
        n=len(sequences.va),
        groups=len(np.unique(drawn)),
        weights=weights,
        agreement={
            name: {target: agreement(truth[:, t], answer[:, t], groups=drawn) for t, target in enumerate(TARGETS)}
            for name, answer in flat.items()
        },
        over_frame=over("frame"),
        over_average=over("average"),
    )


def measure_drift(device: Device, sequences: Sequences, *, steps: int = _DRIFT_STEPS) -> Drift:
    """Plays the same passage again and again, 10,000 steps without a reset."""
    passage = sequences.embeddings.reshape(-1, sequences.embeddings.shape[-1])[: max(steps // 10, 1)]
    h = c = np.zeros((1, device.manifest.head.h.shape[-1]), np.float32)
    answers, cell = [], 0.0
    for step in range(steps):
        va, h, c = device.stream.run(passage[step % len(passage)][None], h, c)
        answers.append(va[0])
        cell = max(cell, float(np.abs(c).max()))
    whole = np.stack(answers)
    settled = len(passage) // 2  # by then the zero state of the beginning is forgotten
    first, last = whole[settled : len(passage)], whole[len(whole) - len(passage) + settled :]
    return Drift(steps, float(np.abs(first - last).max()), cell)
