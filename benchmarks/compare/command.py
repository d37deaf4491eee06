"""`python -m benchmarks compare`: a device's run against its reference, and the gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge.cli.bench.quantiles import Percentile


def compare(
    result: Annotated[Path, typer.Argument(help="What `affect-edge bench --out` wrote.")],
    reference: Annotated[
        Path | None,
        typer.Option("--reference", help="A result, or a folder of them; default: benchmarks/reference/DEVICE."),
    ] = None,
    limit: Annotated[float, typer.Option("--limit", min=0, help="How much worse is too much, percent.")] = 20.0,
    figures: Annotated[
        str, typer.Option("--figures", help="Which figures may fail, with commas: frame_ms p90, invoke p50, …")
    ] = "frame_ms p50,cpu_core,work",
) -> None:
    """Say how each figure changed, and fail on a regression: worse than the limit, and the intervals do not overlap.

    Where the load average says that others worked on the machine, in either run, only `work` is judged: processor
    time in terms of a fixed calculation that took turns with it (of older results, `cpu_core`).

    Exit codes: 0 no regression, 1 at least one, 2 a file is missing, malformed, or has no load in common.

    Example: python -m benchmarks compare 2026-11-25-0123456789-rpi5.json
    """
    from rich.table import Table

    from benchmarks.compare.changes import WORK, find_judged, find_regressions, list_changes, list_differences
    from benchmarks.device.result import read_result
    from benchmarks.reference.kept import find_reference
    from benchmarks.screen import open_screen
    from convert.errors import DataError

    now = read_result(result)
    path = find_reference(reference, now.host.device, other_than=result)
    before = read_result(path)
    changes = list_changes(before, now)
    known = {change.figure for change in changes}
    gated = [figure.strip() for figure in figures.split(",")]
    unknown = [figure for figure in gated if figure not in known | {WORK}]  # which older results do not have
    if not changes:
        raise DataError(f"{result}: has no load in common with {path}; measure the same numbers of faces")
    if unknown:
        raise DataError(f"--figures: no {', '.join(unknown)} in both results; there are {', '.join(sorted(known))}")
    judged = find_judged(before, now, gated)
    if not judged:
        raise DataError(
            "others worked on the machine in one of the runs, so no time by the clock can be judged; measure again "
            "on a quiet machine, or judge cpu_core"
        )
    regressions = find_regressions(changes, limit=limit / 100, figures=judged)
    console = open_screen()
    table = Table("load", "figure", "reference", "now", "ratio", "", title=f"{now.commit} against {before.commit}")
    last = ""
    for change in changes:
        word = "REGRESSION" if change in regressions else "" if change.apart else "intervals overlap"
        shown = "" if change.load == last else change.load
        table.add_row(
            shown, change.figure, _cell(change.before), _cell(change.now), f"{change.ratio:.2f}", word,
            end_section=change is changes[-1],
        )  # fmt: skip
        last = change.load
    console.print(table)
    for words in list_differences(before, now):
        console.print(f"note: {words}", markup=False)
    if regressions:
        worst = max(regressions, key=lambda change: change.ratio)
        console.print(
            f"{len(regressions)} regressions beyond {limit:g} %; the worst: {worst.figure} with {worst.load}, "
            f"{worst.ratio:.2f} times the reference"
        )
        raise typer.Exit(1)
    console.print(f"no figure of {', '.join(judged)} is more than {limit:g} % worse with intervals apart")


def _cell(figure: Percentile | float) -> str:
    if isinstance(figure, float):
        return f"{figure:.4g}"
    return f"{figure.value:.4g} [{figure.low:.4g}, {figure.high:.4g}]"
