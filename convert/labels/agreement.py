"""How well annotators agree, how late each is, and the estimate that weighs them by it.

ICCs are those of Shrout & Fleiss 1979 (Psychological Bulletin 86): case 2 where annotators are a sample of all that
could have rated, case 3 where they are all there will ever be; `k` that of their mean. They need rows that everybody
rated. Where too few are, as in a crowd, case 1 with unequal numbers of ratings is given instead.

The evaluator-weighted estimate (Grimm & Kroschel 2005, "Evaluation of natural emotions using self assessment manikins")
is the mean of all ratings, each weighted by how well its annotator correlates with the mean of the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from convert.metrics import TARGETS, cc, ccc

HALF_WEIGHT_ERROR = 0.15  # standard error of a label at which it weighs half in training
_PRIOR = 2.0  # ratings' worth of the spread over all rows
_LEAST_COMPLETE = 0.5  # of the rows, for a two-way ICC
_LEAST_ROWS = 3
_PASSES, _LEAST_CORRELATION, _LEAST_OVERLAP = 4, 0.2, 10  # of the search for lags; the last in steps
Float = NDArray[np.float64]


class Icc(NamedTuple):
    """Intraclass correlations of one target.

    `case` is 2 where the two-way ones could be made of `n` complete rows of `k` annotators; then `single` and `mean`
    are ICC(2,1) and ICC(2,k), `mean_fixed` ICC(3,k). Otherwise it is 1, and `single` and `mean` are ICC(1,1) and
    ICC(1,k) over `n` rows with two ratings or more, and `mean_fixed` is NaN.
    """

    case: int
    n: int
    k: float
    single: float
    mean: float
    mean_fixed: float


def measure_icc(values: Float) -> Icc:
    """The ICCs of ratings (R, A), NaN where there is none."""
    given = np.isfinite(values)
    whole = given.all(axis=1)
    two_way = whole.sum() >= max(_LEAST_ROWS, _LEAST_COMPLETE * len(values)) and values.shape[1] >= 2
    x = values[whole if two_way else given.sum(axis=1) >= 2]
    if len(x) < _LEAST_ROWS:
        return Icc(1, len(x), *[float("nan")] * 4)
    n, counts = len(x), np.isfinite(x).sum(axis=1)
    rows, grand = np.nanmean(x, axis=1), np.nanmean(x)
    between = float((counts * (rows - grand) ** 2).sum()) / (n - 1)
    within = float(np.nansum((x - rows[:, None]) ** 2))
    if not two_way:
        k = (counts.sum() - (counts**2).sum() / counts.sum()) / (n - 1)  # with unequal groups
        rest = within / max(counts.sum() - n, 1)
        return Icc(1, n, k, _ratio(between - rest, between + (k - 1) * rest), _ratio(between - rest, between), np.nan)
    k = x.shape[1]
    judges = n * float(((x.mean(axis=0) - grand) ** 2).sum())
    rest = (within - judges) / ((n - 1) * (k - 1))
    bias = (judges / (k - 1) - rest) / n
    single, mean = (_ratio(between - rest, between + share) for share in ((k - 1) * rest + k * bias, bias))
    return Icc(2, n, float(k), single, mean, _ratio(between - rest, between))


def agree_with_rest(matrix: pd.DataFrame) -> pd.DataFrame:
    """Each annotator against the mean of the others.

    Args:
        matrix: as `make_matrix` gives it.

    Returns:
        By (target, annotator): `n` rows that both rated, `ccc`, `cc`, `offset` (own − rest) and `spread`; NaN where
        fewer than three rows.
    """
    found = {}
    for target, name in matrix.columns:
        own = matrix[target, name]
        rest = matrix[target].drop(columns=name).mean(axis=1)
        both = own.notna() & rest.notna()
        x, y = rest[both].to_numpy(), own[both].to_numpy()
        scores = [np.nan] * 4
        if len(x) >= _LEAST_ROWS:
            scores = [ccc(x, y), cc(x, y), y.mean() - x.mean(), y.std()]
        found[target, name] = [len(x), *scores]
    return pd.DataFrame.from_dict(found, orient="index", columns=["n", "ccc", "cc", "offset", "spread"]).set_axis(
        matrix.columns, axis=0
    )


def estimate_labels(matrix: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The evaluator-weighted estimate of every row.

    Returns:
        The labels, by row: `valence`, `arousal` (NaN where nobody who counts rated it), `valence_error`,
        `arousal_error` (standard errors, pulled towards the spread of all rows where ratings are few), `weight` in
        training, 1 / (1 + (error / 0.15)²), and `raters`, ratings of the target with fewer. And each annotator's share
        by target; shares add up to 1.
    """
    shares = agree_with_rest(matrix)["cc"].clip(lower=0).fillna(0.0).unstack(0)[list(TARGETS)]
    shares.loc[:, shares.sum() <= 0] = 1.0  # nobody agrees, or there is only one: then all count alike
    shares /= shares.sum()
    labels = pd.DataFrame(index=matrix.index)
    for target in TARGETS:
        share = shares.loc[matrix[target].columns, target].to_numpy()
        labels[target], labels[f"{target}_error"] = _weighted(matrix[target].to_numpy(), share)
    variance = (labels[["valence_error", "arousal_error"]] ** 2).mean(axis=1)
    labels["weight"] = 1 / (1 + variance / HALF_WEIGHT_ERROR**2)
    labels["raters"] = np.minimum(*(matrix[target].notna().sum(axis=1) for target in TARGETS))
    return labels, shares


def estimate_lags(matrix: pd.DataFrame, *, step_s: float = 0.1, max_lag_s: float = 4.0) -> dict[str, float]:
    """Seconds by which each annotator comes later than the median one; negative is earlier.

    Each is shifted, within the bound, to where they correlate best with the mean of the others over all items and both
    targets; repeated, since the others move too. What all have in common is not in the traces (Mariooryad & Busso,
    IEEE TAFFC 2015, look for it in the recordings). Whom no shift makes agree with the others has lag 0.
    """
    names = list(matrix.columns.get_level_values(1).unique())
    bound = round(max_lag_s / step_s)
    lags, found = np.zeros(len(names), int), np.zeros(len(names), bool)
    lines = _join(matrix, names, step_s, 2 * bound)
    for _ in range(_PASSES if len(names) > 1 else 0):
        before = lags.copy()
        for own in range(len(names)):
            others = [_shift(lines[:, n], lags[n]) for n in range(len(names)) if n != own]
            scores = _lagged_correlation(lines[:, own], _mean(np.stack(others)), bound)
            found[own] = scores.max() >= _LEAST_CORRELATION
            lags[own] = int(scores.argmax()) - bound if found[own] else 0
        middle = int(np.median(lags[found])) if found.any() else 0
        lags = np.where(found, np.clip(lags - middle, -bound, bound), 0)
        if np.array_equal(lags, before):
            break
    return {name: float(lag * step_s) for name, lag in zip(names, lags, strict=True)}


def _join(matrix: pd.DataFrame, names: list[str], step_s: float, apart: int) -> Float:
    """All items in a row, `apart` steps of NaN between them, each trace with mean 0 and spread 1: (T, A, 2)."""
    parts = []
    for _, block in matrix.groupby(level=0, sort=False):
        step = np.rint(block.index.get_level_values(1) / step_s).astype(int)
        dense = np.full((step[-1] - step[0] + 1 + apart, len(names), len(TARGETS)), np.nan)
        for n, target in enumerate(TARGETS):
            values = block[target].reindex(columns=names)
            spread = values.std(ddof=0)
            dense[step - step[0], :, n] = (values - values.mean()) / spread.where(spread > 0)
        parts.append(dense)
    return np.concatenate(parts)


def _shift(line: Float, steps: int) -> Float:
    """A trace brought forward by some steps, NaN where nothing comes in."""
    moved = np.roll(line, -steps, axis=0)
    moved[len(moved) - steps if steps > 0 else 0 : None if steps > 0 else -steps] = np.nan
    return moved


def _mean(lines: Float) -> Float:
    count = np.isfinite(lines).sum(axis=0)
    return np.where(count > 0, np.nansum(lines, axis=0) / np.maximum(count, 1), np.nan)


def _lagged_correlation(own: Float, rest: Float, bound: int) -> Float:
    """Pearson's correlation at each lag of `own` from −bound to bound, over what both have; mean of both targets."""
    from scipy.signal import correlate

    total, weight = np.zeros(2 * bound + 1), np.zeros(2 * bound + 1)
    for target in range(own.shape[1]):
        masks = [np.isfinite(line[:, target]).astype(float) for line in (own, rest)]
        x, y = (np.nan_to_num(line[:, target]) for line in (own, rest))

        def lagged(a: Float, b: Float) -> Float:
            middle = len(a) - 1
            return np.pad(correlate(a, b), bound)[middle : middle + 2 * bound + 1]

        n = lagged(*masks)
        safe = np.maximum(n, 1)
        mean_x, mean_y = lagged(x, masks[1]) / safe, lagged(masks[0], y) / safe
        spread = (lagged(x * x, masks[1]) / safe - mean_x**2) * (lagged(masks[0], y * y) / safe - mean_y**2)
        score = (lagged(x, y) / safe - mean_x * mean_y) / np.sqrt(np.maximum(spread, 1e-12))
        n = np.where(n >= _LEAST_OVERLAP, n, 0.0)
        total, weight = total + n * score, weight + n
    # A long shift leaves little to compare, which is easily alike by chance: it must not win by that.
    enough = (weight >= weight.max() / 2) & (weight > 0)
    return np.where(enough, total / np.maximum(weight, 1), -1.0)


def _weighted(x: Float, shares: Float) -> tuple[Float, Float]:
    given = np.isfinite(x)
    weight = given * shares
    alone = (weight.sum(axis=1) <= 0) & given.any(axis=1)  # only people who weigh nothing rated it
    weight = np.where(alone[:, None], given.astype(float), weight)
    total = np.maximum(weight.sum(axis=1), 1e-12)
    known = weight.any(axis=1)
    mean = (weight * np.nan_to_num(x)).sum(axis=1) / total
    # Kish's effective number of ratings, and the unbiased weighted variance that goes with it.
    effective = np.where(known, total**2 / np.maximum((weight**2).sum(axis=1), 1e-12), 0.0)
    squares = (weight * np.where(given, (x - mean[:, None]) ** 2, 0.0)).sum(axis=1) / total
    freedom = np.where(effective > 1 + 1e-9, effective - 1, 0.0)
    variance = np.where(freedom > 0, squares * effective / np.maximum(freedom, 1e-9), 0.0)
    pooled = (freedom * variance).sum() / freedom.sum() if freedom.any() else HALF_WEIGHT_ERROR**2
    shrunk = (freedom * variance + _PRIOR * pooled) / (freedom + _PRIOR)
    error = np.sqrt(shrunk / np.maximum(effective, 1e-12))
    return np.where(known, mean, np.nan), np.where(known, error, np.nan)


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else float("nan")
