"""The kit's own contenders: bundles as they ship, and the shipped network in other engines and precisions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.peers.contender import Contender, ShownFace, cut, macs_of
from benchmarks.record import Figure
from convert.package.trained import Trained
from convert.predict.evaluation import ANSWERS, Device, compare, embed_crop
from convert.quantize.export import export_backbone
from convert.quantize.onnx_export import export_float32
from convert.quantize.recipes import QuantizationRecipe
from convert.quantize.tensors import describe_backbone
from convert.train.targets import AUXILIARY
from edge.affect.backbone import Backbone
from edge.face.crop import align_face
from edge.model.bundle import Bundle, default_bundle, load_bundle
from edge.model.engines.litert import LiteRtEngine
from edge.model.engines.onnx import OnnxEngine
from edge.values import Float32Array


def shipped_bundles() -> list[Path]:
    """The bundles in this checkout; the default one first."""
    default = default_bundle()
    others = sorted(path.parent for path in default.parent.glob("*/manifest.json") if path.parent != default)
    return [default, *others]


def enter_bundles(
    bundles: list[Path], faces: list[ShownFace], held: list[ShownFace], rated: Float32Array
) -> list[Contender]:
    """Bundles as devices run them: int8 in LiteRT, with one step of the head.

    Args:
        bundles: folders or ZIPs.
        faces: shown in turn.
        held, rated: the held-out pictures, and their ratings (N, 2).
    """
    found = []
    for path in bundles:
        bundle = load_bundle(path)
        manifest, device = bundle.manifest, Device(bundle)
        graphs = bundle.files[manifest.backbone.file], bundle.files[manifest.head.file]
        answers = np.stack([device.answer(cut(face, manifest.crop.size)) for face in held])
        agreed = compare(rated, answers, len(held)).agreement[ANSWERS[1]]
        found.append(
            Contender(
                name=f"kit, {manifest.name} bundle",
                engine="LiteRT",
                precision="int8",
                run=_score(faces, bundle, device.backbone, device),
                size_bytes=sum(map(len, graphs)),
                macs=macs_of(*graphs),
                kit=True,
                ccc={
                    target: Figure(value=each.ccc, low=each.bounds[0], high=each.bounds[1])
                    for target, each in agreed.items()
                },
                note="crop, backbone and one step of the head; CCC of the streamed answer",
            )
        )
    return found


def enter_forms(trained: Trained, faces: list[ShownFace]) -> list[Contender]:
    """The shipped network in float32, in the engines of the peers.

    Raises:
        TrainingError: the converter failed.
    """
    recipe, bundle = trained.recipe, trained.bundle
    crops = np.stack([cut(face, recipe.backbone.size) for face in faces[:2]])
    plain = QuantizationRecipe(name="float32", backbone="float32")
    tflite = export_backbone(trained.backbone, recipe, crops, blendshapes=len(AUXILIARY), way=plain).float32
    onnx, _ = export_float32(trained.backbone, trained.head, recipe, blendshapes=len(AUXILIARY))
    device = Device(bundle)
    head = bundle.files[bundle.manifest.head.file]
    macs = macs_of(tflite, head)
    in_litert = Backbone(LiteRtEngine(tflite, name="backbone"), describe_backbone(tflite))
    in_onnx = Backbone(OnnxEngine(onnx, name="backbone"), describe_backbone(onnx, file="backbone.onnx"))
    return [
        Contender(
            name="kit, default network",
            engine=engine,
            precision="float32",
            run=_score(faces, bundle, backbone, device),
            size_bytes=len(graph) + len(head),
            macs=macs,
            kit=True,
            as_used=False,
            note="not shipped; the head's step stays in LiteRT",
        )
        for engine, backbone, graph in (("LiteRT", in_litert, tflite), ("ONNX Runtime", in_onnx, onnx))
    ]


def _score(faces: list[ShownFace], bundle: Bundle, backbone: Backbone, device: Device) -> Callable[[int], object]:
    manifest = bundle.manifest
    zero = np.zeros((1, manifest.head.h.shape[-1]), np.float32)

    def run(call: int) -> object:
        face = faces[call % len(faces)]
        crop = align_face(face.pixels, face.landmarks_px, manifest.crop.size, manifest.crop.rule)
        return device.stream.run(embed_crop(backbone, crop).vector[None], zero, zero)

    return run
