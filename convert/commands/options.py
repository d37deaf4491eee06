"""Options that several verbs share, and how a recipe is changed by them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from convert.errors import DataError
from convert.faces.collection import OWN, data_root
from convert.studio.jobs import StudioFiles
from convert.studio.stage import Studio
from convert.teacher.regressor import TeacherLabels
from convert.train.material import Material
from convert.train.recipe import Recipe, find_recipe
from convert.train.run import Run
from convert.train.stages import TEACHER_LABELS, make_teacher

DataOption = Annotated[Path, typer.Option("--data", help="Folder of the data sets (or the one above it).")]
RunOption = Annotated[Path, typer.Option("--out", help="The run's folder; an interrupted run goes on there.")]
RecipeOption = Annotated[str, typer.Option("--recipe", help="Name of the recipe.")]
EpochsOption = Annotated[
    int | None, typer.Option("--epochs", min=1, help="Epochs of each of the backbone's trainings, not the recipe's.")
]
HeadEpochsOption = Annotated[int | None, typer.Option("--head-epochs", min=1, help="Head epochs, likewise.")]
NetworkOption = Annotated[
    str | None,
    typer.Option("--network", help="shallow, deep, lstm, or your own as module:function; instead of the recipe's."),
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed instead of the recipe's.")]
DatasetOption = Annotated[
    list[str] | None,
    typer.Option("--dataset", help="Another data set as KIND=PATH, see `datasets`; may be given several times."),
]
TeacherOption = Annotated[
    Path | None, typer.Option("--teacher", help="Folder that `teacher` wrote; without it, the run makes its own.")
]
BundleOption = Annotated[Path | None, typer.Option("--bundle", help="Folder or ZIP; default: the shipped one.")]
FromRunOption = Annotated[Path | None, typer.Option("--run", help="A run's folder, instead of weights and recipe.")]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", help="Folder of the bundle's backbone.npz and head.npz; default: the shipped."),
]
LandmarkerOption = Annotated[
    Path | None,
    typer.Option("--landmarker", help="MediaPipe's face_landmarker.task; default: models/ beside the data sets."),
]


def changed_recipe(
    name: str, epochs: int | None, head_epochs: int | None, seed: int | None, network: str | None = None
) -> Recipe:
    """A recipe by name, with what the user said instead.

    Raises:
        DataError: there is no such recipe, or it begins with the weights of another network than the one asked for.
    """
    recipe = find_recipe(name)
    if network is not None:
        if recipe.backbone.grown and network != recipe.backbone.network:
            raise DataError(f"recipe {name} begins with weights that network {network} cannot take; use recipe default")
        recipe = msgspec.structs.replace(recipe, backbone=msgspec.structs.replace(recipe.backbone, network=network))
    if epochs is not None:
        further = tuple(msgspec.structs.replace(each, epochs=epochs) for each in recipe.backbone.further)
        backbone = msgspec.structs.replace(recipe.backbone, epochs=epochs, further=further)
        recipe = msgspec.structs.replace(recipe, backbone=backbone)
    if head_epochs is not None:
        recipe = msgspec.structs.replace(recipe, head=msgspec.structs.replace(recipe.head, epochs=head_epochs))
    return recipe if seed is None else msgspec.structs.replace(recipe, seed=seed)


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
