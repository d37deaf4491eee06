"""Weights in, ONNX graphs out for an NVIDIA board: the backbone as fp16 and as QDQ int8, and the float32 step.

TensorRT wants symmetric scales on both sides of each operator (QDQ, S8S8, weights per channel). Inputs and outputs stay
float32 and keep the names of the device's tensors. Imports no TensorFlow itself.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convert.errors import TrainingError
from convert.quantize.export import convert
from convert.quantize.recipes import DEFAULT, find_quantization
from convert.train.recipe import Recipe
from edge.affect.backbone import PIXEL_SCALE, PIXEL_ZERO
from edge.values import UInt8Array


class OnnxGraphs(NamedTuple):
    """The graphs by what they are."""

    float32: bytes
    fp16: bytes
    int8: bytes
    head: bytes


def export_onnx(
    backbone: list[Any], head: list[Any], recipe: Recipe, images: UInt8Array, *, blendshapes: int
) -> OnnxGraphs:
    """The graphs.

    Args:
        backbone, head: the networks' weights, in Keras's order.
        recipe: of the networks.
        images: uint8 (N, S, S, 3) RGB, device crops to calibrate on.
        blendshapes: length of the auxiliary output, which is left out.

    Raises:
        TrainingError: the converter failed, or the packages that it needs are not installed.
    """
    plain, step = export_float32(backbone, head, recipe, blendshapes=blendshapes)
    return OnnxGraphs(plain, _halve(plain), _quantize(plain, images), step)


def export_float32(backbone: list[Any], head: list[Any], recipe: Recipe, *, blendshapes: int) -> tuple[bytes, bytes]:
    """The backbone's graph and the head's, both float32; arguments and errors as of `export_onnx`."""
    extra = {f"head{n}": weight for n, weight in enumerate(head)} | {"blendshapes": blendshapes}
    names = ("backbone.onnx", "head.onnx")
    found = convert("onnx", names, backbone, recipe, find_quantization(DEFAULT), extra)
    return found["backbone.onnx"], found["head.onnx"]


def _halve(graph: bytes) -> bytes:
    try:
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError as error:
        raise TrainingError(f"ONNX is not installed here ({error}); install the `convert` dependency group") from error
    model = convert_float_to_float16(onnx.load_from_string(graph), keep_io_types=True)
    return bytes(model.SerializeToString())


def _quantize(graph: bytes, images: UInt8Array) -> bytes:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Crops(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            pixels = next(self._left, None)
            if pixels is None:
                return None
            return {"image": ((pixels.astype(np.float32) - PIXEL_ZERO) * np.float32(PIXEL_SCALE))[None]}

    logging.getLogger().setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        plain, ready, out = (Path(scratch) / name for name in ("plain.onnx", "ready.onnx", "int8.onnx"))
        plain.write_bytes(graph)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)  # every shape is fixed
        quantize_static(
            ready,
            out,
            Crops(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
        )
        return out.read_bytes()
