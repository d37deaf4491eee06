"""From ratings to labels: align, screen, judge, estimate; and the label file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.errors import DataError
from convert.labels.agreement import Icc, WithRest, agree_with_rest, measure_icc
from convert.labels.estimate import Estimate, estimate_labels
from convert.labels.lags import MAX_LAG_S, at_bound, estimate_lags
from convert.labels.matrix import RatingMatrix, make_matrix
from convert.labels.ratings import Rating
from convert.labels.screening import (
    CHECK_SHARE,
    GOLD_SHARE,
    KnownItem,
    Verdict,
    left_out,
    screen_known,
    screen_outliers,
)
from convert.metrics import TARGETS


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRule:
    """How ratings become labels.

    Attributes:
        step_s: of the grid for traces.
        max_lag_s: bound of the search for lags; 0 shifts nobody.
        common_lag_s: taken from everybody's traces besides: the delay that all share and no comparison shows.
        gold, checks: items with known answers.
        keep_outliers: name those who do not fit the rest, but keep them.
    """

    step_s: float = 0.1
    max_lag_s: float = MAX_LAG_S
    common_lag_s: float = 0.0
    gold: Sequence[KnownItem] = ()
    checks: Sequence[KnownItem] = ()
    keep_outliers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Merged:
    """Labels, and how they came about.

    Attributes:
        raw: everybody's ratings as they were given.
        matrix: aligned, without who was left out and without items of known answer.
        estimate: a label for each of its rows.
        lags_s: by annotator, against the median one.
        verdicts: what was odd, and who was left out for it.
        rest: each remaining annotator against the mean of the others.
        everybody: the same before anybody was left out, aligned.
        icc: of the remaining ones, by target.
    """

    raw: RatingMatrix
    matrix: RatingMatrix
    estimate: Estimate
    lags_s: dict[str, float]
    verdicts: list[Verdict]
    rest: dict[str, tuple[WithRest, WithRest]]
    everybody: dict[str, tuple[WithRest, WithRest]]
    icc: dict[str, Icc]


def merge_ratings(ratings: Sequence[Rating], rule: MergeRule) -> Merged:
    """Merges.

    Raises:
        DataError: known answers come with traces, or fewer than two annotators are left.
    """
    raw = make_matrix(ratings, step_s=rule.step_s)
    if raw.times_s is not None and (rule.gold or rule.checks):
        raise DataError("gold items and attention checks are for items rated as a whole, not for traces")
    verdicts: list[Verdict] = []
    for known, share, what in ((rule.checks, CHECK_SHARE, "attention check"), (rule.gold, GOLD_SHARE, "gold item")):
        if known:
            verdicts += screen_known(raw, known, share=share, what=what)
    trusted = raw.without(left_out(verdicts))
    lags = dict.fromkeys(raw.annotators, 0.0)
    if rule.max_lag_s > 0:
        lags |= estimate_lags(trusted, max_lag_s=rule.max_lag_s)
    aligned = make_matrix(
        ratings, step_s=rule.step_s, lags_s={name: lag + rule.common_lag_s for name, lag in lags.items()}
    )
    aligned = _trim(aligned, raw, lags, rule.common_lag_s)
    aligned = aligned.without_items(each.item for each in (*rule.gold, *rule.checks))
    everybody = agree_with_rest(aligned)
    aligned = aligned.without(left_out(verdicts))
    late = at_bound(lags, rule.max_lag_s, rule.step_s) if rule.max_lag_s > 0 else []
    odd = screen_outliers(aligned, late=late)
    if rule.keep_outliers:
        odd = [Verdict(each.annotator, each.reason, left_out=False) for each in odd]
    verdicts += odd
    matrix = aligned.without(left_out(verdicts))
    if len(matrix.annotators) < 2:
        gone = "; ".join(f"{name}: {reason}" for name, reason in left_out(verdicts).items()) or "nobody else rated"
        raise DataError(
            f"{len(matrix.annotators)} annotators are left of {len(raw.annotators)}, two are needed ({gone})"
        )
    return Merged(
        raw=raw,
        matrix=matrix,
        estimate=estimate_labels(matrix),
        lags_s=lags,
        verdicts=verdicts,
        rest=agree_with_rest(matrix),
        everybody=everybody,
        icc={target: measure_icc(matrix.values[:, :, n]) for n, target in enumerate(TARGETS)},
    )


def _trim(aligned: RatingMatrix, raw: RatingMatrix, lags_s: dict[str, float], common_s: float) -> RatingMatrix:
    """Leaves out both ends of a clip that some annotator's shift laid bare: there the estimate would jump."""
    if aligned.times_s is None or raw.times_s is None:
        return aligned
    shifts = [lag + common_s for lag in lags_s.values()]
    begin_s, cut_s = max(0.0, -min(shifts)), max(0.0, *shifts)
    last_s = {item: float(raw.times_s[rows][-1]) for item, rows in raw.blocks()}
    half = aligned.step_s / 2
    return aligned.select(
        np.array(
            [
                begin_s - half < time_s < last_s[item] - cut_s + half
                for item, time_s in zip(aligned.items, aligned.times_s, strict=True)
            ]
        )
    )


def write_labels(merged: Merged, path: Path) -> int:
    """Writes a label file that `train` and `evaluate` read; rows without both targets are left out.

    Returns:
        How many rows were written.

    Raises:
        DataError: no row has both targets, or the file cannot be written.
    """
    matrix, estimate = merged.matrix, merged.estimate
    rows = np.flatnonzero(np.isfinite(estimate.values).all(axis=1))
    if not rows.size:
        raise DataError("no item was rated in both valence and arousal")
    place = ["image"] if matrix.times_s is None else ["video", "time_s"]
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*place, *TARGETS, "weight", "valence_error", "arousal_error", "raters"])
            for row in rows:
                where = [matrix.items[row]] + ([] if matrix.times_s is None else [f"{matrix.times_s[row]:.3f}"])
                numbers = [*estimate.values[row], estimate.weight[row], *estimate.error[row]]
                writer.writerow([*where, *(f"{number:.4f}" for number in numbers), int(estimate.raters[row])])
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error
    return int(rows.size)
