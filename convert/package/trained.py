"""A trained network in both of its forms: float weights, and the bundle that was made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from convert.errors import DataError
from convert.train.recipe import Recipe, find_recipe
from convert.train.run import WEIGHTS, Run, bundle_of, load_weights
from edge.model.bundle import Bundle, default_bundle, load_bundle


class Trained(NamedTuple):
    """One network.

    Attributes:
        recipe: that it was made by.
        backbone, head: float32 weights, in Keras's order.
        bundle: what a device runs.
    """

    recipe: Recipe
    backbone: list[Any]
    head: list[Any]
    bundle: Bundle


def read_trained(bundle: Path | None, run: Path | None, weights: Path | None, recipe: str) -> Trained:
    """Reads a run, or a bundle with its weights; nothing given is the shipped one.

    Args:
        bundle: a bundle's folder or ZIP; None for the run's own graphs, or the shipped one.
        run: a run's folder, in place of weights and recipe.
        weights: the folder of `backbone.npz` and `head.npz`; None for the shipped bundle's.
        recipe: its name.

    Raises:
        DataError: the weights are not the bundle's.
        TrainingError: weights or a graph are not there.
    """
    if run is not None:
        folder = Run(run)
        made_by = folder.recipe()
        source, graphs = run, load_bundle(bundle) if bundle is not None else bundle_of(folder)
    else:
        made_by = find_recipe(recipe)
        source, graphs = weights or WEIGHTS, load_bundle(bundle or default_bundle())
    found = Trained(made_by, load_weights(source / "backbone.npz"), load_weights(source / "head.npz"), graphs)
    manifest = graphs.manifest
    asked = (made_by.backbone.size, made_by.backbone.embedding, made_by.head.units)
    given = (manifest.crop.size, manifest.head.embedding.shape[-1], manifest.head.h.shape[-1])
    if asked != given:
        raise DataError(
            f"{source}: recipe {made_by.name} has size, embedding and units {asked}, the bundle {given}; "
            "give the bundle's own with --run, or with --weights and --recipe"
        )
    return found
