"""`networks`: what each network costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.networks.cost import count_macs, count_parameters
from convert.package.golden import draw_images
from convert.progress import Progress
from convert.quantize.export import export_backbone
from convert.train.recipe import BackboneRecipe, Recipe

BEGIN, END = "<!-- networks: written by the command -->\n", "<!-- /networks -->"
_SHIPPED, _PAPERS = (BackboneRecipe().size, BackboneRecipe().width), (299, 1.0)  # size and width
_HEADER = "| network | blocks A · B · C | input px | width | parameters | MACs | KB |\n|---|---|---|---|---|---|---|"
_BLOCKS = {"shallow": "1 · 1 · 1", "deep": "5 · 10 · 5"}


def networks(
    size: Annotated[int | None, typer.Option("--size", min=32, max=512, help="Side of the input, pixels.")] = None,
    width: Annotated[
        float | None, typer.Option("--width", min=0.01, max=2.0, help="Channels, 1 = the paper's.")
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option("--network", help="This one instead of all; module:function for your own.")
    ] = None,
    write: Annotated[Path | None, typer.Option("--write", help="Also write the table into this page.")] = None,
) -> None:
    """Builds, quantizes and exports each network with random weights and counts parameters, MACs and bytes.

    Without --size and --width: the shipped bundle's and the paper's, which takes some minutes. No data is needed.

    Example: python -m convert networks --size 96 --width 0.5
    """
    settings = [_SHIPPED, _PAPERS]
    if size is not None or width is not None:
        settings = [(size or _SHIPPED[0], width or _SHIPPED[1])]
    wanted = [(name, *setting) for setting in settings for name in network or _BLOCKS]
    rows = [_HEADER]
    with Progress("networks", len(wanted), every=1) as progress:
        for each in wanted:
            rows.append(measure(*each))
            progress.advance()
    print(table := "\n".join(rows))
    if write is not None:
        before, _, rest = write.read_text().partition(BEGIN)
        write.write_text(f"{before}{BEGIN}{table}\n{END}{rest.partition(END)[2]}")


def measure(network: str, size: int, width: float) -> str:
    """One row of the table (Markdown).

    Raises:
        DataError: there is no such network, or it is not what is asked of one.
        TrainingError: it cannot be made an int8 graph.
    """
    from convert.networks.backbone import build_backbone
    from convert.networks.keras_runtime import seed_everything

    seed_everything(0)
    recipe = Recipe(name="table", backbone=BackboneRecipe(network=network, size=size, width=width))
    weights = build_backbone(recipe.backbone, blendshapes=1).get_weights()
    # Neither size nor operations depend on the pictures.
    graph = export_backbone(weights, recipe, draw_images(size, count=2), blendshapes=1).backbone
    cells = (
        f"`{network}`",
        _BLOCKS.get(network, "your own"),
        str(size),
        f"{width:g}",
        f"{count_parameters(graph) / 1e6:.2f} M",
        f"{count_macs(graph) / 1e6:.0f} M",
        f"{len(graph) / 1e3:.0f}",
    )
    return f"| {' | '.join(cells)} |"
