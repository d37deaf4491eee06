"""Whether the answers err more, or to one side, for some groups of faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.errors import DataError
from convert.faces.finder import LabelledFace
from convert.faces.text_files import read_table
from convert.metrics import TARGETS, Agreement, agreement
from convert.predict.skin_tone import BINS, DARKEST, skin_tone, tone_bin
from edge.values import Float32Array

AGES = ("child", "teen", "young", "middle", "old")
TONES = (*(name for _, name in BINS), DARKEST)
MEASURES = ("mean error", "RMSE")
AGES_FILE = Path(__file__).with_name("sfhq_ages.csv")
FEWEST = 12  # faces of a group below which no figure is given: a bootstrap of fewer is a guess
_DRAWS = 10_000  # so that the corrected intervals of many pairs have draws beyond their ends
_TOGETHER = 1000  # draws held in memory at a time


class Estimate(NamedTuple):
    """A figure with the bounds of its 95% bootstrap interval over portraits."""

    value: float
    low: float
    high: float


class GroupResult(NamedTuple):
    """One group's figures by target; empty where the group is too small.

    Attributes:
        group: its name.
        n: faces.
        agreement: by target.
        estimates: by measure (`MEASURES`), then by target; the mean error is answer less reference.
        draws: the same figures of bootstrap resamples of its portraits, float64 (draws,).
    """

    group: str
    n: int
    agreement: dict[str, Agreement]
    estimates: dict[str, dict[str, Estimate]]
    draws: dict[str, dict[str, NDArray[np.float64]]]


def slice_groups(
    answers: Float32Array, reference: Float32Array, groups: Sequence[str], order: Sequence[str], *, seed: int = 0
) -> list[GroupResult]:
    """Figures for each group that has a face, in the order given.

    Args:
        answers, reference: float32 (N, 2), columns by `TARGETS`.
        groups: N names; those not in `order` are left out.
        order: of the names.
        seed: of the bootstrap.
    """
    names = np.array(groups)
    results = []
    for number, group in enumerate(order):
        rows = np.flatnonzero(names == group)
        if not rows.size:
            continue
        if rows.size < FEWEST:
            results.append(GroupResult(group, int(rows.size), {}, {}, {}))
            continue
        estimates: dict[str, dict[str, Estimate]] = {measure: {} for measure in MEASURES}
        draws: dict[str, dict[str, NDArray[np.float64]]] = {measure: {} for measure in MEASURES}
        for column, target in enumerate(TARGETS):
            errors = (answers[rows, column] - reference[rows, column]).astype(np.float64)
            figures = (errors.mean(), np.sqrt((errors**2).mean()))
            spreads = _resample(errors, np.random.default_rng([seed, number, column]))
            for measure, figure, spread in zip(MEASURES, figures, spreads, strict=True):
                low, high = np.percentile(spread, [2.5, 97.5])
                estimates[measure][target] = Estimate(float(figure), float(low), float(high))
                draws[measure][target] = spread
        agreed = {t: agreement(reference[rows, c], answers[rows, c]) for c, t in enumerate(TARGETS)}
        results.append(GroupResult(group, int(rows.size), agreed, estimates, draws))
    return results


def _resample(errors: NDArray[np.float64], rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Mean and root mean square of resamples of errors (N,): two of float64 (draws,)."""
    means, squares = [], []
    for _ in range(_DRAWS // _TOGETHER):
        drawn = errors[rng.integers(0, errors.size, (_TOGETHER, errors.size))]
        means.append(drawn.mean(axis=1))
        squares.append(np.sqrt((drawn**2).mean(axis=1)))
    return [np.concatenate(means), np.concatenate(squares)]


def read_ages(path: Path = AGES_FILE) -> dict[str, str]:
    """Apparent age group by file name; `unclear` ones left out.

    Raises:
        DataError: the file is missing or names an unknown group.
    """
    rows = [(row["image"], row.get("age_group", "")) for _, row in read_table(path, ("image", "age_group")).iterrows()]
    for image, group in rows:
        if group not in (*AGES, "unclear"):
            raise DataError(f"{path}: {image} has the unknown group {group!r}")
    return {image: group for image, group in rows if group != "unclear"}


def tones_of(faces: Sequence[LabelledFace]) -> list[str]:
    """The bin of each face's skin tone in its picture; `unknown` where the picture has no colour of skin."""
    return [tone_bin(skin_tone(face.pixels, face.landmarks_px)) for face in faces]


def to_markdown(results: Sequence[GroupResult]) -> str:
    """A table, a row a group and target."""
    lines = ["| group | n | target | RMSE [95%] | mean error [95%] | CCC [95%] |", "|---|---|---|---|---|---|"]
    for result in results:
        if not result.agreement:
            lines.append(f"| {result.group} | {result.n} | – | too few | | |")
        for target, found in result.agreement.items():
            bias, rmse = (result.estimates[measure][target] for measure in MEASURES)
            lines.append(
                f"| {result.group} | {result.n} | {target} | {rmse.value:.3f} [{rmse.low:.3f}, {rmse.high:.3f}] "
                f"| {bias.value:+.3f} [{bias.low:+.3f}, {bias.high:+.3f}] "
                f"| {found.ccc:.2f} [{found.ccc_low:.2f}, {found.ccc_high:.2f}] |"
            )
    return "\n".join(lines)
