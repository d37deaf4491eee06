"""Gaps between groups: every pair is tested, and the intervals are widened for the number of pairs.

Bonferroni's correction: each of P pairs gets an interval at 1 − 0.05 / P, so that by chance alone at most one set of
pairs in twenty shows a gap that is none. It counts the pairs of one measure and target. A gap is `clear` where that
interval excludes zero; one that is not clear is not proven absent, and its interval says how large it may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from convert.metrics import TARGETS
from convert.predict.fairness import MEASURES, GroupResult

_CHANCE = 0.05


class Gap(NamedTuple):
    """One pair of groups.

    Attributes:
        more, less: the groups with the larger and with the smaller figure.
        size: of the first less the second, not negative.
        low, high: bounds of its corrected interval.
        deviations: its size in standard deviations of its resamples.
    """

    more: str
    less: str
    size: float
    low: float
    high: float
    deviations: float

    @property
    def clear(self) -> bool:
        """Whether the corrected interval excludes zero."""
        return self.low > 0


class Comparison(NamedTuple):
    """All pairs in one figure.

    Attributes:
        measure: of `MEASURES`.
        target: of `TARGETS`.
        gaps: the clearest first.
    """

    measure: str
    target: str
    gaps: list[Gap]

    @property
    def level(self) -> float:
        """Of each pair's interval, 0-1."""
        return 1 - _CHANCE / len(self.gaps)


def compare_groups(results: Sequence[GroupResult]) -> list[Comparison]:
    """Every pair of groups that are large enough, by measure and target; none where fewer than two are."""
    known = [result for result in results if result.agreement]
    pairs = list(combinations(known, 2))
    if not pairs:
        return []
    tails = [50 * _CHANCE / len(pairs), 100 - 50 * _CHANCE / len(pairs)]
    found = []
    for measure in MEASURES:
        for target in TARGETS:
            gaps = [_gap(one, other, measure, target, tails) for one, other in pairs]
            found.append(Comparison(measure, target, sorted(gaps, key=lambda gap: -gap.deviations)))
    return found


def _gap(one: GroupResult, other: GroupResult, measure: str, target: str, tails: Sequence[float]) -> Gap:
    if one.estimates[measure][target].value < other.estimates[measure][target].value:
        one, other = other, one
    size = one.estimates[measure][target].value - other.estimates[measure][target].value
    drawn = one.draws[measure][target] - other.draws[measure][target]
    low, high = np.percentile(drawn, tails)
    return Gap(one.group, other.group, size, float(low), float(high), size / max(float(drawn.std()), 1e-9))


def tell_gaps(results: Sequence[GroupResult]) -> str:
    """The clearest gap of each measure and target, and every other that is clear, as a list."""
    compared = compare_groups(results)
    if not compared:
        return "Fewer than two groups are large enough, so no pair was compared."
    lines = [
        f"All {len(compared[0].gaps)} pairs of the groups that are large enough, each at {compared[0].level:.2%} "
        "(95% for all pairs together); the clearest gap in"
    ]
    for each in compared:
        first, *rest = each.gaps
        line = f"- {each.measure} of {each.target}: {_words(first)}, {'clear' if first.clear else 'not clear'}"
        more = [gap for gap in rest if gap.clear]
        lines.append(line + (f"; clear too: {'; '.join(map(_words, more))}" if more else ""))
    return "\n".join([lines[0], "", *lines[1:]])


def tell_finding(title: str, results: Sequence[GroupResult]) -> str:
    """One line on what the comparison of all pairs found."""
    compared = compare_groups(results)
    if not compared:
        return f"- {title}: too few faces in all groups but one to compare."
    clear = [
        f"{each.measure} of {each.target}, {gap.more} above {gap.less} by {gap.size:.3f}"
        for each in compared
        for gap in each.gaps
        if gap.clear
    ]
    count = sum(len(each.gaps) for each in compared)
    if clear:
        return f"- {title}: **{len(clear)} of {count} comparisons show a clear gap**: {'; '.join(clear)}."
    widest = max(max(abs(gap.low), abs(gap.high)) for each in compared for gap in each.gaps)
    return f"- {title}: none of {count} comparisons shows a clear gap; gaps of up to {widest:.2f} are not excluded."


def _words(gap: Gap) -> str:
    return f"{gap.size:.3f} [{gap.low:+.3f}, {gap.high:+.3f}] between {gap.more} and {gap.less}"
