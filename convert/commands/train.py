"""`train`: the kit's recipe, from its data to graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from convert.commands.options import DataOption, LandmarkerOption, NetworkOption, SeedOption, find_landmarker
from convert.errors import DataError
from convert.train.recipe import RECIPES, change_epochs, find_recipe


def train(
    recipe: Annotated[str, typer.Argument(help=f"Name of the recipe: {', '.join(RECIPES)}.")] = "default",
    data: DataOption = Path("../shared/data"),
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder; default out/RECIPE.")] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Of each of the backbone's phases, not the recipe's.")
    ] = None,
    head_epochs: Annotated[int | None, typer.Option("--head-epochs", min=1, help="Of the head, likewise.")] = None,
    seed: SeedOption = None,
    network: NetworkOption = None,
    start: Annotated[
        Path | None, typer.Option("--start", help="Backbone weights to begin with, as convert/weights/backbone.npz.")
    ] = None,
    landmarker: LandmarkerOption = None,
) -> None:
    """Faces, teacher, studio, backbone, int8 graph and head in one command; goes on where an interrupted run stopped.

    Then `report` measures the run and `pack` makes a bundle of it. On your own faces: `fit`.

    Example: python -m convert train default --data ../shared/data --out out/default

    A network of your own: python -m convert train --network module:function (docs/networks.md)
    """
    from convert.networks.registry import build_features
    from convert.train.kit import Kit, train_kit
    from convert.train.run import Run

    chosen = find_recipe(recipe)
    if network is not None:
        if chosen.start != "random" and network != chosen.backbone.network:
            raise DataError(
                f"recipe {recipe}: begins with weights that network {network} cannot take", "use recipe default"
            )
        backbone = msgspec.structs.replace(chosen.backbone, network=network)
        chosen = msgspec.structs.replace(chosen, backbone=backbone)
    if epochs is not None or head_epochs is not None:
        chosen = change_epochs(chosen, epochs, head_epochs)
    if seed is not None:
        chosen = msgspec.structs.replace(chosen, seed=seed)
    build = chosen.backbone
    build_features(build.network, build.size, build.width, build.pooling)  # what is wrong is said now
    run = Run(out or Path("out") / recipe)
    kit = Kit(run, chosen, data, find_landmarker(data, landmarker))
    if train_kit(kit, run, chosen, start=start):
        print(f"{run.folder}: trained; next: python -m convert report --run {run.folder}")
