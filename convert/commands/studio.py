"""`studio`: made faces and an act to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from convert.commands.options import DataOption, LandmarkerOption, obtain_teacher, open_studio
from convert.faces.collection import data_root
from convert.studio.show import write_clip, write_sheet
from convert.train.material import Material
from convert.train.recipe import StudioRecipe, find_recipe
from convert.train.run import Run


def studio(
    data: DataOption = Path("../shared/data"),
    out: Annotated[Path, typer.Option("--out", help="Folder for sheet, clip and what they are made from.")] = Path(
        "out/studio"
    ),
    count: Annotated[int, typer.Option("--count", min=1, help="Faces on the sheet.")] = 60,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides what is drawn.")] = 20,
    landmarker: LandmarkerOption = None,
) -> None:
    """Makes faces with other expressions, turns and lamps, and an act of some seconds, and writes them to look at.

    Leaves `sheet.png` (each face with its valence and arousal), `act.mp4` and `act.csv` in the folder. No photograph
    of a person is among what they are made from.

    Example: python -m convert studio --data ../shared/data --out out/studio --count 60
    """
    recipe = msgspec.structs.replace(
        find_recipe("default"), seed=seed, studio=StudioRecipe(stills=count, held=0, sequences=1, held_sequences=0)
    )
    run = Run(out)
    run.start(recipe)
    labels = obtain_teacher(data, run.path("teacher"), None, landmarker, seed)
    made = open_studio(run, recipe, Material(data_root(data), labels, recipe), data, landmarker)
    if made is None:
        return
    write_sheet(run.path("sheet.png"), *made.stills())
    ((act, va),) = made.acts(recipe.head)
    write_clip(run.path("act.mp4"), act, va, recipe.head.step_s)
    Console().print(f"{run.path('sheet.png')}\n{run.path('act.mp4')}\n{run.path('act.csv')}")
