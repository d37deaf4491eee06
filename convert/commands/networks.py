"""`networks`: what each network costs, beside what its paper says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.networks.network_table import PAPER, measure_network, write_page, write_table
from convert.progress import Progress
from convert.train.recipe import BackboneRecipe

_PAPERS = (299, 1.0)  # size and width
_SHIPPED = (BackboneRecipe().size, BackboneRecipe().width)


def networks(
    size: Annotated[int | None, typer.Option("--size", min=32, max=512, help="Side of the input, pixels.")] = None,
    width: Annotated[
        float | None, typer.Option("--width", min=0.01, max=2.0, help="Channels, 1 = the paper's.")
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option("--network", help="This one instead of all; module:function for your own.")
    ] = None,
    write: Annotated[Path | None, typer.Option("--write", help="Also write the page here (Markdown).")] = None,
) -> None:
    """Builds, quantizes and exports each network with random weights and counts parameters, MACs and bytes.

    Without --size and --width: the shipped bundle's and the paper's, which takes some minutes. No data is needed.

    Example: python -m convert networks --size 96 --width 0.5
    """
    settings = [_SHIPPED, _PAPERS]
    if size is not None or width is not None:
        settings = [(size or _SHIPPED[0], width or _SHIPPED[1])]
    wanted = [(name, *setting) for setting in settings for name in network or PAPER]
    costs = []
    with Progress("networks", len(wanted), every=1) as progress:
        for each in wanted:
            costs.append(measure_network(*each))
            progress.advance()
    print(write_table(costs))
    if write is not None:
        write.write_text(write_page(costs))
