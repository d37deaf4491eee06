"""`recipe`: everything from data to a bundle in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.commands.options import DataOption, LandmarkerOption, NetworkOption, SeedOption
from convert.commands.pack import pack
from convert.commands.train import Stage, train


def recipe(
    name: Annotated[str, typer.Argument(help="Name of the recipe.")] = "default",
    data: DataOption = Path("../shared/data"),
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder; default out/NAME.")] = None,
    version: Annotated[int, typer.Option("--version", min=1, help="Of the bundle.")] = 1,
    seed: SeedOption = None,
    landmarker: LandmarkerOption = None,
    network: NetworkOption = None,
) -> None:
    """Teacher, studio, backbone, int8 graph, head and bundle (OUT/bundle); goes on where it stopped.

    Example: python -m convert recipe default --data ../shared/data --version 2
    """
    folder = out or Path("out") / name
    train(data, folder, name, None, None, seed, None, landmarker, None, Stage.ALL, network)
    pack(folder, folder / "bundle", name, version, None, None)
