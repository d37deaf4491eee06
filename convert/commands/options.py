"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.faces.kit import data_root

DataOption = Annotated[Path, typer.Option("--data", help="Folder of the data sets (or the one above it).")]
RunOption = Annotated[Path, typer.Option("--out", help="The run's folder; an interrupted run goes on there.")]
RecipeOption = Annotated[str, typer.Option("--recipe", help="Name of the recipe.")]
NetworkOption = Annotated[
    str | None,
    typer.Option("--network", help="shallow, deep, or your own as module:function; instead of the recipe's."),
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed instead of the recipe's.")]
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
