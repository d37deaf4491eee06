"""A graph's tensors as the manifest names them: read from the graph, never typed by hand."""

from __future__ import annotations

import msgspec

from edge.bundle import BackboneGraph, HeadGraph, Tensor
from edge.engines import TensorSpec
from edge.engines.litert import LiteRtEngine

BACKBONE_FILE = "backbone.tflite"
HEAD_FILE = "head.tflite"


def describe_backbone(model: bytes) -> BackboneGraph:
    """The manifest's record of a backbone graph."""
    engine = LiteRtEngine(model, name=BACKBONE_FILE)
    return BackboneGraph(
        file=BACKBONE_FILE,
        image=_tensor("image", engine.inputs["image"]),
        embedding=_tensor("embedding", engine.outputs["embedding"]),
        va=_tensor("va", engine.outputs["va"]),
    )


def describe_head(model: bytes) -> HeadGraph:
    """The manifest's record of a head graph; the faces' axis is −1."""
    engine = LiteRtEngine(model, name=HEAD_FILE)
    ins = {name: _tensor(name, engine.inputs[name], any_batch=True) for name in ("embedding", "h", "c")}
    outs = {name: _tensor(name, engine.outputs[name], any_batch=True) for name in ("va", "next_h", "next_c")}
    return HeadGraph(file=HEAD_FILE, **ins, **outs)


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
