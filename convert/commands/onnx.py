"""`onnx`: a bundle with ONNX graphs for NVIDIA boards beside its own."""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from convert.commands.options import (
    BundleOption,
    DataOption,
    FromRunOption,
    LandmarkerOption,
    PicturesOption,
    RecipeOption,
    WeightsOption,
    find_landmarker,
)
from convert.errors import DataError, TrainingError
from convert.metrics import rmse
from convert.package.packing import write_folder
from convert.package.trained import read_trained
from convert.predict.evaluation import answer_frames
from convert.predict.subjects import dev_crops, finder
from convert.progress import Progress
from convert.quantize.onnx_export import export_onnx
from convert.quantize.onnx_packing import COMMANDS_FILE, add_onnx
from convert.quantize.tensors import describe_backbone
from convert.train.targets import AUXILIARY
from edge.affect.backbone import Backbone
from edge.model.engines.onnx import OnnxEngine
from edge.output_files import check_output
from edge.values import Float32Array, UInt8Array

_MOST_RMS = 0.02  # of valence and arousal to the float network's


class First(str, Enum):
    """Which graph a device tries first."""

    FP16 = "fp16"
    INT8 = "int8"


def onnx(
    out: Annotated[Path, typer.Option("--out", help="The new bundle's folder.")] = Path("out/onnx"),
    data: DataOption = Path("../shared/data"),
    bundle: BundleOption = None,
    run: FromRunOption = None,
    weights: WeightsOption = None,
    recipe: RecipeOption = "default",
    first: Annotated[First, typer.Option("--first", help="Which a device tries first; int8 is not always faster.")] = (
        First.FP16
    ),
    version: Annotated[int | None, typer.Option("--version", min=1, help="Default: the bundle's, and one.")] = None,
    landmarker: LandmarkerOption = None,
    kept: PicturesOption = Path("out/pictures"),
) -> None:
    """Writes a bundle that also runs on ONNX Runtime and TensorRT: fp16 and QDQ int8 backbones, float32 step.

    The new folder holds everything that the bundle had, so a device without ONNX Runtime goes on as before; and
    `trtexec.sh`, which builds TensorRT engines on a Jetson. Calibrated on device crops of training faces.

    Example: python -m convert onnx --bundle edge/bundles/default --data ../shared/data --out out/jetson

    Of a run of your own: python -m convert onnx --run out/mine --bundle out/mine/bundle --out out/jetson
    """
    check_output("--out", out, bundle, run, weights, emptied=True)
    if run is not None and bundle is None:
        raise DataError(f"{run}: a run names no sources and terms; give what `pack` made of it with --bundle")
    trained = read_trained(bundle, run, weights, recipe)
    task = None if run is not None else find_landmarker(data, landmarker)
    images, _, calibration, title = dev_crops(run, trained.recipe, data=data, find=finder(task, kept))
    shapes = len(AUXILIARY)
    with Progress("ONNX graphs", 1, every=1) as progress:
        graphs = export_onnx(trained.backbone, trained.head, trained.recipe, calibration, blendshapes=shapes)
        progress.advance()
    console = Console()
    table = Table("graph", "bytes", "RMS to float", "at most", title=f"Valence and arousal, {title}, frame")
    wanted = _answer(graphs.float32, images)
    for kind in ("fp16", "int8"):
        given = _answer(getattr(graphs, kind), images)
        rms, largest = rmse(wanted, given), np.abs(given - wanted).max()
        table.add_row(kind, str(len(getattr(graphs, kind))), f"{rms:.4f}", f"{largest:.4f}")
        if rms > _MOST_RMS:
            raise TrainingError(f"the {kind} ONNX graph is {rms:.4f} RMS from the float one, above {_MOST_RMS}")
    console.print(table)
    made = add_onnx(
        trained.bundle,
        graphs,
        first=first.value,
        version=version or trained.bundle.manifest.version + 1,
        created=time.strftime("%Y-%m-%d", time.gmtime()),
    )
    write_folder(made.bundle, out)
    for engine in made.bundle.manifest.engines:
        worst = ", ".join(f"{name} {value:.4f}" for name, value in made.differences[engine.name].items())
        console.print(f"{engine.name}: golden vectors within {engine.tolerance}; here {worst}")
    console.print(f"{out}: {made.bundle.manifest.name} {made.bundle.manifest.version}, {made.bundle.sha256}")
    told = f"\nEngines of TensorRT alone, built on the Jetson: sh {out}/{COMMANDS_FILE} FOLDER, which runs\n"
    commands = made.bundle.files[COMMANDS_FILE].decode()
    console.print(
        told + "\n".join(line for line in commands.splitlines() if line.startswith("trtexec")), soft_wrap=True
    )


def _answer(graph: bytes, images: UInt8Array) -> Float32Array:
    file = "backbone.onnx"
    return answer_frames(Backbone(OnnxEngine(graph, name=file), describe_backbone(graph, file=file)), images)
