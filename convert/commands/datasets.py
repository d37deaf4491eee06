"""`datasets`: which published layouts can be read, and `datasets check`: a data set read from end to end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from convert.faces.layouts import LAYOUTS, read_dataset
from convert.faces.pixels import open_frames
from convert.faces.records import LabelledFrame, Reading
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
    for layout in LAYOUTS.values():
        console.print(f"[bold]{layout.kind}[/bold]: {layout.title}", highlight=False)
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
    reading = Reading()
    parts: dict[str, tuple[Counter[str], set[str]]] = {}
    spread = np.zeros((2, _BINS), np.int64)
    frames: Iterable[LabelledFrame] = read_dataset(kind, path, reading)
    if pictures:
        frames = _opened(list(frames), reading)
    for frame in frames:
        count, groups = parts.setdefault(frame.part or "no split declared", (Counter(), set()))
        count["frames"] += 1
        groups.add(frame.group)
        for row, value in enumerate((frame.valence, frame.arousal)):
            spread[row, min(int((value + 1) / 2 * _BINS), _BINS - 1)] += 1
    table = Table("part", "frames", "persons or videos", title=f"{LAYOUTS[kind].title}: {path}")
    for part, (count, groups) in parts.items():
        table.add_row(part, str(count["frames"]), str(len(groups)))
    console = Console()
    console.print(table)
    if reading.dropped:
        dropped = Table("left out", "labels")
        for reason, number in reading.dropped.most_common():
            dropped.add_row(reason, str(number))
        console.print(dropped)
    for line in _histogram(spread):
        console.print(line, highlight=False, markup=False)


def _opened(frames: list[LabelledFrame], reading: Reading) -> Iterator[LabelledFrame]:
    with Progress("pictures", len(frames), every=10000) as progress:
        for frame, pixels in open_frames(frames):
            progress.advance()
            if pixels is None:
                reading.read -= 1
                reading.drop("the video ends before the frame")
            else:
                yield frame


def _histogram(spread: NDArray[np.int64]) -> Iterator[str]:
    top = max(int(spread.max()), 1)
    for name, row in zip(("valence", "arousal"), spread, strict=True):
        yield f"{name}:"
        for number, count in enumerate(row):
            low = 2 * number / _BINS - 1
            yield f"  {low:+.1f} to {low + 2 / _BINS:+.1f} {'#' * round(_BAR * count / top):<{_BAR}} {count}"
