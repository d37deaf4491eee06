"""`labels merge` and `labels report`: one label from several annotators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from convert.errors import DataError
from convert.labels.merge import CHECK_TOLERANCE, GOLD_TOLERANCE, Merged, merge_ratings, write_labels
from convert.labels.picture import plot_merged
from convert.labels.ratings import read_known, read_ratings
from convert.metrics import TARGETS
from edge.output_files import check_output

app = typer.Typer(
    help="One label from several annotators: aligned, screened, weighted, and how far they agree. See docs/labels.md.",
    no_args_is_help=True,
    add_completion=False,
)

FilesArgument = Annotated[list[Path], typer.Argument(help="Long form, or one trace a file named ITEM.ANNOTATOR.csv.")]
GoldOption = Annotated[Path | None, typer.Option("--gold", help="Items with known answers: item,valence,arousal.")]
ChecksOption = Annotated[Path | None, typer.Option("--checks", help="Attention checks, in the same form.")]
StepOption = Annotated[float, typer.Option("--step-s", min=0.01, max=10, help="Grid for traces; 0.1 is the head's.")]
LagOption = Annotated[float, typer.Option("--max-lag-s", min=0, max=30, help="How far lags are looked for; 0: not.")]
CommonOption = Annotated[
    float, typer.Option("--common-lag-s", min=0, max=30, help="Everybody's delay, taken off all traces besides.")
]
KeepOption = Annotated[bool, typer.Option("--keep-outliers", help="Name who does not fit the others, but keep them.")]


@app.command()
def merge(
    files: FilesArgument,
    out: Annotated[Path, typer.Option("--out", help="The label file to write.")],
    gold: GoldOption = None,
    checks: ChecksOption = None,
    step_s: StepOption = 0.1,
    max_lag_s: LagOption = 4.0,
    common_lag_s: CommonOption = 0.0,
    keep_outliers: KeepOption = False,
) -> None:
    """Merges annotators' ratings into a label file that `fit` and `evaluate` read, each row with its weight.

    Says who was left out and why. Paths of items stay as they are: put the file where they lead to the pictures.

    Example: python -m convert labels merge ratings.csv --gold gold.csv --out labels.csv
    """
    check_output("--out", out, *files, gold, checks)
    merged = _merge(files, gold, checks, step_s, max_lag_s, common_lag_s, keep_outliers)
    rows = write_labels(merged, out)
    _print(merged)
    Console().print(
        f"{out}: {rows} labels, median weight {merged.labels['weight'].median():.2f}", highlight=False, soft_wrap=True
    )


@app.command()
def report(
    files: FilesArgument,
    picture: Annotated[Path | None, typer.Option("--picture", help="Also draw it: a PNG.")] = None,
    gold: GoldOption = None,
    checks: ChecksOption = None,
    step_s: StepOption = 0.1,
    max_lag_s: LagOption = 4.0,
    common_lag_s: CommonOption = 0.0,
    keep_outliers: KeepOption = False,
) -> None:
    """Says how far annotators agree, who lags, who is odd and why; writes no labels.

    Example: python -m convert labels report ratings.csv --picture report.png
    """
    check_output("--picture", picture, *files, gold, checks)
    merged = _merge(files, gold, checks, step_s, max_lag_s, common_lag_s, keep_outliers)
    _print(merged)
    if picture is not None:
        try:
            plot_merged(merged, picture)
        except OSError as error:
            raise DataError(f"{picture}: cannot be written ({error.strerror})") from error
        Console().print(str(picture), highlight=False, soft_wrap=True)


def _merge(
    files: list[Path],
    gold: Path | None,
    checks: Path | None,
    step_s: float,
    max_lag_s: float,
    common_lag_s: float,
    keep_outliers: bool,
) -> Merged:
    return merge_ratings(
        read_ratings(files),
        step_s=step_s,
        max_lag_s=max_lag_s,
        common_lag_s=common_lag_s,
        gold=read_known(gold, tolerance=GOLD_TOLERANCE) if gold is not None else None,
        checks=read_known(checks, tolerance=CHECK_TOLERANCE) if checks is not None else None,
        keep_outliers=keep_outliers,
    )


def _print(merged: Merged) -> None:
    console = Console()
    table = Table("annotator", "rows", *(f"{target} CCC" for target in TARGETS), "weight")
    table.title = "Each annotator with the mean of the others"
    if merged.traces:
        table.add_column("lag, s")
    for name in merged.lags_s:
        own = merged.rest.xs(name, level=1).reindex(TARGETS)
        share = merged.shares.loc[name] if name in merged.shares.index else None
        weight = "left out" if share is None else " / ".join(f"{share[target]:.2f}" for target in TARGETS)
        lag = [f"{merged.lags_s[name]:+.1f}"] if merged.traces else []
        scores = [f"{score:.2f}" for score in own["ccc"]]
        table.add_row(name, f"{own['n'].max():.0f}", *scores, weight, *lag, style="dim" if share is None else None)
    console.print(table)
    for target, icc in merged.icc.items():
        told = ", ".join(f"{name} {value:.2f}" for name, value in icc.items() if name.startswith("ICC"))
        said = f"{target}: {told} ({icc['rows']} rows, {icc['ratings']:.1f} ratings each)"
        console.print(said, highlight=False, soft_wrap=True)
    for verdict in merged.verdicts:
        outcome = "left out" if verdict.left_out else "note"
        told = f"{outcome}: {verdict.annotator}: {verdict.reason}"
        console.print(told, highlight=False, markup=False, soft_wrap=True)
    if merged.traces:
        told = "Lags are against the median annotator; what all have in common shows in no comparison (--common-lag-s)."
        console.print(told, highlight=False, soft_wrap=True)
