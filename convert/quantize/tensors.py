"""A graph's tensors as the manifest names them: read from the graph, never typed by hand."""

from __future__ import annotations

import msgspec

from edge.model.bundle import BackboneGraph, HeadGraph, Tensor
from edge.model.engines import Engine, TensorSpec
from edge.model.engines.litert import LiteRtEngine
from edge.model.engines.onnx import OnnxEngine

BACKBONE_FILE = "backbone.tflite"
HEAD_FILE = "head.tflite"


def describe_backbone(model: bytes, *, file: str = BACKBONE_FILE) -> BackboneGraph:
    """The manifest's record of a backbone graph; one named `.onnx` is read by ONNX Runtime."""
    engine = _open(model, file)
    return BackboneGraph(
        file=file,
        image=_tensor("image", engine.inputs["image"]),
        embedding=_tensor("embedding", engine.outputs["embedding"]),
        va=_tensor("va", engine.outputs["va"]),
    )


def describe_head(model: bytes, *, file: str = HEAD_FILE) -> HeadGraph:
    """The manifest's record of a head graph, likewise; the faces' axis is −1."""
    engine = _open(model, file)
    ins = {name: _tensor(name, engine.inputs[name], any_batch=True) for name in ("embedding", "h", "c")}
    outs = {name: _tensor(name, engine.outputs[name], any_batch=True) for name in ("va", "next_h", "next_c")}
    return HeadGraph(file=file, **ins, **outs)


def _open(model: bytes, file: str) -> Engine:
    return OnnxEngine(model, name=file) if file.endswith(".onnx") else LiteRtEngine(model, name=file)


def _tensor(name: str, spec: TensorSpec, *, any_batch: bool = False) -> Tensor:
    shape = (-1, *spec.shape[1:]) if any_batch else spec.shape
    record = {
        "name": name,
        "dtype": spec.dtype.name,
        "shape": shape,
        "scale": spec.scale,
        "zero_point": spec.zero_point,
    }
    return msgspec.convert(record, Tensor)
