"""How well annotators agree, how late each is, and the estimate that weighs them by it.

The evaluator-weighted estimate (Grimm & Kroschel 2005, "Evaluation of natural emotions using self assessment manikins")
is the mean of all ratings, each weighted by how well its annotator correlates with the mean of the others. Ratings come
as `make_matrix` lays them out: a row an item and moment, a column a target and annotator.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from convert.metrics import TARGETS, cc, ccc

HALF_WEIGHT_ERROR = 0.15  # standard error of a label at which it weighs half in training
_PRIOR = 2.0  # ratings' worth of the spread over all rows
_LEAST_ROWS = 3
_PASSES, _LEAST_CORRELATION, _LEAST_OVERLAP = 4, 0.2, 10  # of the search for lags; the last in steps
Float = NDArray[np.float64]


def measure_icc(values: Float) -> dict[str, float]:
    """The intraclass correlations of Shrout & Fleiss 1979 (Psychological Bulletin 86) of ratings (R, A), NaN for none.

    ICC(2,1), ICC(2,k) and ICC(3,k) where at least half of the rows were rated by everybody; otherwise, as in a crowd,
    ICC(1,1) and ICC(1,k) with unequal numbers of ratings. `rows` and `ratings` say of how many rows and ratings each.
    """
    given = np.isfinite(values)
    whole = given.all(axis=1)
    two_way = whole.sum() >= max(_LEAST_ROWS, len(values) / 2) and values.shape[1] >= 2
    x = values[whole if two_way else given.sum(axis=1) >= 2]
    n, counts = len(x), np.isfinite(x).sum(axis=1)
    if n < _LEAST_ROWS:
        return {"ICC(1,1)": np.nan, "ICC(1,k)": np.nan, "rows": n, "ratings": np.nan}
    rows, grand = np.nanmean(x, axis=1), np.nanmean(x)
    between = (counts * (rows - grand) ** 2).sum() / (n - 1)
    within = np.nansum((x - rows[:, None]) ** 2)
    k = (counts.sum() - (counts**2).sum() / counts.sum()) / (
        n - 1
    )  # the number of ratings, where all rows have as many
    if not two_way:
        rest = within / max(counts.sum() - n, 1)
        above = between - rest
        return {
            "ICC(1,1)": _ratio(above, above + k * rest),
            "ICC(1,k)": _ratio(above, between),
            "rows": n,
            "ratings": k,
        }
    judges = n * ((x.mean(axis=0) - grand) ** 2).sum()
    rest = (within - judges) / ((n - 1) * (k - 1))
    bias, above = (judges / (k - 1) - rest) / n, between - rest
    single, mean = _ratio(above, above + k * (rest + bias)), _ratio(above, between + bias)
    return {"ICC(2,1)": single, "ICC(2,k)": mean, "ICC(3,k)": _ratio(above, between), "rows": n, "ratings": k}


def agree_with_rest(matrix: pd.DataFrame) -> pd.DataFrame:
    """Each annotator against the mean of the others.

    Returns:
        By (target, annotator): `n` rows that both rated, `ccc`, `cc`, `offset` (own − rest) and `spread`; NaN where
        fewer than three rows.
    """
    found = []
    for target, name in matrix.columns:
        own = matrix[target, name]
        rest = matrix[target].drop(columns=name).mean(axis=1)
        both = own.notna() & rest.notna()
        x, y = rest[both].to_numpy(), own[both].to_numpy()
        scores = [ccc(x, y), cc(x, y), y.mean() - x.mean(), y.std()] if len(x) >= _LEAST_ROWS else [np.nan] * 4
        found.append([len(x), *scores])
    return pd.DataFrame(found, matrix.columns, ["n", "ccc", "cc", "offset", "spread"])


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
    parts = []
    for _, block in matrix.droplevel(0).groupby(matrix.index.get_level_values(0), sort=False):
        steps = np.rint(block.index / step_s).astype(int)
        alike = ((block - block.mean()) / block.std(ddof=0).replace(0.0, np.nan)).set_axis(steps)
        dense = alike.reindex(range(steps[0], steps[-1] + 1 + 2 * bound))  # nothing of an item reaches into the next
        parts.append(np.stack([dense[target].reindex(columns=names) for target in TARGETS], axis=2))
    lines = np.concatenate(parts).transpose(1, 0, 2)  # annotator, step, target
    lags, found = np.zeros(len(names), int), np.zeros(len(names), bool)
    for _ in range(_PASSES if len(names) > 1 else 0):
        before = lags.copy()
        for own in range(len(names)):
            others = [np.roll(lines[n], -lags[n], axis=0) for n in range(len(names)) if n != own]
            scores = _lagged_correlation(lines[own], np.nan_to_num(others), np.isfinite(others), bound)
            found[own] = scores.max() >= _LEAST_CORRELATION
            lags[own] = int(scores.argmax()) - bound if found[own] else 0
        middle = int(np.median(lags[found])) if found.any() else 0
        lags = np.where(found, np.clip(lags - middle, -bound, bound), 0)
        if np.array_equal(lags, before):
            break
    return {name: float(lag * step_s) for name, lag in zip(names, lags, strict=True)}


def _lagged_correlation(own: Float, others: Float, given: NDArray[np.bool_], bound: int) -> Float:
    """Pearson's correlation of `own` (T, 2) with the mean of the others at each lag from −bound to bound."""
    from scipy.signal import correlate

    count = given.sum(axis=0)
    rest = others.sum(axis=0) / np.maximum(count, 1)
    total, weight = np.zeros(2 * bound + 1), np.zeros(2 * bound + 1)
    for target in range(len(TARGETS)):
        x, y = np.nan_to_num(own[:, target]), rest[:, target]
        in_x, in_y = (np.array(mask, float) for mask in (np.isfinite(own[:, target]), count[:, target] > 0))

        def lagged(a: Float, b: Float) -> Float:
            middle = len(a) - 1 + bound
            return np.pad(correlate(a, b), bound)[middle - bound : middle + bound + 1]

        n = lagged(in_x, in_y)
        mean_x, mean_y, square_x, square_y, product = (
            lagged(*pair) / np.maximum(n, 1) for pair in ((x, in_y), (in_x, y), (x * x, in_y), (in_x, y * y), (x, y))
        )
        spread = np.sqrt(np.maximum((square_x - mean_x**2) * (square_y - mean_y**2), 1e-12))
        n = np.where(n >= _LEAST_OVERLAP, n, 0.0)
        total, weight = total + n * (product - mean_x * mean_y) / spread, weight + n
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
    return float(above / below) if below > 0 else float("nan")
