"""`train`: backbone, its int8 graph, and the head on top of it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from convert.commands.evaluate import print_evaluation
from convert.commands.options import (
    DataOption,
    DatasetOption,
    EpochsOption,
    HeadEpochsOption,
    LandmarkerOption,
    NetworkOption,
    RecipeOption,
    RunOption,
    SeedOption,
    TeacherOption,
    changed_recipe,
    obtain_teacher,
    open_studio,
)
from convert.errors import DataError
from convert.faces.collection import data_root
from convert.faces.finder import FaceFinder
from convert.faces.imported import IMPORTED, DatasetPath, import_dataset
from convert.package.trained import WEIGHTS
from convert.train.end_to_end_stage import train_end_to_end_stage
from convert.train.head_stage import train_head_stage
from convert.train.material import Material
from convert.train.recipe import LSTM_NETWORK
from convert.train.run import Run
from convert.train.stages import check_network, evaluate_stage, quantize_stage, record_data, train_backbone_stage


class Stage(str, Enum):
    """Which part to train. The head learns from the int8 backbone's embeddings, so the graph comes between."""

    ALL = "all"
    BACKBONE = "backbone"
    HEAD = "head"


def train(
    data: DataOption = Path("../shared/data"),
    out: RunOption = Path("out/default"),
    recipe: RecipeOption = "default",
    epochs: EpochsOption = None,
    head_epochs: HeadEpochsOption = None,
    seed: SeedOption = None,
    teacher: TeacherOption = None,
    landmarker: LandmarkerOption = None,
    start: Annotated[
        Path | None, typer.Option("--start", help="Backbone weights to begin with, as convert/weights/backbone.npz.")
    ] = None,
    stage: Annotated[Stage, typer.Option("--stage", help="Which part to train.")] = Stage.ALL,
    network: NetworkOption = None,
    dataset: DatasetOption = None,
) -> None:
    """Trains; goes on where an interrupted run stopped.

    `all` trains the backbone, quantizes it and trains the head on its int8 embeddings. With `--stage backbone`, then
    `quantize`, then `--stage head`, the same in three commands.

    A `--dataset` is read once and its faces are kept in the run's folder; later stages take them from there. What its
    terms forbid, they forbid for the weights too: `pack` then asks for `--research-only`.

    Example: python -m convert train --data ../shared/data --out out/default

    `--network lstm` trains backbone and head together on short sequences; `--network module:function` takes a network
    of your own: docs/networks.md.

    On data of your own: python -m convert train --recipe finetune --start convert/weights/backbone.npz --out out/mine
    --dataset csv=labels.csv
    """
    chosen = changed_recipe(recipe, epochs, head_epochs, seed, network)
    together = chosen.backbone.network == LSTM_NETWORK
    if together and (stage is not Stage.ALL or start is not None):
        raise DataError("network lstm: backbone and head are trained together; leave out --stage and --start")
    root = data_root(data)
    check_network(chosen.backbone)
    if chosen.backbone.grown and start is None:
        start = WEIGHTS / "backbone.npz"
    run = Run(out)
    run.start(chosen)
    imported = run.path(IMPORTED)
    for each in dataset or []:
        import_dataset(DatasetPath.parse(each), imported, FaceFinder())
    labels = obtain_teacher(data, run.path("teacher"), teacher, landmarker, chosen.seed, imported=imported)
    record_data(run, root, chosen.seed, start)
    material = Material(root, labels, chosen, imported=imported)
    studio = open_studio(run, chosen, material, data, landmarker)
    if together:
        train_end_to_end_stage(run, chosen, material, studio)
    elif stage is not Stage.HEAD:
        train_backbone_stage(run, chosen, material, studio, start=start)
    if stage is Stage.ALL:
        quantize_stage(run, chosen, material)
    if stage is not Stage.BACKBONE:
        if not together:
            train_head_stage(run, chosen, material, studio)
        found = evaluate_stage(run, chosen, material)
        if found is not None:
            print_evaluation(found, "Held-out part, int8, device path")
