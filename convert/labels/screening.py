"""Who is left out, and why: by items with a known answer, and by disagreeing with everybody else.

A **gold** item has an answer that experts gave; who is off on too many of them did not do the task. An **attention
check** tells in so many words what to answer; who misses one in five was not there. Neither becomes a label.
Beside these, whoever rates always the same, the other way round, or without any relation to the rest is left out, the
worst one first, since the rest is judged anew without them. With two annotators nobody can say who is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convert.errors import DataError
from convert.faces.text_files import parse_number, read_table
from convert.labels.agreement import WithRest, agree_with_rest
from convert.labels.matrix import RatingMatrix
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
    left_out: bool


class KnownItem(NamedTuple):
    """An item with its answer; NaN for a target that has none."""

    item: str
    values: tuple[float, float]
    tolerance: float


def read_known(path: Path, *, tolerance: float) -> list[KnownItem]:
    """Reads a file of known answers: `item,valence,arousal`, one of the two may be empty; optional `tolerance`.

    Raises:
        DataError: the file is missing or malformed, or names an item twice; names the line.
    """
    found: dict[str, KnownItem] = {}
    for line, row in read_table(path, ("item",)):
        where = f"{path}:{line}"
        item = row.get("item", "").strip()
        if not item or item in found:
            raise DataError(f"{where}: item {item!r} is {'named twice' if item else 'empty'}")
        valence, arousal = (
            parse_number(row[target], where, f"column {target!r}") if row.get(target) else float("nan")
            for target in TARGETS
        )
        if np.isnan(valence) and np.isnan(arousal):
            raise DataError(f"{where}: item {item!r} has no answer")
        own = row.get("tolerance")
        allowed = parse_number(own, where, "column 'tolerance'", low=0.0, high=2.0) if own else tolerance
        found[item] = KnownItem(item, (valence, arousal), allowed)
    if not found:
        raise DataError(f"{path}: has no line below its header")
    return list(found.values())


def screen_known(matrix: RatingMatrix, known: Sequence[KnownItem], *, share: float, what: str) -> list[Verdict]:
    """Leaves out who answered fewer than `share` of the known items within their tolerance.

    Args:
        matrix: of items rated as a whole.
        known: the items.
        share: that must be right.
        what: what they are called in the reason.

    Raises:
        DataError: nobody rated any of them.
    """
    row = {item: n for n, item in enumerate(matrix.items)}
    asked = [each for each in known if each.item in row]
    if not asked:
        raise DataError(f"none of the {len(known)} {what}s, such as {known[0].item!r}, was rated by anybody")
    verdicts = []
    for column, name in enumerate(matrix.annotators):
        right = answered = 0
        for each in asked:
            off = np.abs(matrix.values[row[each.item], column] - np.array(each.values))
            if np.isfinite(off).any():
                answered += 1
                right += bool(np.nanmax(off) <= each.tolerance + 1e-9)
        if answered < LEAST_ANSWERED:
            if answered:
                verdicts.append(Verdict(name, f"answered only {answered} {what}s: not judged by them", left_out=False))
        elif right < share * answered:
            verdicts.append(Verdict(name, f"{right} of {answered} {what}s right, {share:.0%} needed", left_out=True))
    return verdicts


def screen_outliers(matrix: RatingMatrix, *, late: Sequence[str] = ()) -> list[Verdict]:
    """Names who does not fit the rest, the worst first.

    Args:
        matrix: aligned, without who is left out already.
        late: annotators whose lag lies at the bound of the search.
    """
    verdicts = []
    left = matrix
    while len(left.annotators) > 2:
        rest = agree_with_rest(left)
        odd = {name: reason for name in left.annotators if (reason := _oddity(rest[name]))}
        if not odd:
            break
        worst = min(odd, key=lambda name: _best(rest[name]))
        verdicts.append(Verdict(worst, odd[worst], left_out=True))
        left = left.without([worst])
    for name, parts in agree_with_rest(left).items():
        for target, part in zip(TARGETS, parts, strict=True):
            if abs(part.offset) > OFFSET:
                verdicts.append(
                    Verdict(name, f"rates {target} {part.offset:+.2f} off the others; kept", left_out=False)
                )
    verdicts += [Verdict(name, "lag at the bound of the search; kept", left_out=False) for name in late]
    return verdicts


def _oddity(parts: tuple[WithRest, WithRest]) -> str:
    judged = {target: part for target, part in zip(TARGETS, parts, strict=True) if part.n >= LEAST_SHARED}
    if not judged:
        return ""
    if all(part.spread < CONSTANT for part in judged.values()):
        return "always the same answer"
    turned = [target for target, part in judged.items() if part.cc < TURNED_ROUND]
    if turned:
        told = ", ".join(f"{target} {judged[target].cc:+.2f}" for target in turned)
        return f"the other way round (correlation with the others: {told})"
    if all(part.cc < LEAST_CORRELATION for part in judged.values()):
        told = ", ".join(f"{target} {part.cc:+.2f}" for target, part in judged.items())
        return f"unrelated to the others (correlation: {told})"
    return ""


def _best(parts: tuple[WithRest, WithRest]) -> float:
    return min(float(np.nan_to_num(part.cc)) for part in parts)


def left_out(verdicts: Sequence[Verdict]) -> Mapping[str, str]:
    """Who was left out, with the first reason."""
    gone: dict[str, str] = {}
    for verdict in verdicts:
        if verdict.left_out:
            gone.setdefault(verdict.annotator, verdict.reason)
    return gone
