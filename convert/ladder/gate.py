"""Whether a ladder stays within its recipe's budget, and whether streaming equals the whole sequence."""

from __future__ import annotations

from typing import NamedTuple

from convert.errors import GateError
from convert.ladder.record import Ladder, Result, SequenceCheck
from convert.ladder.rungs import FIRST, find_rung
from convert.metrics import TARGETS
from convert.predict.evaluation import ANSWERS

MOST_RMS = 0.002
_GROWTH = 2.0
_NOISE = 1e-5  # float32 rounding; below it, twice nothing is nothing


class Excess(NamedTuple):
    """One loss above the budget: `rung` on `host` has lost `drop` CCC of `target` against the rung `against`."""

    rung: str
    host: str
    against: str
    answer: str
    target: str
    drop: float


def find_excesses(ladder: Ladder) -> list[Excess]:
    """Every loss above the budget, against the rung before and against the float network."""
    firsts: dict[str, Result] = {}
    for result in ladder.results:
        firsts.setdefault(result.rung, result)
    found = []
    for result in ladder.results:
        rung = find_rung(result.rung)
        if not rung.gated or rung.before is None:
            continue
        for against in dict.fromkeys((rung.before, FIRST)):
            if against in firsts:
                found += _compare(result, firsts[against], ladder.budget_ccc)
    return found


def _compare(result: Result, other: Result, budget: float) -> list[Excess]:
    found = []
    for answer in ANSWERS:
        for target in TARGETS:
            ours = result.agreement.get(answer, {}).get(target)
            theirs = other.agreement.get(answer, {}).get(target)
            if ours is not None and theirs is not None and theirs.ccc - ours.ccc > budget:
                found.append(Excess(result.rung, result.host, other.rung, answer, target, theirs.ccc - ours.ccc))
    return found


def check(ladder: Ladder) -> None:
    """Lets a ladder pass, or says what is wrong with it.

    Raises:
        GateError: a rung lost more than the budget, or stepping drifts from the whole sequence.
    """
    excesses = find_excesses(ladder)
    if excesses:
        worst = max(excesses, key=lambda excess: excess.drop)
        more = f" ({len(excesses) - 1} more above it)" if len(excesses) > 1 else ""
        raise GateError(
            f"{worst.rung} on {worst.host}: {worst.target} CCC of the {worst.answer} answer is {worst.drop:.4f} below "
            f"{worst.against}; {ladder.quantization} allows {ladder.budget_ccc:g}{more}"
        )
    if ladder.sequence is not None:
        check_sequence(ladder.sequence)


def check_sequence(found: SequenceCheck) -> None:
    """Whether stepping equals the whole sequence, and goes on doing so.

    Raises:
        GateError: it does not.
    """
    if not found.rms <= MOST_RMS:
        raise GateError(
            f"streamed: {found.rms:.4f} RMS from the whole sequence in {found.steps} steps, above {MOST_RMS}"
        )
    if not found.last_rms <= max(_GROWTH * found.first_rms, _NOISE):
        raise GateError(
            f"streamed: the difference to the whole sequence grows, {found.first_rms:.1e} RMS in the first tenth of "
            f"{found.steps} steps, {found.last_rms:.1e} in the last"
        )
