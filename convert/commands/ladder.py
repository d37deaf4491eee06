"""`ladder`: what each conversion step costs, as one table, and the gate on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from convert.commands.options import BundleOption, DataOption, FromRunOption, RecipeOption, WeightsOption
from convert.errors import DataError
from convert.faces.collection import data_root
from convert.faces.diffusionfer import SOURCE
from convert.faces.labels_csv import read_labels
from convert.ladder.gate import check
from convert.ladder.record import Ladder, merge, read_ladder, read_measurement, write_ladder
from convert.ladder.table import render_page, render_table
from convert.package.trained import read_trained
from convert.quantize.recipes import DEFAULT, find_quantization
from convert.train.material import Pictures
from edge.output_files import check_output


def ladder(
    data: DataOption = Path("../shared/data"),
    bundle: BundleOption = None,
    run: FromRunOption = None,
    weights: WeightsOption = None,
    recipe: RecipeOption = "default",
    quantization: Annotated[str, typer.Option("--quantization", help="Recipe whose budget is the gate.")] = DEFAULT,
    budget: Annotated[float | None, typer.Option("--budget", help="CCC that may be lost, instead of its own.")] = None,
    write: Annotated[Path | None, typer.Option("--write", help="The page, .md; its record lies beside it.")] = None,
    add: Annotated[
        list[Path] | None, typer.Option("--add", help="What a board measured; merged into --write's record.")
    ] = None,
    render: Annotated[bool, typer.Option("--render", help="Write the page anew from its record.")] = False,
) -> None:
    """Measures every step from the float network to the device, prints one table and fails on a loss above the budget.

    Needs the weights, the bundle and pictures with ratings; some minutes. With `--add` or `--render` nothing is
    measured: the record beside the page is read. Exit code 9: a step lost too much; the message says which.

    Example: python -m convert ladder --data ../shared/data --write docs/ladder.md

    A board's file: python -m convert ladder --add pi5.json --write docs/ladder.md
    """
    page = write or Path("docs/ladder.md")
    record = page.with_suffix(".json")
    if page == record:
        raise DataError(f"--write {page}: is the page, and its record lies beside it as .json; name it .md")
    for place in (page, record):
        check_output("--write", place, *add or (), bundle, weights)
    if add or render:
        found = read_ladder(record)
        measured = {path: read_measurement(path) for path in add or []}
        rated = any(new.frame or new.stream for new in measured.values())
        ratings = _ratings(data) if rated else {}
        for path, new in measured.items():
            found = merge(found, new, ratings, str(path))
        write = page
    else:
        way = find_quantization(quantization)
        if budget is not None:
            way = msgspec.structs.replace(way, budget_ccc=budget)
        trained = read_trained(bundle, run, weights, recipe)
        root = data_root(data)
        # Only now, since importing TensorFlow takes a while.
        from convert.ladder.float_network import use_one_thread
        from convert.ladder.measure import measure

        use_one_thread()
        # The kit's own sets, whatever the run imported: the record names its pictures, and boards' files match them.
        pictures = Pictures(root, trained.recipe)
        if not len(pictures.rated):
            raise DataError(f"{root}: has no held-out faces with ratings; the ladder cannot be measured")
        found = measure(trained, pictures, way)
    Console(width=240, soft_wrap=True).print(render_table(found), highlight=False, markup=False)
    if write is not None:
        _write(found, page, record)
    check(found)


def _write(found: Ladder, page: Path, record: Path) -> None:
    write_ladder(record, found)
    page.write_text(render_page(found, page.as_posix() if not page.is_absolute() else page.name), encoding="utf-8")


def _ratings(data: Path) -> dict[str, tuple[float, float]]:
    labels = data_root(data) / SOURCE / "labels.csv"
    return {f"{SOURCE}/{row.image.name}": (row.valence, row.arousal) for row in read_labels(labels)}
