"""Makes the device's detector: the pinned ONNX file in, a checked int8 graph out. Imports no TensorFlow itself."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from convert.errors import DataError, TrainingError
from convert.quantize.graph import float_operators
from edge.face.detector import YuNet
from edge.values import UInt8Array

ONNX_NAME = "face_detection_yunet_2023mar.onnx"
ONNX_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
ONNX_FROM = "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet"
_TIMEOUT_S = 900


def export_detector(onnx: Path, pictures: UInt8Array) -> bytes:
    """Converts YuNet to the graph that `edge.face.detector.YuNet` runs.

    Args:
        onnx: the published file.
        pictures: uint8 (N, H, W, 3), RGB, to calibrate on; among them a black and a white one.

    Raises:
        DataError: the file is not the published one.
        TrainingError: the converter failed, or an operator is left in floating point.
        EngineError: the device would refuse the graph.
    """
    try:
        data = onnx.read_bytes()
    except OSError as error:
        raise DataError(f"{onnx}: cannot be read ({error.strerror}); {ONNX_NAME} is at {ONNX_FROM}") from error
    if hashlib.sha256(data).hexdigest() != ONNX_SHA256:
        raise DataError(f"{onnx}: SHA-256 is not that of {ONNX_NAME}; it is at {ONNX_FROM}")
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        calibration, graph = Path(scratch) / "pictures.npy", Path(scratch) / "yunet.tflite"
        np.save(calibration, pictures)
        done = subprocess.run(
            [sys.executable, "-m", "convert.detector.graph", str(onnx.absolute()), str(calibration), str(graph)],
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise TrainingError(f"the detector's graph: the converter ended with {done.returncode} ({said[0][:200]})")
        model = graph.read_bytes()
    left = float_operators(model)
    if left:
        raise TrainingError(f"the detector's graph has {len(left)} operators in floating point, first {left[0]}")
    YuNet(model)
    return model
