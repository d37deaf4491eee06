"""`datasets`: which published layouts can be read, and `datasets check`: a data set read from end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from convert.faces.layouts import LAYOUTS, read_set
from convert.faces.pictures import NO_FRAME, open_pictures
from convert.metrics import TARGETS
from convert.progress import Progress

_BINS = 10  # of −1..1
_BAR = 40

app = typer.Typer(no_args_is_help=False, invoke_without_command=True, add_completion=False)


@app.callback(invoke_without_command=True)
def datasets(context: typer.Context) -> None:
    """Lists the layouts that `evaluate`, `train` and `datasets check` read, and on which terms one gets the data.

    No such data comes with the kit, and the shipped weights never saw any. Most of it is for research only: so are
    weights trained on it.

    Example: python -m convert datasets
    """
    if context.invoked_subcommand is not None:
        return
    console = Console()
    for kind, layout in LAYOUTS.items():
        console.print(f"[bold]{kind}[/bold]: {layout.title}", highlight=False)
        for name in ("holds", "origin", "licence", "obtain"):
            console.print(f"  {name}: {getattr(layout, name)}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def check(
    kind: Annotated[str, typer.Argument(help="As `datasets` lists them.")],
    path: Annotated[Path, typer.Argument(help="The data set's folder; the file of kind csv.")],
    pictures: Annotated[bool, typer.Option("--pictures", help="Also decode every picture and video.")] = False,
) -> None:
    """Reads all labels of a data set; says what is usable, what was left out and why, and how the labels spread.

    A malformed file, or a person on both sides of the set's own split, ends it with the file and line.

    Example: python -m convert datasets check affwild2 /data/Aff-Wild2
    """
    faces, left_out = read_set(kind, path)
    if pictures:
        with Progress("pictures", len(faces), every=10000) as progress:
            good = np.zeros(len(faces), bool)
            for row, pixels in open_pictures(faces):
                good[row] = pixels is not None
                progress.advance()
        left_out = left_out | {NO_FRAME: int((~good).sum())} if not good.all() else left_out
        faces = faces[good]
    table = Table("split", "faces", "subjects", title=f"{LAYOUTS[kind].title}: {path}")
    for split, rows in faces.groupby("split"):
        table.add_row(split or "not declared", str(len(rows)), str(rows["subject"].nunique()))
    console = Console()
    console.print(table)
    if left_out:
        dropped = Table("left out", "labels")
        for reason, number in left_out.items():
            dropped.add_row(reason, str(number))
        console.print(dropped)
    counts = {name: np.histogram(faces[name], _BINS, (-1, 1))[0] for name in TARGETS}
    top = max(1, *(int(each.max()) for each in counts.values()))
    for name, spread in counts.items():
        console.print(f"{name}:")
        for number, count in enumerate(spread):
            low = 2 * number / _BINS - 1
            bar = "#" * round(_BAR * count / top)
            console.print(
                f"  {low:+.1f} to {low + 2 / _BINS:+.1f} {bar:<{_BAR}} {count}", highlight=False, markup=False
            )
