"""`fit`: the network learns from one's own labelled faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from convert.commands.options import RunOption, SeedOption
from convert.errors import RefusedError


def fit(
    labels: Annotated[
        Path, typer.Argument(help="CSV: image, valence, arousal; also group, split, weight. Or KIND=PATH.")
    ],
    out: RunOption = Path("out/mine"),
    start: Annotated[
        str, typer.Option("--start", help="shipped, random, or the folder of a run: weights to begin with.")
    ] = "shipped",
    kit: Annotated[
        Path | None, typer.Option("--kit", help="Folder of the kit's data sets, to learn from besides.")
    ] = None,
    landmarker: Annotated[
        Path | None,
        typer.Option("--landmarker", help="MediaPipe's face_landmarker.task: faces' landmarks become targets too."),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="Name of the recipe; default: fit, or fit-random.")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="At most, instead of the recipe's.")] = None,
    seed: SeedOption = None,
) -> None:
    """Trains on your own labelled faces and quantizes; goes on where it was interrupted. Nothing else is needed.

    At least 30 faces of 10 persons. Beside labels.csv, labels.source.json says whose pictures they are. Of the persons,
    15 % (test; of few ten, or a third) are only looked at by `convert test`, 15 % (dev; of few five) say when to stop,
    and the others are learned from; `group` says who is in a picture, and `split` may say where it belongs. The faces
    are kept in OUT/pictures until you delete it. Exit code 10: no epoch was better on dev than the start.

    Example: python -m convert fit labels.csv --out out/mine

    A published data set, see `datasets`: python -m convert fit affwild2=/data/Aff-Wild2 --out out/mine
    """
    from convert.faces.kit import kit_faces
    from convert.faces.layouts import read_own
    from convert.teacher.landmarker import FaceLandmarker
    from convert.train.fit import begin
    from convert.train.fit import fit as run_fit
    from convert.train.recipe import change_epochs
    from convert.train.run import Run

    chosen = begin(start, recipe, seed)
    if epochs is not None:
        chosen = change_epochs(chosen, epochs)
    found = run_fit(
        Run(out),
        chosen,
        read_own(labels),
        start=start,
        kit=kit_faces(kit) if kit is not None else None,
        landmarker=FaceLandmarker(landmarker) if landmarker is not None else None,
    )
    if found is None:  # only an interruption
        return
    console = Console(soft_wrap=True, highlight=False)
    counts = ", ".join(f"{split} {count}" for split, count in found.faces.items())
    console.print(f"faces: {counts}" + "".join(f"; {count} left out: {why}" for why, count in found.left_out.items()))
    if found.before is not None:
        console.print("dev, start:  CCC valence {:.3f}, arousal {:.3f}".format(*found.before))
    console.print("dev, fitted: CCC valence {:.3f}, arousal {:.3f}".format(*found.after))
    if not found.learned:
        raise RefusedError(f"{out}: no epoch was better on dev than the start", "label more faces, or other ones")
    console.print(f"next: python -m convert test {out}; python -m convert pack --run {out} --out {out}/bundle")
