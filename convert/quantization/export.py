"""Weights in, device graphs out, each checked to be what the device needs. Imports no TensorFlow itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from convert.errors import TrainingError
from convert.quantization.graph import float_operators
from convert.recipe import Recipe
from edge.affect.backbone import PIXEL_SCALE
from edge.engines.litert import LiteRtEngine
from edge.types import UInt8Array

_TIMEOUT_S = 900


class BackboneGraphs(NamedTuple):
    """One network as two graphs: what the device runs, and what quantization is compared with."""

    int8: bytes
    float32: bytes


def export_backbone(weights: list[Any], recipe: Recipe, images: UInt8Array, *, blendshapes: int) -> BackboneGraphs:
    """The backbone's graphs, int8 by post-training quantization, and float32.

    Args:
        weights: as `train_backbone` returns them.
        recipe: of the network.
        images: uint8 (N, S, S, 3) RGB, device crops to calibrate on.
        blendshapes: length of the auxiliary output, which is left out of the graph.

    Raises:
        TrainingError: the converter failed, an operator is left in floating point, or the input's grid is not
            the pixels' own.
    """
    extremes = np.zeros((1, *images.shape[1:]), np.uint8)
    extremes[0, : images.shape[1] // 2] = 255  # so that the input spans exactly 0..255: scale 1/127.5, zero point −1
    job = {"images": np.concatenate([images, extremes]), "blendshapes": blendshapes}
    graphs = BackboneGraphs(**_convert("backbone", ("int8", "float32"), weights, recipe, job))
    left = float_operators(graphs.int8)
    if left:
        raise TrainingError(f"the int8 graph has {len(left)} operators in floating point, first {left[0]}")
    spec = LiteRtEngine(graphs.int8, name="backbone.tflite").inputs["image"]
    if abs(spec.scale - PIXEL_SCALE) > 1e-7 or spec.zero_point != -1:
        raise TrainingError(f"the int8 input has scale {spec.scale} and zero point {spec.zero_point}")
    return graphs


def export_head(weights: list[Any], recipe: Recipe) -> bytes:
    """The head's float32 graph.

    Raises:
        TrainingError: the converter failed.
    """
    return _convert("head", ("head",), weights, recipe, {})["head"]


def _convert(
    kind: str, names: tuple[str, ...], weights: list[Any], recipe: Recipe, extra: dict[str, Any]
) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        job = Path(scratch) / "job.npz"
        numbered = {f"w{n}": weight for n, weight in enumerate(weights)}
        np.savez(job, kind=kind, recipe=msgspec.json.encode(recipe).decode(), **numbered, **extra)
        done = subprocess.run(
            [sys.executable, "-m", "convert.quantization.converter", str(job), scratch],
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise TrainingError(
                f"the {kind} graph: the converter ended with {done.returncode} ({_reason(done.stderr)})"
            )
        return {name: (Path(scratch) / f"{name}.tflite").read_bytes() for name in names}


def _reason(said: str) -> str:
    """What the converter ended for: the operators that do not exist on a device, or else its last line."""
    missing = dict.fromkeys(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", said))
    if missing:
        return f"TensorFlow Lite has no {', '.join(missing)}; the network must do without"
    last = said.strip().splitlines()[-1:] or ["no message"]
    return last[0][:200]
