"""From trained weights to the device's graphs, and what quantization costs on dev."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convert.metrics import TARGETS, ccc, rmse
from convert.predict.evaluation import NS, answer_frames, embed_crop
from convert.progress import Progress
from convert.quantize.export import export_backbone, export_head
from convert.quantize.recipes import DEFAULT, QuantizationRecipe, find_quantization
from convert.quantize.tensors import describe_backbone
from convert.train.data import Part, calibration_crops, dev_sets
from convert.train.phases import BACKBONE, HEAD
from convert.train.recipe import Recipe
from convert.train.run import Run, load_weights
from convert.train.targets import AUXILIARY
from edge.affect.backbone import Backbone
from edge.model.engines.litert import LiteRtEngine
from edge.values import UInt8Array


def open_backbone(graph: bytes, recipe: Recipe | None = None) -> Backbone:
    """The device's backbone on a graph of a run; with a recipe it mirrors every second step, if that says so."""
    mirror_ns = round(recipe.head.step_s * NS) if recipe is not None and recipe.head.mirror else 0
    return Backbone(LiteRtEngine(graph, name="backbone.tflite"), describe_backbone(graph), mirror_ns)


def calibrate_on(parts: Sequence[Part], recipe: Recipe) -> UInt8Array:
    """The crops that a run's int8 ranges are measured on: uint8 (N, S, S, 3), RGB."""
    return calibration_crops(parts, recipe.calibration, recipe.backbone.size, recipe.seed)


def quantize_run(
    run: Run, recipe: Recipe, parts: Sequence[Part], way: QuantizationRecipe | None = None
) -> dict[str, Any]:
    """Writes `backbone.tflite`, `float32.tflite`, where the head is trained `head.tflite`, and `quantization.json`.

    Returns:
        The record: the graphs' bytes, and of the backbone's frame answers on dev the CCC of both graphs, and the root
        mean square and largest difference between them.
    """
    way = way or find_quantization(DEFAULT)
    images = calibrate_on(parts, recipe)
    with Progress(f"{way.name}, some minutes", 1, every=1) as progress:
        weights = load_weights(run.path(BACKBONE))
        made = export_backbone(weights, recipe, images, blendshapes=len(AUXILIARY), way=way)
        progress.advance()
    run.path("float32.tflite").write_bytes(made.float32)
    run.path("backbone.tflite").write_bytes(made.backbone)
    if run.path(HEAD).is_file():
        write_head(run, recipe, images, way)
    graphs = {way.backbone: made.backbone, "float32": made.float32}
    report: dict[str, Any] = {"recipe": way.name, "bytes": {kind: len(graph) for kind, graph in graphs.items()}}
    sets = dev_sets(parts, recipe.backbone.size)
    if sets:
        _, crops, rated = sets[0]
        answers = {kind: answer_frames(open_backbone(graph), crops) for kind, graph in graphs.items()}
        report["ccc"] = {
            kind: {target: round(ccc(rated[:, t], va[:, t]), 4) for t, target in enumerate(TARGETS)}
            for kind, va in answers.items()
        }
        report["rms"] = rmse(answers["float32"], answers[way.backbone])
        report["max"] = float(np.max(np.abs(answers[way.backbone] - answers["float32"])))
    run.write_json("quantization.json", report)
    return report


def write_head(run: Run, recipe: Recipe, images: UInt8Array, way: QuantizationRecipe | None = None) -> None:
    """Writes `head.tflite`; an integer head is calibrated on what the int8 backbone says of these crops."""
    way = way or find_quantization(DEFAULT)
    embeddings = None
    if way.head.startswith("int"):
        backbone = open_backbone(run.read("backbone.tflite", "quantize"))
        embeddings = np.stack([embed_crop(backbone, image).vector for image in images])
    head = export_head(load_weights(run.path(HEAD)), recipe, way=way, embeddings=embeddings)
    run.path("head.tflite").write_bytes(head)
