"""The network in each of its forms, ready to answer and to be timed; made from float weights and a bundle alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np

from convert.ladder.float_network import FloatNetwork
from convert.networks.cost import count_macs
from convert.package.trained import Trained
from convert.predict.evaluation import embed_crop
from convert.progress import Progress
from convert.quantize.export import export_backbone, export_head
from convert.quantize.onnx_export import export_onnx
from convert.quantize.recipes import HeadKind, QuantizationRecipe
from convert.quantize.tensors import describe_backbone, describe_head
from convert.train.targets import AUXILIARY
from edge.affect.backbone import Backbone
from edge.affect.stream import Stream
from edge.model.bundle import Manifest
from edge.model.engines import Engine
from edge.model.engines.litert import LiteRtEngine
from edge.model.engines.onnx import OnnxEngine
from edge.values import Float32Array, UInt8Array

_HOLD = 4  # steps that a face is held in what an integer step is calibrated on
_STEPS = 3  # that are made here and take a while

Look = Callable[[UInt8Array], tuple[Float32Array, Float32Array]]
Follow = Callable[[Float32Array], Float32Array]


class Contender(NamedTuple):
    """One form of the network.

    Attributes:
        rung: its name.
        host: what computed it, without the machine.
        look: crops uint8 (N, S, S, 3) to embeddings (N, D) and frame answers (N, 2).
        follow: embeddings (N, D), held for twice the warm-up, to the streamed answers (N, 2).
        once: what one face takes, given its crop (1, S, S, 3).
        size: of its files, bytes; macs: of one face.
        stream: the step, where it has a graph of its own.
    """

    rung: str
    host: str
    look: Look
    follow: Follow
    once: Callable[[UInt8Array], object]
    size: int = 0
    macs: int = 0
    stream: Stream | None = None


def make_contenders(trained: Trained, images: UInt8Array) -> tuple[list[Contender], FloatNetwork]:
    """Every rung that can be measured on this machine, and the float network.

    Args:
        trained: weights and bundle.
        images: uint8 (N, S, S, 3) RGB, device crops to calibrate on.

    Raises:
        TrainingError: a converter failed.
    """
    recipe, manifest, files = trained.recipe, trained.bundle.manifest, trained.bundle.files
    keras = FloatNetwork(recipe, trained.backbone, trained.head, blendshapes=len(AUXILIARY))
    with Progress("graphs", _STEPS, every=1) as progress:
        plain = QuantizationRecipe(name="float32", backbone="float32")
        float32 = export_backbone(trained.backbone, recipe, images[:1], blendshapes=len(AUXILIARY), way=plain).float32
        progress.advance()
        onnx = export_onnx(trained.backbone, trained.head, recipe, images, blendshapes=len(AUXILIARY))
        progress.advance()
        int8, head = files[manifest.backbone.file], files[manifest.head.file]
        integer = _integer_heads(trained, Backbone(_litert(int8), manifest.backbone), images)
        progress.advance()
    macs = count_macs(float32) + count_macs(head)
    hold = 2 * manifest.warmup_steps

    def whole(embeddings: Float32Array) -> Float32Array:
        return keras.follow(np.repeat(embeddings[:, None], hold, axis=1))[:, -1]

    def stepped(rung: str, host: str, backbone: Backbone, graph: bytes, step: Engine, size: int) -> Contender:
        file = "head.onnx" if isinstance(step, OnnxEngine) else manifest.head.file
        stream = Stream(step, msgspec.structs.replace(manifest, head=describe_head(graph, file=file)))
        zero = np.zeros((1, manifest.head.h.shape[-1]), np.float32)

        def once(crop: UInt8Array) -> None:
            stream.run(embed_crop(backbone, crop[0]).vector[None], zero, zero)

        return Contender(rung, host, _looker(backbone), _stepper(stream, manifest, hold), once, size, macs, stream)

    def looked(rung: str, host: str, backbone: Backbone, size: int) -> Contender:
        return Contender(
            rung, host, _looker(backbone), whole, lambda crop: embed_crop(backbone, crop[0]), size + len(head), macs
        )

    def onnx_backbone(graph: bytes) -> Backbone:
        return Backbone(OnnxEngine(graph, name="backbone.onnx"), describe_backbone(graph, file="backbone.onnx"))

    fast = Backbone(_litert(int8), manifest.backbone)
    found = [
        Contender("keras", "TensorFlow", keras.look, whole, keras.look, 0, macs),
        looked("tflite-float", "LiteRT", Backbone(_litert(float32), describe_backbone(float32)), len(float32)),
        looked(
            "int8-builtin",
            "LiteRT, no XNNPACK",
            Backbone(LiteRtEngine(int8, name="backbone", xnnpack=False), manifest.backbone),
            len(int8),
        ),
        looked("int8-xnnpack", "LiteRT", fast, len(int8)),
        stepped("streamed", "LiteRT", fast, head, _litert(head), len(int8) + len(head)),
    ]
    for kind, graph in integer.items():
        found.append(stepped(f"lstm-{kind}", "LiteRT", fast, graph, _litert(graph), len(int8) + len(graph)))
    for rung, graph in (("onnx-fp16", onnx.fp16), ("onnx-qdq", onnx.int8)):
        step = OnnxEngine(onnx.head, name="head.onnx")
        backbone, size = onnx_backbone(graph), len(graph) + len(onnx.head)
        found.append(stepped(rung, f"ONNX Runtime, {step.provider}", backbone, onnx.head, step, size))
    return found, keras


def _integer_heads(trained: Trained, backbone: Backbone, images: UInt8Array) -> dict[HeadKind, bytes]:
    embeddings = np.repeat(_looker(backbone)(images)[0], _HOLD, axis=0)
    kinds: tuple[HeadKind, ...] = ("int16x8", "int8")
    return {
        kind: export_head(
            trained.head, trained.recipe, way=QuantizationRecipe(name=kind, head=kind), embeddings=embeddings
        )
        for kind in kinds
    }


def _looker(backbone: Backbone) -> Look:
    def look(crops: UInt8Array) -> tuple[Float32Array, Float32Array]:
        found = [embed_crop(backbone, crop) for crop in crops]
        return np.stack([each.vector for each in found]), np.stack([each.va for each in found])

    return look


def _stepper(stream: Stream, manifest: Manifest, hold: int) -> Follow:
    def follow(embeddings: Float32Array) -> Float32Array:
        h = c = np.zeros((len(embeddings), manifest.head.h.shape[-1]), np.float32)
        for _ in range(hold):
            va, h, c = stream.run(embeddings, h, c)
        return np.clip(va, -1, 1)

    return follow


def _litert(graph: bytes) -> LiteRtEngine:
    return LiteRtEngine(graph, name="graph.tflite")
