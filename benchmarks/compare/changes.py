"""What changed between two results of `affect-edge bench`, figure by figure, and which changes are regressions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge.cli.bench.quantiles import Percentile
from edge.cli.bench.result import Load, Result

# Of the figures, those that a wait for other programs does not lengthen; the second not even their work on one core.
PROCESSOR, WORK = "cpu_core", "work"
GATED = ("frame_ms p50", PROCESSOR, WORK)
LIMIT = 0.20
_QUANTILES = ("p50", "p90", "p99")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One figure of one load, then and now; more is worse.

    Attributes:
        load: `4 faces at 30`.
        figure: its name.
        before, now: with intervals, where the sample supports one.
        ratio: now over before.
    """

    load: str
    figure: str
    before: Percentile | float
    now: Percentile | float

    @property
    def ratio(self) -> float:
        return _value(self.now) / _value(self.before)

    @property
    def apart(self) -> bool:
        """Whether the intervals do not overlap; a figure without one stands for itself."""
        low, high = _bounds(self.now)
        low_before, high_before = _bounds(self.before)
        return low > high_before or high < low_before


def list_changes(before: Result, now: Result) -> list[Change]:
    """The figures that both have, in the reference's order of loads."""
    known = {name_load(load): load for load in now.loads}
    return [
        Change(load=name, figure=figure, before=then, now=today)
        for name, load in ((name_load(load), load) for load in before.loads)
        if name in known
        for figure, then, today in _pairs(load, known[name])
    ]


def find_regressions(
    changes: Sequence[Change], *, limit: float = LIMIT, figures: Sequence[str] = GATED
) -> list[Change]:
    """The changes for the worse by more than `limit` (0.2 for a fifth) whose intervals do not overlap."""
    return [change for change in changes if change.figure in figures and change.ratio > 1 + limit and change.apart]


def find_judged(before: Result, now: Result, figures: Sequence[str]) -> list[str]:
    """Of the figures that are asked for, those that can be judged.

    Where others worked on the machine in either run, a time by the wall's clock says more about them: the processor's
    is left, and where both runs held a yardstick beside it, only what they took in its terms.
    """
    if not any(one.load is not None and one.load.busy(one.host.threads) for one in (before, now)):
        return list(figures)
    measured = all(load.work is not None for one in (before, now) for load in one.loads)
    return [figure for figure in figures if figure == (WORK if measured and WORK in figures else PROCESSOR)]


def list_differences(before: Result, now: Result) -> list[str]:
    """What else differs between the two runs, in words: a reader has to know before they believe a ratio."""
    pairs = {
        "machine": (before.host.model, now.host.model),
        "cores": (before.host.cores, now.host.cores),
        "governor": (before.host.governor, now.host.governor),
        "runtime": (before.host.runtime, now.host.runtime),
        "threads": (before.host.threads, now.host.threads),
        "delegate": (before.host.delegate, now.host.delegate),
        "input": (before.input, now.input),
        "searches": (f"detect_every {before.detect_every}", f"detect_every {now.detect_every}"),
        "bundle": tuple(f"{one.name} {one.version} {one.sha256[:10]}" for one in (before.bundle, now.bundle)),
    }
    words = [f"{name}: {then} then, {today} now" for name, (then, today) in pairs.items() if then != today]
    here = {name_load(load) for load in now.loads}
    words += [f"{name}: not measured now" for name in map(name_load, before.loads) if name not in here]
    words += [f"{when}: {note}" for when, one in (("then", before), ("now", now)) for note in one.notes]
    return words


def name_load(load: Load) -> str:
    """A load by what was in view."""
    faces = round(load.faces)
    asked = ", every frame" if load.every_frame else ""
    return f"{faces} face{'' if faces == 1 else 's'} at {load.fps:.0f}{asked}"


def _pairs(before: Load, now: Load) -> Iterator[tuple[str, Percentile | float, Percentile | float]]:
    for name in _QUANTILES:
        then, today = getattr(before.frame_ms, name), getattr(now.frame_ms, name)
        if then is not None and today is not None:
            yield f"frame_ms {name}", then, today
    if before.cpu_core > 0:
        yield PROCESSOR, *_cores(before, now)
    if before.work is not None and now.work is not None:
        yield WORK, before.work, now.work
    for stage in before.stage_ms:
        then, today = before.stage_ms[stage].p50, now.stage_ms[stage].p50 if stage in now.stage_ms else None
        if then is not None and today is not None and then.value > 0:
            yield f"{stage} p50", then, today


def _cores(before: Load, now: Load) -> tuple[Percentile | float, Percentile | float]:
    """With intervals where both results have them; older ones know the mean alone."""
    if before.cpu_core_p50 is not None and now.cpu_core_p50 is not None:
        return before.cpu_core_p50, now.cpu_core_p50
    return before.cpu_core, now.cpu_core


def _value(figure: Percentile | float) -> float:
    return figure.value if isinstance(figure, Percentile) else figure


def _bounds(figure: Percentile | float) -> tuple[float, float]:
    return (figure.low, figure.high) if isinstance(figure, Percentile) else (figure, figure)
