"""What people use today: a landmarker with trees, two networks of the common expression library, a second detector."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.peers.contender import Contender, ShownFace, look_at, macs_of
from benchmarks.peers.graphs import make_graphs
from benchmarks.record import Figure
from convert.faces.finder import read_picture
from convert.metrics import TARGETS, agreement
from convert.networks.cost import count_macs
from convert.teacher.landmarker import FaceLandmarker
from convert.teacher.trees import Teacher
from edge.cli.bench.crowd import draw_crowd
from edge.errors import AssetError
from edge.face.detector import KEEP_SCORE, YuNet, read_graph
from edge.geometry import CropRule, face_square
from edge.model.engines.litert import LiteRtEngine
from edge.model.engines.onnx import OnnxEngine
from edge.values import Float32Array, UInt8Array

DRAWN = 4  # faces in the detectors' frames
# Architectures of EmotiEffLib's models enet_b0_8_va_mtl and mbf_va_mtl, sides of their pictures. Its MobileFaceNet ends
# in 512 features and an answer; this one in the paper's 128, which is a little less work.
NETWORKS = (("EfficientNet-B0", "efficientnet-b0", 224), ("MobileFaceNet", "mobilefacenet", 112))
_ROUGH = CropRule(eye_mouth=4.2, eye_eye=3.6, eye_weight=0.5)  # the landmarker's first look
_RANDOM = "the architecture with random weights, so it has a time and no accuracy"
_INT8_NOTES = {"mobilefacenet": "; ReLU for PReLU, which LiteRT's fast int8 kernels lack"}
_UNEQUAL = "no int8 form: it is published as TFLite with float16 weights, which the converter does not quantize"


def enter_networks(faces: list[ShownFace], *, equal: str, cache: Path | None = None) -> list[Contender]:
    """EfficientNet-B0 and MobileFaceNet: in ONNX Runtime float32 as they are used, and in LiteRT int8 as the kit is.

    Args:
        faces: shown in turn.
        equal: the key of the kit's contender in LiteRT int8.
        cache: see `make_graphs`.

    Raises:
        TrainingError: the converter failed.
    """
    found = []
    for name, network, size in NETWORKS:
        graphs = make_graphs(network, size, cache=cache)
        macs = macs_of(graphs.int8)
        found += [
            Contender(
                name=f"{name} at {size}",
                engine="ONNX Runtime",
                precision="float32",
                run=look_at(faces, OnnxEngine(graphs.float32, name=name), size),
                size_bytes=len(graphs.float32),
                macs=macs,
                equal="kit, default network, ONNX Runtime, float32",
                note=_RANDOM,
            ),
            Contender(
                name=f"{name} at {size}",
                engine="LiteRT",
                precision="int8",
                run=look_at(faces, LiteRtEngine(graphs.int8, name=name), size),
                size_bytes=len(graphs.int8),
                macs=macs,
                as_used=False,
                equal=equal,
                note=_RANDOM + _INT8_NOTES.get(network, ""),
            ),
        ]
    return found


def read_labelled(row: Any) -> ShownFace:
    """A row of a face table, as of `itertuples`, with its picture."""
    marks = np.asarray(row.landmarks_px, np.float32).reshape(-1, 2)
    return ShownFace(read_picture(Path(row.picture)), marks, (row.valence, row.arousal))


def enter_landmarker(
    task: Path,
    trees: Teacher,
    faces: list[ShownFace],
    said: Float32Array,
    rated: Float32Array,
) -> list[Contender]:
    """MediaPipe's Face Landmarker as it follows a face: its two graphs, then trees from blendshapes to scores.

    Args:
        task: `face_landmarker.task`.
        trees: the teacher.
        faces: shown in turn.
        said, rated: the teacher's answers to the held-out pictures, and their ratings, (N, 2).
    """
    landmarker = FaceLandmarker(task, threads=1)
    trees.use_one_thread()
    squares = [landmarker.locate(face.pixels, face_square(face.landmarks_px, _ROUGH)) for face in faces]

    def describe(call: int) -> object:
        number = call % len(faces)
        return landmarker.describe_tracked(faces[number].pixels, squares[number])

    def score(call: int) -> object:
        number = call % len(faces)
        shape = landmarker.describe_tracked(faces[number].pixels, squares[number])
        return trees.predict(shape.blendshapes[None], shape.rotation[None])

    ccc = {}
    for column, target in enumerate(TARGETS):
        agreed = agreement(rated[:, column], said[:, column])
        ccc[target] = Figure(value=agreed.ccc, low=agreed.bounds[0], high=agreed.bounds[1])
    with zipfile.ZipFile(task) as archive:
        graphs = [archive.read(f"{name}.tflite") for name in ("face_landmarks_detector", "face_blendshapes")]
    macs = macs_of(*graphs)
    size, equal = sum(map(len, graphs)), "kit, default network, LiteRT, float32"
    return [
        Contender(
            name=name, engine="LiteRT", precision="float16 weights", run=run, size_bytes=size, macs=macs,
            equal=equal, ccc=agreed_ccc, note=note,
        )
        for name, run, agreed_ccc, note in (
            ("Face Landmarker, blendshapes", describe, None, f"no scores yet; {_UNEQUAL}"),
            ("Face Landmarker, blendshapes and trees", score, ccc, f"300 trees in scikit-learn; {_UNEQUAL}"),
        )
    ]  # fmt: skip


def enter_detectors(onnx: Path) -> list[Contender]:
    """The kit's int8 YuNet and the published one, both on whole frames of drawn faces.

    Raises:
        AssetError: a file is missing or cannot be read.
    """
    pictures = draw_crowd(DRAWN, count=6)
    graph = read_graph()
    ours = YuNet(graph, (640, 480))
    try:
        theirs = cv2.FaceDetectorYN.create(str(onnx), "", (640, 480), KEEP_SCORE)
    except cv2.error as error:
        raise AssetError(f"{onnx}: OpenCV cannot read it as YuNet ({error.err})") from error

    def find(picture: UInt8Array) -> int:
        rows = theirs.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        return 0 if rows is None else len(rows)

    def share(counted: Callable[[UInt8Array], int]) -> float:
        return round(float(np.mean([counted(picture) for picture in pictures])) / DRAWN, 3)

    return [
        Contender(
            name="kit, YuNet at 640 × 480", engine="LiteRT", precision="int8",
            run=lambda call: ours.detect(pictures[call % len(pictures)]), size_bytes=len(graph),
            macs=count_macs(graph), job="frame", kit=True, found=share(lambda picture: len(ours.detect(picture))),
            note="the whole frame at full size; the device searches less of it",
        ),
        Contender(
            name="YuNet at 640 × 480", engine="OpenCV", precision="float32",
            run=lambda call: find(pictures[call % len(pictures)]), size_bytes=onnx.stat().st_size, job="frame",
            found=share(find), note="OpenCV's own engine alone",
        ),
    ]  # fmt: skip
