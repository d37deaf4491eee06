"""The network in each of its forms on the same faces: agreement, differences, time, and stepping against the whole."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from convert.ladder.float_network import FloatNetwork
from convert.ladder.record import STEPS, Ladder, Result, SequenceCheck, score
from convert.metrics import rmse
from convert.networks.cost import count_macs
from convert.package.trained import Trained
from convert.predict.evaluation import Device, embed_crop
from convert.predict.table import hold
from convert.quantize.export import export_backbone
from convert.quantize.onnx_export import export_onnx
from convert.quantize.recipes import QuantizationRecipe
from convert.quantize.tensors import describe_backbone, describe_head
from convert.train.targets import AUXILIARY
from edge.affect.backbone import Backbone
from edge.affect.stream import Stream
from edge.model.engines.litert import LiteRtEngine
from edge.model.engines.onnx import OnnxEngine
from edge.model.golden import step_through
from edge.values import Float32Array, UInt8Array

_REPEATS, _FACES = 15, 4  # of every form in turn, so that what else the machine does falls on all alike
_SEQUENCE_STEPS, _STAY = 10_000, (2, 20)  # steps in all, and that the sequence stays with a face
_Pair = tuple[Float32Array, Float32Array]


class _Form(NamedTuple):
    """One form: crops to embeddings and frame answers, embeddings to streamed answers, and what one face takes."""

    step: str
    host: str
    look: Callable[[UInt8Array], _Pair]
    follow: Callable[[Float32Array], Float32Array]
    once: Callable[[UInt8Array], object]
    size: int


def measure(
    trained: Trained,
    images: UInt8Array,
    rated: Float32Array,
    calibration: UInt8Array,
    way: QuantizationRecipe,
    data: str,
) -> Ladder:
    """Climbs the ladder.

    Args:
        trained: weights and bundle.
        images, rated: uint8 (N, S, S, 3) crops of faces outside of the training, float32 (N, 2) their ratings.
        calibration: uint8 (M, S, S, 3), crops of training faces.
        way: names the budget.
        data: what the faces are.

    Raises:
        TrainingError: a converter failed.
    """
    manifest = trained.bundle.manifest
    keras, forms = _make_forms(trained, calibration)
    macs = sum(count_macs(trained.bundle.files[name]) for name in (manifest.backbone.file, manifest.head.file))
    spent, streams, results = _time(forms, images), {}, []
    for form in forms:
        embeddings, frame = form.look(images)
        streams[form.step] = stream = form.follow(embeddings)
        before = streams.get(STEPS[form.step][1] or "")
        gap = None if before is None else (float(np.abs(stream - before).max()), rmse(before, stream))
        results.append(
            Result(
                step=form.step,
                host=f"{platform.machine()}, {form.host}",
                scores={"frame": score(rated, frame), "stream": score(rated, stream)},
                gap=gap,
                ms=spent[form.step],
                kb=round(form.size / 1024) or None,
                mmac=round(macs / 1e6, 1),
            )
        )
    return Ladder(
        bundle=f"{manifest.name} {manifest.version}",
        graphs={file: manifest.files[file] for file in (manifest.backbone.file, manifest.head.file)},
        data=data,
        count=len(images),
        quantization=way.name,
        budget_ccc=way.budget_ccc,
        measured=f"{time.strftime('%Y-%m-%d', time.gmtime())} on {platform.machine()}",
        results=results,
        sequence=check_sequence(trained, keras, next(f.look for f in forms if f.step == "int8-xnnpack"), images),
    )


def _make_forms(trained: Trained, calibration: UInt8Array) -> tuple[FloatNetwork, list[_Form]]:
    recipe, manifest, files = trained.recipe, trained.bundle.manifest, trained.bundle.files
    shapes = len(AUXILIARY)
    keras = FloatNetwork(recipe, trained.backbone, trained.head, blendshapes=shapes)
    plain = QuantizationRecipe(name="float32", backbone="float32")
    float32 = export_backbone(trained.backbone, recipe, calibration[:1], blendshapes=shapes, way=plain).float32
    onnx = export_onnx(trained.backbone, trained.head, recipe, calibration, blendshapes=shapes)
    int8, head, device = files[manifest.backbone.file], files[manifest.head.file], Device(trained.bundle)
    steps = 2 * manifest.warmup_steps

    def whole(embeddings: Float32Array) -> Float32Array:
        return keras.follow(np.repeat(embeddings[:, None], steps, axis=1))[:, -1]

    def form(step: str, host: str, backbone: Backbone, size: int, stream: Stream | None = None) -> _Form:
        zero = np.zeros((1, manifest.head.h.shape[-1]), np.float32)

        def look(crops: UInt8Array) -> _Pair:
            found = [embed_crop(backbone, crop) for crop in crops]
            return np.stack([each.vector for each in found]), np.stack([each.va for each in found])

        def once(crop: UInt8Array) -> None:
            vector = embed_crop(backbone, crop[0]).vector
            if stream is not None:
                stream.run(vector[None], zero, zero)

        follow = whole if stream is None else lambda vectors: hold(stream, manifest, vectors)
        return _Form(step, host, look, follow, once, size)

    def onnx_form(step: str, graph: bytes) -> _Form:
        backbone = Backbone(OnnxEngine(graph, name="backbone.onnx"), describe_backbone(graph, file="backbone.onnx"))
        engine = OnnxEngine(onnx.head, name="head.onnx")
        named = msgspec.structs.replace(manifest, head=describe_head(onnx.head, file="head.onnx"))
        size = len(graph) + len(onnx.head)
        return form(step, f"ONNX Runtime, {engine.provider}", backbone, size, Stream(engine, named))

    builtin = LiteRtEngine(int8, name="backbone", xnnpack=False)
    size = len(int8) + len(head)
    lite = Backbone(LiteRtEngine(float32, name="backbone"), describe_backbone(float32))
    return keras, [
        _Form("keras", "TensorFlow", keras.look, whole, keras.look, 0),
        form("tflite-float", "LiteRT", lite, len(float32) + len(head)),
        form("int8-builtin", "LiteRT, no XNNPACK", Backbone(builtin, manifest.backbone), size),
        form("int8-xnnpack", "LiteRT", device.backbone, size),
        form("streamed", "LiteRT", device.backbone, size, device.stream),
        onnx_form("onnx-fp16", onnx.fp16),
        onnx_form("onnx-qdq", onnx.int8),
    ]


def _time(forms: Sequence[_Form], images: UInt8Array) -> dict[str, float]:
    """Milliseconds a face of the processor's time, the median over interleaved repeats, after a warm-up each."""
    took: dict[str, list[float]] = {form.step: [] for form in forms}
    for repeat in range(_REPEATS):
        for form in forms:
            form.once(images[:1])
            for number in range(_FACES):
                crop = images[(repeat * _FACES + number) % len(images)][None]
                started = time.process_time()
                form.once(crop)
                took[form.step].append(time.process_time() - started)
    return {step: round(1e3 * float(np.median(seconds)), 4) for step, seconds in took.items()}


def check_sequence(
    trained: Trained,
    keras: FloatNetwork,
    look: Callable[[UInt8Array], _Pair],
    images: UInt8Array,
    *,
    steps: int = _SEQUENCE_STEPS,
) -> SequenceCheck:
    """Steps the bundle's head on int8 features of faces that come and stay, and compares with Keras's whole sequence.

    Args:
        trained: whose head is stepped.
        keras: the float network.
        look: the int8 backbone.
        images: uint8 (N, S, S, 3) RGB, the faces.
        steps: without a reset.
    """
    rng, order = np.random.default_rng(0), list[int]()
    while len(order) < steps:
        order += [int(rng.integers(len(images)))] * int(rng.integers(*_STAY))
    features = look(images)[0][order[:steps]]
    units = trained.bundle.manifest.head.h.shape[-1]
    stepped = np.clip(step_through(Device(trained.bundle).stream.run, features[:, None], units)[:, 0], -1, 1)
    off = stepped - keras.follow(features[None])[0]
    tenth = max(steps // 10, 1)
    parts = (off, off[:tenth], off[-tenth:])
    rms, first, last = (float(np.sqrt(np.mean(part**2))) for part in parts)
    return SequenceCheck(steps=steps, rms=rms, largest=float(np.abs(off).max()), first_rms=first, last_rms=last)
