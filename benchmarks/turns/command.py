"""`python -m benchmarks turns`: the cost of a frame and of a face beside that of another checkout."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from convert.errors import DataError
from convert.progress import Progress
from edge.values import UInt8Array

WORKER = Path(__file__).with_name("worker.py")
CHECKOUT = Path(__file__).resolve().parents[2]
_FRAMES = 90  # a round: three seconds at 30 frames a second


def turns(
    other: Annotated[Path, typer.Option("--other", help="Another checkout, of the same or an earlier commit.")],
    faces: Annotated[str, typer.Option("--faces", help="Drawn faces, at least two numbers, with commas.")] = "1,4,8",
    rounds: Annotated[int, typer.Option("--rounds", min=6, help="Of each checkout, in turns.")] = 15,
    size: Annotated[str, typer.Option("--size", help="Of a frame; the drawn 640x480 lie in its middle.")] = "640x480",
    search: Annotated[bool, typer.Option("--search", help="Only finding and following faces, a step.")] = False,
) -> None:
    """Compare the processor time of a frame and of a face with that of another checkout, on the same drawn frames.

    Both devices run in processes of their own and take turns, so what else the machine does falls on both. Ratios are
    taken within a round; below 1, this checkout needs less. A face's cost is what a frame costs more for each face.

    Example: python -m benchmarks turns --other ../before
    """
    from rich.table import Table

    from benchmarks.record import median_figure
    from benchmarks.screen import open_screen

    counts = sorted({int(word) for word in faces.split(",")})
    found = {}
    with Progress("turns", len(counts) * rounds, every=rounds) as progress:
        for count in counts:
            found[count] = time_turns(other, count, rounds, progress.advance, size=size, search=search)
    table = Table("", "other, ms", "this, ms", "ratio", title=f"{CHECKOUT.name} beside {other}, {rounds} rounds")
    unit = "a search" if search else "a frame"
    rows = {f"{unit}, {count} faces": spent for count, spent in found.items()}
    if len(counts) > 1:
        rows["a face"] = (found[counts[-1]] - found[counts[0]]) / (counts[-1] - counts[0])
    for name, spent in rows.items():
        ratio = median_figure(spent[:, 1] / spent[:, 0], digits=3)
        shown = "" if ratio is None else f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"
        before, now = np.median(spent, axis=0)
        table.add_row(name, f"{before:.3f}", f"{now:.3f}", shown)
    open_screen().print(table)


def time_turns(
    other: Path,
    faces: int,
    rounds: int,
    advance: Callable[[], None] = lambda: None,
    *,
    size: str = "640x480",
    search: bool = False,
) -> NDArray[np.float64]:
    """Milliseconds a frame or a search, float64 (rounds, 2): of the other checkout and of this one.

    Raises:
        DataError: a checkout's device does not start, or the size is smaller than the drawn pictures.
    """
    from edge.cli.bench.crowd import draw_crowd

    with TemporaryDirectory(prefix="affect-edge-turns-") as folder:
        pictures = [_enlarge(picture, size) for picture in draw_crowd(faces)]
        path = Path(folder) / "frames.npy"
        np.save(path, np.stack([pictures[n % len(pictures)] for n in range(_FRAMES)]))
        places = (other, CHECKOUT)
        workers = [
            subprocess.Popen(
                [sys.executable, str(WORKER), str(path), "search" if search else "frame"],
                cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            )
            for place in places
        ]  # fmt: skip
        try:
            for place, worker in zip(places, workers, strict=True):  # the first round is not counted
                _ask(worker.stdin, worker.stdout, place)
            spent = np.zeros((rounds, 2))
            for number in range(rounds):
                for which in (number % 2, 1 - number % 2):
                    spent[number, which] = _ask(workers[which].stdin, workers[which].stdout, places[which])
                advance()
            return spent
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()


def _enlarge(picture: UInt8Array, size: str) -> UInt8Array:
    """Grey all around a picture."""
    width, height = (int(side) for side in size.split("x"))
    down, across = height - picture.shape[0], width - picture.shape[1]
    if down < 0 or across < 0:
        raise DataError(f"--size {size}: the drawn pictures are larger")
    edges = ((down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0))
    return np.pad(picture, edges, constant_values=128)


def _ask(stdin: IO[str] | None, stdout: IO[str] | None, place: Path) -> float:
    if stdin is None or stdout is None:
        raise RuntimeError("a worker without pipes")
    try:
        stdin.write("\n")
        answer = stdout.readline()
    except BrokenPipeError:
        answer = ""
    if not answer:
        raise DataError(f"{place}: its device does not start; see above")
    return float(answer)
