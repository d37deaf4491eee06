"""Weights in, device graphs out, each checked to be what the device needs. Imports no TensorFlow itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from convert.errors import TrainingError
from convert.quantize.graph import float_operators
from convert.quantize.recipes import DEFAULT, QuantizationRecipe, find_quantization
from convert.train.recipe import Recipe
from edge.affect.backbone import PIXEL_SCALE
from edge.model.engines.litert import LiteRtEngine
from edge.values import Float32Array, UInt8Array

_TIMEOUT_S = 900


class BackboneGraphs(NamedTuple):
    """One network as two graphs: what the device runs, and what quantization is compared with."""

    backbone: bytes
    float32: bytes


def export_backbone(
    weights: list[Any], recipe: Recipe, images: UInt8Array, *, blendshapes: int, way: QuantizationRecipe | None = None
) -> BackboneGraphs:
    """The backbone's graphs: quantized as the recipe says, and float32.

    Args:
        weights: as `train_backbone` returns them.
        recipe: of the network.
        images: uint8 (N, S, S, 3) RGB, device crops to calibrate on.
        blendshapes: length of the auxiliary output, which is left out of the graph.
        way: how to quantize; None for the default.

    Raises:
        TrainingError: the converter failed, an operator of an int8 graph is left in floating point, or its input's
            grid is not the pixels' own.
    """
    way = way or find_quantization(DEFAULT)
    extremes = np.zeros((1, *images.shape[1:]), np.uint8)
    extremes[0, : images.shape[1] // 2] = 255  # so that the input spans exactly 0..255: scale 1/127.5, zero point −1
    job = {"images": np.concatenate([images, extremes]), "blendshapes": blendshapes}
    found = convert("backbone", BackboneGraphs._fields, weights, recipe, way, job)
    graphs = BackboneGraphs(**found)
    if way.backbone != "int8":
        return graphs
    left = float_operators(graphs.backbone)
    if left:
        raise TrainingError(f"the int8 graph has {len(left)} operators in floating point, first {left[0]}")
    spec = LiteRtEngine(graphs.backbone, name="backbone.tflite").inputs["image"]
    if abs(spec.scale - PIXEL_SCALE) > 1e-7 or spec.zero_point != -1:
        raise TrainingError(f"the int8 input has scale {spec.scale} and zero point {spec.zero_point}")
    return graphs


def export_head(
    weights: list[Any],
    recipe: Recipe,
    *,
    way: QuantizationRecipe | None = None,
    embeddings: Float32Array | None = None,
) -> bytes:
    """The head's graph, its inputs and outputs float32 in every case.

    Args:
        weights: as `train_head` returns them.
        recipe: of the network.
        way: how to quantize; None for the default, which does not.
        embeddings: float32 (T, D) in the order of a stream, to calibrate an integer head on.

    Raises:
        TrainingError: the converter failed, or an integer head has nothing to calibrate on.
    """
    way = way or find_quantization(DEFAULT)
    if not way.head.startswith("int"):
        return convert("head", ("head",), weights, recipe, way, {})["head"]
    if embeddings is None or not len(embeddings):
        raise TrainingError(f"{way.name}: a head in integers needs embeddings to calibrate on")
    samples = _walk(export_head(weights, recipe), embeddings, recipe.head.units)
    return convert("head", ("head",), weights, recipe, way, samples)["head"]


def _walk(graph: bytes, embeddings: Float32Array, units: int) -> dict[str, Float32Array]:
    """What the float step meets on its way along a stream: `embedding`, `h` and `c`, each (T, ·)."""
    engine = LiteRtEngine(graph, name="head.tflite")
    h = c = np.zeros((1, units), np.float32)
    met = []
    for embedding in embeddings:
        met.append((embedding, h[0], c[0]))
        out = engine.invoke({"embedding": embedding[None], "h": h, "c": c})
        h, c = out["next_h"], out["next_c"]
    return {
        name: np.stack(values) for name, values in zip(("embedding", "h", "c"), zip(*met, strict=True), strict=True)
    }


def convert(
    kind: str,
    names: tuple[str, ...],
    weights: list[Any],
    recipe: Recipe,
    way: QuantizationRecipe,
    extra: Mapping[str, Any],
) -> dict[str, bytes]:
    """Runs `converter` in a process of its own; see its `main` for `kind` and `extra`.

    Returns:
        The files it wrote, by `names`.

    Raises:
        TrainingError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        job = Path(scratch) / "job.npz"
        numbered = {f"w{n}": weight for n, weight in enumerate(weights)}
        said = {"recipe": msgspec.json.encode(recipe).decode(), "way": msgspec.json.encode(way).decode()}
        np.savez(job, kind=kind, **said, **numbered, **extra)  # type: ignore[arg-type]
        done = run_converter(job, Path(scratch))
        if done.returncode != 0:
            raise TrainingError(
                f"the {kind} graph: the converter ended with {done.returncode} ({_reason(done.stderr)})"
            )
        return {name: (Path(scratch) / name).read_bytes() for name in names}


def run_converter(job: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """One job in a new process, which sees the modules that this one sees; it leaves its files in the folder."""
    return subprocess.run(
        [sys.executable, "-m", "convert.quantize.converter", str(job), str(folder)],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def _reason(said: str) -> str:
    """What the converter ended for: the operators that do not exist on a device, or else its last line."""
    missing = dict.fromkeys(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", said))
    if missing:
        return f"TensorFlow Lite has no {', '.join(missing)}; the network must do without"
    last = said.strip().splitlines()[-1:] or ["no message"]
    return last[0][:200]
