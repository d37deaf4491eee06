"""Options that several verbs share, and how a recipe is changed by them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.faces.collection import OWN, data_root
from convert.studio.stage import Studio
from convert.studio.stills import StudioFiles
from convert.teacher.regressor import TeacherLabels
from convert.train.material import Material
from convert.train.recipe import Recipe
from convert.train.run import Run
from convert.train.stages import TEACHER_LABELS, make_teacher

DataOption = Annotated[Path, typer.Option("--data", help="Folder of the data sets (or the one above it).")]
RunOption = Annotated[Path, typer.Option("--out", help="The run's folder; an interrupted run goes on there.")]
RecipeOption = Annotated[str, typer.Option("--recipe", help="Name of the recipe.")]
NetworkOption = Annotated[
    str | None,
    typer.Option("--network", help="shallow, deep, or your own as module:function; instead of the recipe's."),
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed instead of the recipe's.")]
TeacherOption = Annotated[
    Path | None, typer.Option("--teacher", help="Folder that `teacher` wrote; without it, the run makes its own.")
]
BundleOption = Annotated[Path | None, typer.Option("--bundle", help="Folder or ZIP; default: the shipped one.")]
FromRunOption = Annotated[Path | None, typer.Option("--run", help="A run's folder, instead of weights and recipe.")]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", help="Folder of the bundle's backbone.npz and head.npz; default: the shipped."),
]
PicturesOption = Annotated[Path, typer.Option("--pictures", help="Folder for cut faces that the run has not.")]
LandmarkerOption = Annotated[
    Path | None,
    typer.Option("--landmarker", help="MediaPipe's face_landmarker.task; default: models/ beside the data sets."),
]


def find_landmarker(data: Path, given: Path | None) -> Path:
    """Where the teacher's file lies: as given, or `models/` beside the data sets."""
    return given or data_root(data).parent / "models" / "face_landmarker.task"


def obtain_teacher(
    data: Path,
    own: Path,
    given: Path | None,
    landmarker: Path | None,
    seed: int,
    *,
    imported: Path | None = None,
) -> TeacherLabels:
    """The labels of the folder given, or of the run's own, made now, imported faces included, unless they are there."""
    if given is not None:
        return TeacherLabels.load(given / TEACHER_LABELS)
    if (own / TEACHER_LABELS).is_file():
        return TeacherLabels.load(own / TEACHER_LABELS)
    return make_teacher(data_root(data), find_landmarker(data, landmarker), own, seed=seed, imported=imported)


def open_studio(run: Run, recipe: Recipe, material: Material, data: Path, landmarker: Path | None) -> Studio | None:
    """The studio of a run, unless its recipe makes nothing there."""
    if not (recipe.studio.stills or recipe.studio.sequences):
        return None
    files = StudioFiles(data_root(data) / "ict_facekit" / "ict_facekit.npz", find_landmarker(data, landmarker))
    generated = [face for face in material.faces if face.source in OWN]  # no real person is made to act
    return Studio(generated, material.teacher, files, recipe.studio, seed=recipe.seed, folder=run.path("studio"))
