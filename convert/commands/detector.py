"""`detector`: the device's face detector from its published ONNX file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from convert.commands.options import DataOption
from convert.detector.calibration import make_pictures
from convert.detector.export import ONNX_NAME, export_detector
from convert.faces.kit import data_root
from edge.face.detector import GRAPH


def detector(
    onnx: Annotated[Path, typer.Option("--onnx", help=f"{ONNX_NAME} of OpenCV's model zoo; checked by SHA-256.")],
    data: DataOption = Path("../shared/data"),
    out: Annotated[Path, typer.Option("--out", help="The graph to write.")] = Path("out/yunet.tflite"),
) -> None:
    """Converts YuNet to one int8 graph for all picture sizes, calibrated on generated and drawn faces.

    The same files and package versions give the same bytes on the same kind of processor.

    Example: python -m convert detector --onnx face_detection_yunet_2023mar.onnx --data ../shared/data
    """
    graph = export_detector(onnx, make_pictures(data_root(data)))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(graph)
    same = "the shipped graph" if graph == GRAPH.read_bytes() else "not the shipped graph"
    print(f"{out}: {len(graph)} bytes, sha256 {hashlib.sha256(graph).hexdigest()}, {same}")
