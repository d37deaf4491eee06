"""From ratings to labels: align, leave out who did not do the task, estimate; and the label file.

A **gold** item has an answer that experts gave; who is off on too many of them is left out. An **attention check** says
what to answer. Neither becomes a label. Besides, whoever rates always the same, the other way round, or without any
relation to the rest is left out, the worst one first, since the rest is judged anew without them. With two annotators
nobody can say who is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from convert.errors import DataError
from convert.labels.agreement import agree_with_rest, estimate_labels, estimate_lags, measure_icc
from convert.labels.ratings import make_matrix
from convert.metrics import TARGETS

GOLD_TOLERANCE, GOLD_SHARE = 0.35, 0.7
CHECK_TOLERANCE, CHECK_SHARE = 0.2, 0.8
LEAST_ANSWERED = 3  # gold items or checks, before anybody is judged by them
LEAST_CORRELATION, TURNED_ROUND, CONSTANT, OFFSET = 0.2, -0.5, 0.02, 0.35
LEAST_SHARED = 5  # rows with others, before anybody is judged by them


class Verdict(NamedTuple):
    """What is odd about an annotator, and whether they were left out for it."""

    annotator: str
    reason: str
    left_out: bool = False


class Merged(NamedTuple):
    """Labels, and how they came about.

    Attributes:
        traces: whether items were rated over time.
        matrix: the ratings, aligned, without who was left out and without known items.
        labels, shares: as `estimate_labels` gives them.
        lags_s: by annotator, all of them, against the median one.
        verdicts: what was odd, and who was left out for it.
        rest: each annotator against the mean of the others; of those left out, before anybody was.
        icc: of the remaining ones, by target.
    """

    traces: bool
    matrix: pd.DataFrame
    labels: pd.DataFrame
    shares: pd.DataFrame
    lags_s: dict[str, float]
    verdicts: list[Verdict]
    rest: pd.DataFrame
    icc: dict[str, dict[str, float]]


def merge_ratings(
    ratings: pd.DataFrame,
    *,
    step_s: float = 0.1,
    max_lag_s: float = 4.0,
    common_lag_s: float = 0.0,
    gold: pd.DataFrame | None = None,
    checks: pd.DataFrame | None = None,
    keep_outliers: bool = False,
) -> Merged:
    """Merges what `read_ratings` gave.

    Args:
        ratings: of all annotators.
        step_s: of the grid for traces.
        max_lag_s: bound of the search for lags; 0 shifts nobody.
        common_lag_s: taken from everybody's traces besides: the delay that all share and no comparison shows.
        gold, checks: items with known answers, as `read_known` gives them.
        keep_outliers: name those who do not fit the rest, but keep them.

    Raises:
        DataError: known answers come with traces, or fewer than two annotators are left.
    """
    matrix, traces = make_matrix(ratings, step_s=step_s), bool(ratings["time_s"].notna().any())
    known = ((checks, CHECK_SHARE, "attention check"), (gold, GOLD_SHARE, "gold item"))
    asked = [(table, share, what) for table, share, what in known if table is not None]
    if traces and asked:
        raise DataError("gold items and attention checks are for items rated as a whole, not for traces")
    verdicts = [verdict for each in asked for verdict in screen_known(matrix, *each)]
    lags = dict.fromkeys(sorted(ratings["annotator"].unique()), 0.0)
    if traces and max_lag_s > 0:
        lags |= estimate_lags(without(matrix, left_out(verdicts)), step_s=step_s, max_lag_s=max_lag_s)
    shifts = {name: lag + common_lag_s for name, lag in lags.items()}
    if any(shifts.values()):
        matrix = _trim(make_matrix(ratings, step_s=step_s, lags_s=shifts), matrix, shifts.values(), step_s)
    matrix = matrix.drop(index=[item for table, *_ in asked for item in table.index], level=0, errors="ignore")
    everybody = agree_with_rest(matrix)
    if len(lags) > 1:
        apart = everybody["n"].groupby(level=1).sum()
        reason = "rated nothing that anybody else did: see how their file writes the items' names; kept"
        verdicts += [Verdict(str(name), reason) for name in apart.index[apart == 0]]
    odd = screen_outliers(without(matrix, left_out(verdicts)))
    verdicts += [each._replace(left_out=each.left_out and not keep_outliers) for each in odd]
    late = [name for name, lag in lags.items() if traces and abs(lag) >= max_lag_s - step_s / 2 > 0]
    verdicts += [Verdict(name, "lag at the bound of the search; kept") for name in late]
    gone = left_out(verdicts)
    matrix = without(matrix, gone)
    if len(lags) - len(gone) < 2:
        why = "; ".join(f"{name}: {reason}" for name, reason in gone.items()) or "nobody else rated"
        raise DataError(f"{len(lags) - len(gone)} annotators are left of {len(lags)}, two are needed ({why})")
    labels, shares = estimate_labels(matrix)
    rest = agree_with_rest(matrix).reindex(everybody.index).fillna(everybody)
    icc = {target: measure_icc(matrix[target].to_numpy()) for target in TARGETS}
    return Merged(traces, matrix, labels, shares, lags, verdicts, rest, icc)


def screen_known(matrix: pd.DataFrame, known: pd.DataFrame, share: float, what: str) -> list[Verdict]:
    """Leaves out who answered fewer than `share` of the known items within their tolerance.

    Raises:
        DataError: nobody rated any of them.
    """
    items = matrix.droplevel(1)
    asked = known[known.index.isin(items.index)]
    if asked.empty:
        raise DataError(f"none of the {len(known)} {what}s, such as {known.index[0]!r}, was rated by anybody")
    verdicts = []
    for name in matrix.columns.get_level_values(1).unique():
        said = items.loc[asked.index].xs(name, axis=1, level=1)[list(TARGETS)]
        off = (said - asked[list(TARGETS)]).abs().max(axis=1)
        answered, right = int(off.notna().sum()), int((off <= asked["tolerance"] + 1e-9).sum())
        if 0 < answered < LEAST_ANSWERED:
            verdicts.append(Verdict(name, f"answered only {answered} {what}s: not judged by them"))
        elif right < share * answered:
            verdicts.append(Verdict(name, f"{right} of {answered} {what}s right, {share:.0%} needed", left_out=True))
    return verdicts


def screen_outliers(matrix: pd.DataFrame) -> list[Verdict]:
    """Names who does not fit the rest, the worst first; and who is far off the others' level, who stays."""
    verdicts = []
    rest = agree_with_rest(matrix)
    while matrix.columns.get_level_values(1).nunique() > 2:
        reasons = {str(name): reason for name, own in rest.groupby(level=1) if (reason := _oddity(own.droplevel(1)))}
        if not reasons:
            break
        worst = min(reasons, key=lambda name: rest.xs(name, level=1)["cc"].fillna(0.0).min())
        verdicts.append(Verdict(worst, reasons[worst], left_out=True))
        matrix = without(matrix, [worst])
        rest = agree_with_rest(matrix)
    off = rest["offset"][rest["offset"].abs() > OFFSET]
    return verdicts + [Verdict(who, f"rates {what} {by:+.2f} off the others; kept") for (what, who), by in off.items()]


def left_out(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Who was left out, with the first reason."""
    return {each.annotator: each.reason for each in reversed(verdicts) if each.left_out}


def without(matrix: pd.DataFrame, annotators: Collection[str]) -> pd.DataFrame:
    """The ratings without some annotators, and without rows that then have none."""
    return matrix.drop(columns=list(annotators), level=1).dropna(how="all")


def write_labels(merged: Merged, path: Path) -> int:
    """Writes a label file that `fit` and `evaluate` read; rows without both targets are left out.

    Returns:
        How many rows were written.

    Raises:
        DataError: no row has both targets, or the file cannot be written.
    """
    labels = merged.labels.dropna(subset=list(TARGETS)).reset_index()
    if labels.empty:
        raise DataError("no item was rated in both valence and arousal")
    named = {"item": "video", "time_s": "time_s"} if merged.traces else {"item": "image"}
    columns = [*named.values(), *TARGETS, "weight", "valence_error", "arousal_error", "raters"]
    labels["time_s"] = labels["time_s"].map("{:.3f}".format)
    try:
        labels.rename(columns=named)[columns].to_csv(path, index=False, float_format="%.4f")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error
    return len(labels)


def _oddity(own: pd.DataFrame) -> str:
    judged = own[own["n"] >= LEAST_SHARED]
    turned = judged["cc"][judged["cc"] < TURNED_ROUND]
    if judged.empty:
        return ""
    if (judged["spread"] < CONSTANT).all():
        return "always the same answer"
    if len(turned):
        return f"the other way round (correlation with the others: {_told(turned)})"
    if judged["cc"].max() < LEAST_CORRELATION:
        return f"unrelated to the others (correlation: {_told(judged['cc'])})"
    return ""


def _told(values: pd.Series) -> str:
    return ", ".join(f"{target} {values[target]:+.2f}" for target in TARGETS if target in values)


def _trim(aligned: pd.DataFrame, raw: pd.DataFrame, shifts: Collection[float], step_s: float) -> pd.DataFrame:
    """Leaves out both ends of a clip that some annotator's shift laid bare: there the estimate would jump."""
    begin_s, cut_s = max(0.0, -min(shifts)), max(0.0, *shifts)
    last = raw.index.to_frame()["time_s"].groupby(level=0).max()
    items, times = (aligned.index.get_level_values(n) for n in range(2))
    return aligned[(times > begin_s - step_s / 2) & (times < last[items].to_numpy() - cut_s + step_s / 2)]
