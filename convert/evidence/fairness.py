"""Whether the answers err more, or to one side, for some groups of faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convert.datasets.faces import LabelledFace
from convert.datasets.text_files import read_table
from convert.errors import DataError
from convert.evidence.skin_tone import BINS, DARKEST, skin_tone, tone_bin
from convert.metrics import TARGETS, Agreement, agreement, resample
from edge.types import Float32Array

AGES = ("child", "teen", "young", "middle", "old")
TONES = (*(name for _, name in BINS), DARKEST)
AGES_FILE = Path(__file__).with_name("sfhq_ages.csv")
FEWEST = 10  # faces of a group below which no figure is given


class Bias(NamedTuple):
    """Mean of answer less reference, with the bounds of its 95% bootstrap interval."""

    mean: float
    low: float
    high: float


class GroupResult(NamedTuple):
    """One group's figures by target; empty where the group is too small.

    Attributes:
        group: its name.
        n: faces.
        agreement, bias: by target.
    """

    group: str
    n: int
    agreement: dict[str, Agreement]
    bias: dict[str, Bias]


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
    for group in order:
        rows = np.flatnonzero(names == group)
        if not rows.size:
            continue
        enough = rows.size >= FEWEST
        results.append(
            GroupResult(
                group,
                int(rows.size),
                {t: agreement(reference[rows, c], answers[rows, c]) for c, t in enumerate(TARGETS)} if enough else {},
                {t: _bias(answers[rows, c] - reference[rows, c], seed) for c, t in enumerate(TARGETS)}
                if enough
                else {},
            )
        )
    return results


def read_ages(path: Path = AGES_FILE) -> dict[str, str]:
    """Apparent age group by file name; `unclear` ones left out.

    Raises:
        DataError: the file is missing or names an unknown group.
    """
    rows = [(row["image"], row.get("age_group", "")) for _, row in read_table(path, ("image", "age_group"))]
    for image, group in rows:
        if group not in (*AGES, "unclear"):
            raise DataError(f"{path}: {image} has the unknown group {group!r}")
    return {image: group for image, group in rows if group != "unclear"}


def tones_of(faces: Sequence[LabelledFace]) -> list[str]:
    """The bin of each face's skin tone in its picture."""
    return [tone_bin(skin_tone(face.pixels, face.landmarks_px)) for face in faces]


def to_markdown(title: str, results: Sequence[GroupResult]) -> str:
    """A table with a heading line that says what the groups and the reference are."""
    lines = [
        title,
        "",
        "| group | n | target | RMSE | mean error [95%] | CCC [95%] |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        if not result.agreement:
            lines.append(f"| {result.group} | {result.n} | – | too few | | |")
        for target, found in result.agreement.items():
            bias = result.bias[target]
            lines.append(
                f"| {result.group} | {result.n} | {target} | {found.rmse:.3f} "
                f"| {bias.mean:+.3f} [{bias.low:+.3f}, {bias.high:+.3f}] "
                f"| {found.ccc:.2f} [{found.ccc_low:.2f}, {found.ccc_high:.2f}] |"
            )
    return "\n".join([*lines, "", _gap(results)])


def _gap(results: Sequence[GroupResult]) -> str:
    told = []
    for target in TARGETS:
        known = {result.group: result.bias[target] for result in results if target in result.bias}
        if len(known) < 2:
            continue
        low, high = min(known, key=lambda g: known[g].mean), max(known, key=lambda g: known[g].mean)
        apart = known[low].high < known[high].low
        told.append(
            f"{target} {known[high].mean - known[low].mean:.3f} between {low} and {high} "
            f"(their intervals {'do not overlap' if apart else 'overlap'})"
        )
    return f"Largest gap in mean error: {'; '.join(told)}." if told else ""


def _bias(errors: Float32Array, seed: int) -> Bias:
    means = [errors[pick].mean() for pick in resample(errors.size, None, np.random.default_rng(seed), 1000)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Bias(float(errors.mean()), float(low), float(high))
