"""`field-trial`: what `adapt` gains in places whose truth is known."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Annotated

import typer

from convert.commands.options import BundleOption, DataOption, FromRunOption, RecipeOption, WeightsOption
from convert.errors import DataError
from convert.faces.collection import data_root
from convert.progress import Progress

BEGIN, END = "<!-- field-trial: written by the command -->", "<!-- /field-trial -->"


def field_trial(
    data: DataOption = Path("../shared/data"),
    bundle: BundleOption = None,
    weights: WeightsOption = None,
    run: FromRunOption = None,
    recipe: RecipeOption = "default",
    write: Annotated[
        Path | None, typer.Option("--write", help="Page with the two field-trial marks, between which to write.")
    ] = None,
) -> None:
    """Adapts to simulated places (dark, low-key, out of focus, a grey camera) and compares with ratings it never saw.

    Takes some minutes. Prints the tables; with --write it puts them into a page.

    Example: python -m convert field-trial --data ../shared/data --write docs/finetuning.md
    """
    from convert.finetune.baseline import read_baseline
    from convert.finetune.field_trial import PLACES, render_trial, run_trial
    from convert.train.material import Pictures

    before, after = _marked(write) if write is not None else ("", "")
    trained = read_baseline(bundle, run, weights, recipe)
    pictures = Pictures(data_root(data), trained.recipe)
    with Progress("places", len(PLACES), every=1) as progress:
        results = run_trial(trained, pictures, advance=progress.advance)
    label = trained.bundle.manifest
    machine = f"Bundle {label.name} {label.version}, {time.strftime('%B %Y', time.gmtime())}, {platform.machine()}"
    page = render_trial(results, machine)
    print(page)
    if write is not None:
        write.write_text(f"{before}{BEGIN}\n\n{page}\n{END}{after}", encoding="utf-8")


def _marked(page: Path) -> tuple[str, str]:
    """The page's text before and after the marks; asked for before minutes are spent."""
    if not page.is_file():
        raise DataError(f"{page}: no such page")
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise DataError(f"{page}: lacks the marks {BEGIN!r} and {END!r}")
    return before, after
