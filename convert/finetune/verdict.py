"""Whether a candidate may take a bundle's place: not worse on the old validation set, and better on what it is for.

Compared are the streamed answers, which are what a device counts, by paired bootstrap over the same faces, whole
persons at a time; the frame answers stand beside them. *Not worse*: the interval of the difference in CCC lies above
−tolerance for both targets, so a set that is too small to tell refuses too. *Better*: the interval lies above zero for
at least one target, and neither lost more than the tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convert.metrics import Agreement
from convert.predict.compare import HEADER, Difference, paired_bootstrap, to_markdown_rows
from convert.predict.evaluation import ANSWERS, Device, compare
from convert.progress import Progress
from edge.values import Float32Array, UInt8Array

TOLERANCE = 0.03
JUDGED = "stream"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedSet:
    """Faces that a candidate and the bundle are compared on.

    Attributes:
        data: what they are, for the table.
        images: uint8 (N, S, S, 3), RGB, device crops.
        rated: float32 (N, 2), −1..1.
        groups: N persons or videos.
    """

    data: str
    images: UInt8Array
    rated: Float32Array
    groups: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A candidate less the bundle on one set: by answer, and within it by target.

    Attributes:
        data: the set's name.
        by_answer: the difference.
        agreement: of the candidate alone, for its manifest.
    """

    data: str
    by_answer: Mapping[str, Mapping[str, Difference]]
    agreement: Mapping[str, Mapping[str, Agreement]]

    @property
    def decisive(self) -> Mapping[str, Difference]:
        """By target, of the answer that decides: the streamed one, where the set has it."""
        return self.by_answer.get(JUDGED) or next(iter(self.by_answer.values()))

    def rows(self) -> str:
        """Rows under `HEADER`."""
        rows = [to_markdown_rows(f"{self.data}, {answer}", found) for answer, found in self.by_answer.items()]
        return "\n".join(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was decided, and on what.

    Attributes:
        accepted: the candidate may take the bundle's place.
        reasons: against it where it may not, for it where it may; whole sentences.
        comparisons: the figures.
        tolerance: of CCC that may be lost.
    """

    accepted: bool
    reasons: list[str]
    comparisons: list[Comparison] = field(default_factory=list)
    tolerance: float = TOLERANCE

    def table(self) -> str:
        """The comparisons as a Markdown table, ours being the candidate."""
        header = HEADER.replace("ours CCC", "candidate CCC").replace("other CCC", "bundle CCC")
        header = header.replace("ours is", "candidate is")
        return "\n".join([header, *(comparison.rows() for comparison in self.comparisons)])

    def record(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "accepted": self.accepted,
            "reasons": self.reasons,
            "tolerance": self.tolerance,
            "comparisons": [
                {
                    "data": each.data,
                    **{
                        answer: {target: found._asdict() | {"verdict": found.verdict} for target, found in by.items()}
                        for answer, by in each.by_answer.items()
                    },
                }
                for each in self.comparisons
            ],
        }


def compare_on(judged: JudgedSet, candidate: Device, bundle: Device, *, draws: int = 2000) -> Comparison:
    """Answers of both to each face, through the int8 graphs as a device runs them."""
    with Progress(judged.data, len(judged.images), every=200) as progress:
        answers = []
        for image in judged.images:
            answers.append((candidate.answer(image), bundle.answer(image)))
            progress.advance()
    ours, other = (np.stack(each) for each in zip(*answers, strict=True))
    groups = list(judged.groups) if len(set(judged.groups)) < len(judged.groups) else None
    return Comparison(
        data=judged.data,
        by_answer={
            answer: paired_bootstrap(judged.rated, ours[:, a], other[:, a], groups, n=draws)
            for a, answer in enumerate(ANSWERS)
        },
        agreement=compare(judged.rated, ours, len(ours), groups=groups).agreement,
    )


def not_worse(comparison: Comparison, tolerance: float) -> list[str]:
    """What speaks against "not worse", by target; nothing where the interval lies above −tolerance."""
    return [
        f"on {comparison.data} {target} may lose more than {tolerance:g}: {_interval(found)}"
        for target, found in comparison.decisive.items()
        if found.low <= -tolerance
    ]


def lost(comparison: Comparison, tolerance: float) -> list[str]:
    """What was lost beyond the tolerance, by target, as far as the set itself shows."""
    return [
        f"on {comparison.data} {target} lost more than {tolerance:g}: {_interval(found)}"
        for target, found in comparison.decisive.items()
        if found.difference < -tolerance
    ]


def not_better(comparison: Comparison) -> list[str]:
    """What speaks against "better"; nothing where at least one target gains for sure."""
    if any(found.low > 0 for found in comparison.decisive.values()):
        return []
    figures = "; ".join(f"{target} {_interval(found)}" for target, found in comparison.decisive.items())
    return [f"on {comparison.data} it is not better for sure: {figures}"]


def _interval(found: Difference) -> str:
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}], n = {found.items}"


def decide(old: Comparison | None, new: Comparison | None, tolerance: float, *, against: Sequence[str] = ()) -> Verdict:
    """The verdict on a candidate that is to be better on new data.

    Args:
        old: on the old validation set; None where the old data is not at hand, which refuses.
        new: on the judges' part of the new data; None where nothing was learned.
        tolerance: of CCC that may be lost.
        against: further reasons to refuse.
    """
    reasons = list(against)
    if old is None:
        reasons.append("the old data is not at hand, so nobody knows what it lost there; give --data")
    else:
        reasons += not_worse(old, tolerance)
    if new is not None:
        reasons += lost(new, tolerance) + not_better(new)
    accepted = not reasons
    if accepted:
        reasons = ["not worse on the old validation set, and better on the new one"]
    return Verdict(
        accepted=accepted,
        reasons=reasons,
        comparisons=[each for each in (old, new) if each is not None],
        tolerance=tolerance,
    )
