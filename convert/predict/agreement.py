"""Standing tables of agreement: each a function of rated faces joined with their answers, see `table.join`.

Every table is a frame with one row a line; an interval is empty where one person or video is all there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pandas as pd

from convert.metrics import TARGETS, agreement, bootstrap_ccc, ccc, interval
from convert.predict.corruption import CLEAN, MIRROR

FEWEST = 12  # faces below which no figure is given: an interval of fewer is a guess
_SAID = [f"said_{target}" for target in TARGETS]


def score(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Agreement of each target within groups of rows; intervals draw whole subjects. Too small groups are left out."""
    lines = []
    for key, rows in scored.groupby(list(by), sort=False, dropna=False):
        if len(rows) < FEWEST:
            continue
        for target in TARGETS:
            truth, said = rows[target].to_numpy(float), rows[f"said_{target}"].to_numpy(float)
            found = agreement(truth, said, groups=rows["subject"])
            line = dict(zip(by, key, strict=True)) | {"target": target, "subjects": rows["subject"].nunique()}
            lines.append(line | found._asdict() | {"bias": float((said - truth).mean())})
    columns = [*by, "target", "n", "subjects", "ccc", "ccc_low", "ccc_high", "cc", "rmse", "sagr", "bias"]
    return pd.DataFrame(lines, columns=columns)


def by_set(scored: pd.DataFrame) -> pd.DataFrame:
    """Clean answers by set, rater and split."""
    clean = scored[(scored["condition"] == CLEAN) & (scored["source"] != "")]
    return score(clean, ["source", "real", "rater", "split", "answer"])


def within_expression(scored: pd.DataFrame, answer: str = "frame") -> pd.DataFrame:
    """Agreement within expression classes, and what knowing the class alone would score.

    `class means`: each face answered with the mean rating of its class. `within classes`: ratings and answers less
    their class's mean, so that telling classes apart counts for nothing.
    """
    rows = _clean(scored, answer)
    rows = rows[rows["expression"] != ""]
    if rows.empty:
        return score(rows, ["source", "expression"])
    classes = [rows["source"], rows["expression"]]
    means = rows.groupby(classes)[list(TARGETS)].transform("mean").to_numpy()
    parts = [
        rows,
        rows.assign(expression="all"),
        rows.assign(expression="class means").assign(**dict(zip(_SAID, means.T, strict=True))),
        center(rows, ["source", "expression"]).assign(expression="within classes"),
    ]
    return score(pd.concat(parts), ["source", "expression"])


def within_face(scored: pd.DataFrame) -> pd.DataFrame:
    """Agreement within a face over time, or over the stills of one portrait: each subject's own mean is removed."""
    clean = scored[scored["condition"] == CLEAN]
    several = clean.groupby(["source", "answer", "subject"])["id"].transform("size") > 2
    return score(center(clean[several], ["source", "answer", "subject"]), ["source", "real", "rater", "answer"])


def center(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Ratings and answers less the means of their group."""
    columns = [*TARGETS, *_SAID]
    means = scored.groupby(list(by))[columns].transform("mean")
    return scored.assign(**{name: scored[name] - means[name] for name in columns})


def compare_answers(scored: pd.DataFrame, pairs: Sequence[tuple[str, str]], *, within: bool = False) -> pd.DataFrame:
    """CCC of one answer less that of another on the same faces, by set and target, with its interval.

    Args:
        scored: joined faces.
        pairs: (ours, other); `mirror` stands for the mean of the answers to a picture and to its mirror image.
        within: compare within a face over time, as `within_face`.
    """
    lines = []
    scored = pd.concat([scored, _mirror_mean(scored)])
    for (source, rows), (ours, other) in product(scored.groupby("source", sort=False), pairs):
        keep = ["id", "subject", *TARGETS, *_SAID]
        both = _clean(rows, ours)[keep].merge(_clean(rows, other)[["id", *_SAID]], on="id", suffixes=("", "_other"))
        if within:
            both = both[both.groupby("subject")["id"].transform("size") > 2]
        if len(both) < FEWEST:
            continue
        for target in TARGETS:
            columns = [both[name] for name in (target, f"said_{target}", f"said_{target}_other")]
            if within:
                columns = [column - column.groupby(both["subject"]).transform("mean") for column in columns]
            truth, a, b = columns
            drawn = [bootstrap_ccc(truth, said, both["subject"]) for said in (a, b)]
            spread = None if drawn[0] is None or drawn[1] is None else drawn[0] - drawn[1]
            low, high = interval(spread)
            line = {"source": source, "ours": ours, "other": other, "target": target, "n": len(both)}
            line |= {"subjects": both["subject"].nunique(), "ours_ccc": ccc(truth, a), "other_ccc": ccc(truth, b)}
            lines.append(line | {"difference": line["ours_ccc"] - line["other_ccc"], "low": low, "high": high})
    columns = ["source", "ours", "other", "target", "n", "subjects", "ours_ccc", "other_ccc", "difference", "low"]
    return pd.DataFrame(lines, columns=[*columns, "high"])


def dev_against_test(scored: pd.DataFrame, answer: str = "frame") -> pd.DataFrame:
    """CCC of dev less that of test by set: how much choices made on dev flatter it, or chance does."""
    rows, lines = _clean(scored, answer), []
    for (source, part), target in product(rows.groupby("source", sort=False), TARGETS):
        sides = [part[part["split"] == split] for split in ("dev", "test")]
        if min(map(len, sides)) < FEWEST:
            continue
        values = [(side[target], side[f"said_{target}"], side["subject"]) for side in sides]
        drawn = [bootstrap_ccc(*value, seed=seed) for seed, value in enumerate(values)]
        spread = None if drawn[0] is None or drawn[1] is None else drawn[0] - drawn[1]
        low, high = interval(spread)
        dev, test = (ccc(truth, said) for truth, said, _ in values)
        line = {"source": source, "target": target, "n_dev": len(sides[0]), "n_test": len(sides[1]), "dev": dev}
        lines.append(line | {"test": test, "difference": dev - test, "low": low, "high": high})
    columns = ["source", "target", "n_dev", "n_test", "dev", "test", "difference", "low", "high"]
    return pd.DataFrame(lines, columns=columns)


def _clean(scored: pd.DataFrame, answer: str) -> pd.DataFrame:
    return scored[(scored["condition"] == CLEAN) & (scored["answer"] == answer)]


def _mirror_mean(scored: pd.DataFrame) -> pd.DataFrame:
    """The mean of a picture's answer and its mirror image's as an answer of its own, `mirror`."""
    plain = _clean(scored, "frame")
    turned = scored[(scored["condition"] == MIRROR) & (scored["answer"] == "frame")][["id", *_SAID]]
    both = plain.merge(turned, on="id", suffixes=("", "_turned"))
    mean = {name: (both[name] + both[f"{name}_turned"]) / 2 for name in _SAID}
    return both.assign(**mean, answer=MIRROR)[list(scored.columns)]
