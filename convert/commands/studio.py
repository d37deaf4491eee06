"""`studio`: made faces and an act to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from convert.commands.options import DataOption, LandmarkerOption, find_landmarker
from convert.train.recipe import HeadRecipe


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
    from convert.faces.finder import FaceFinder
    from convert.faces.kit import data_root, kit_faces
    from convert.faces.pictures import find_faces
    from convert.studio.jobs import StudioFiles
    from convert.studio.sets import Studio
    from convert.studio.show import write_clip, write_sheet
    from convert.teacher.landmarker import FaceLandmarker
    from convert.teacher.trees import fit_teacher

    task, head = find_landmarker(data, landmarker), HeadRecipe()
    found = find_faces(kit_faces(data), FaceFinder(), FaceLandmarker(task), out / "pictures")
    teacher = fit_teacher(found.faces, found.pictures, seed=seed)
    files = StudioFiles(data_root(data) / "ict_facekit" / "ict_facekit.npz", task)
    made = Studio(found.faces, files, seed=seed, folder=out / "made")
    stills = made.stills(count)
    said = teacher.predict(stills.clean.blendshapes, stills.clean.rotation)
    write_sheet(out / "sheet.png", stills.pictures.loose, said)
    (act,) = made.acts(1, steps=head.steps, step_s=head.step_s)
    write_clip(out / "act.mp4", act, act.mix @ teacher.predict(act.blendshapes, act.rotation), head.step_s)
    Console().print(f"{out / 'sheet.png'}\n{out / 'act.mp4'}\n{out / 'act.csv'}")
