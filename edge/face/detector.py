"""Face detectors: BlazeFace (full range, sparse) in LiteRT, and YuNet in OpenCV when the user gives its file.

Owns the graph's decoding and the suppression of doubles; keeps no state between frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config import EngineConfig, FaceConfig
from edge.errors import AssetError, EngineError
from edge.geometry import Letterbox, box_iou, letterbox
from edge.model.assets import BLAZEFACE, read_asset
from edge.model.engines import Engine
from edge.model.engines.litert import LiteRtEngine, installed_runtimes
from edge.values import Detection, Float32Array, UInt8Array, check_picture

_SIDE = 192  # input side of the graph, pixels
_CELLS = 48  # one anchor at the centre of each cell of a 48 × 48 grid
_SAME_FACE_IOU = 0.3


class Detector(Protocol):
    """Finds faces in one picture."""

    def detect(self, pixels: UInt8Array) -> list[Detection]:
        """Finds faces.

        Args:
            pixels: uint8 (H, W, 3), RGB.

        Returns:
            Detections in pixels of the picture, best score first.

        Raises:
            FrameError: it is no such picture.
            EngineError: the runtime failed.
        """
        ...


class BlazeFace:
    """BlazeFace full range sparse (Bazarevsky et al. 2019; model card "MediaPipe Face Detection, full range", 2021).

    Args:
        engine: the graph: `input` float32 (1, 192, 192, 3) in −1..1; 16 regressors and a logit for each anchor.
        min_score: detections below are dropped, 0–1.

    Raises:
        EngineError: the graph is not that one.
    """

    def __init__(self, engine: Engine, *, min_score: float = 0.6) -> None:
        self._engine = engine
        self._min_logit = float(np.log(min_score / (1 - min_score)))
        by_shape = {spec.shape: name for name, spec in engine.outputs.items()}
        try:
            (self._input,) = engine.inputs
            self._regressors = by_shape[(1, _CELLS * _CELLS, 16)]
            self._logits = by_shape[(1, _CELLS * _CELLS, 1)]
        except (KeyError, ValueError) as error:
            raise EngineError("face detector: the graph is not BlazeFace full_range_sparse") from error
        rows, columns = np.divmod(np.arange(_CELLS * _CELLS), _CELLS)
        self._anchors = (np.stack([columns, rows], axis=1).astype(np.float32) + 0.5) * (_SIDE / _CELLS)
        self._canvas = np.zeros((_SIDE, _SIDE, 3), np.uint8)
        self._values = np.zeros((1, _SIDE, _SIDE, 3), np.float32)
        self._halves: list[UInt8Array] = []
        self._boxed = (0, 0)

    def detect(self, pixels: UInt8Array) -> list[Detection]:
        """See `Detector.detect`."""
        check_picture(pixels)
        height, width = pixels.shape[:2]
        fit = letterbox(width, height, _SIDE)
        if self._boxed != (width, height):
            self._canvas[:] = 0
            self._halves = _make_halves(width, height, fit)
            self._boxed = (width, height)
        self._shrink(pixels, self._canvas[fit.top : fit.top + fit.height, fit.left : fit.left + fit.width])
        np.multiply(self._canvas, np.float32(1 / 127.5), out=self._values[0])
        np.subtract(self._values, 1, out=self._values)
        out = self._engine.invoke({self._input: self._values})
        # The threshold is applied to the logits: of 2304 anchors, those of faces alone are worked on.
        logits = out[self._logits][0, :, 0]
        keep = np.flatnonzero(logits >= self._min_logit)
        if not keep.size:
            return []
        points, scores = _decode(out[self._regressors][0, keep], logits[keep], self._anchors[keep])
        faces, best = _suppress(points, scores)
        placed = fit.to_frame(faces).astype(np.float32)
        corners = placed[:, :2].reshape(-1, 4).tolist()
        return [
            Detection(box_px=(x1, y1, x2, y2), score=score, landmarks_px=landmarks)
            for (x1, y1, x2, y2), score, landmarks in zip(corners, best.tolist(), placed[:, 2:], strict=True)
        ]

    def _shrink(self, pixels: UInt8Array, inner: UInt8Array) -> None:
        """Fits a picture into a part of the canvas: halved as often as that goes, which costs little, then the rest."""
        for half in self._halves:
            cv2.resize(pixels, (half.shape[1], half.shape[0]), dst=half, interpolation=cv2.INTER_AREA)
            pixels = half
        # Below a factor of two, four neighbours see every pixel.
        near = pixels.shape[1] < 2 * inner.shape[1]
        size = (inner.shape[1], inner.shape[0])
        cv2.resize(pixels, size, dst=inner, interpolation=cv2.INTER_LINEAR if near else cv2.INTER_AREA)


def _make_halves(width: int, height: int, fit: Letterbox) -> list[UInt8Array]:
    """Room for a picture halved while its sides are even and twice as long as they have to be: uint8 (H, W, 3)."""
    halves = []
    while width % 2 == 0 and height % 2 == 0 and width >= 2 * fit.width and height >= 2 * fit.height:
        width, height = width // 2, height // 2
        halves.append(np.empty((height, width, 3), np.uint8))
    return halves


def _decode(raw: Float32Array, logits: Float32Array, anchors: Float32Array) -> tuple[Float32Array, Float32Array]:
    """What the anchors (N) say, in pixels of the square: (N, 8, 2) with box corners, then landmarks; scores (N,)."""
    points = np.empty((len(raw), 8, 2), np.float32)
    half = raw[:, 2:4] / 2
    points[:, 0] = raw[:, :2] - half
    points[:, 1] = raw[:, :2] + half
    points[:, 2:] = raw[:, 4:].reshape(-1, 6, 2)
    points += anchors[:, None]
    scores = 1 / (1 + np.exp(-np.minimum(logits, 80)))
    return points, scores.astype(np.float32)


def _suppress(points: Float32Array, scores: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Merges the anchors that saw one face, weighted by score, as BlazeFace does to calm its jitter.

    Args:
        points: as `_decode` gives them, of at least one anchor.
        scores: of the anchors.

    Returns:
        (M, 8, 2) and (M,), best first; the score of a face is its best anchor's.
    """
    order = np.argsort(-scores, kind="stable")
    points, scores = points[order], scores[order]
    boxes = points[:, :2].reshape(-1, 4).tolist()
    left = list(range(len(scores)))
    groups: list[list[int]] = []
    while left:
        first = left[0]
        same = [index for index in left if index == first or box_iou(boxes[first], boxes[index]) > _SAME_FACE_IOU]
        groups.append(same)
        left = [index for index in left if index not in same]
    shares = np.zeros((len(groups), len(scores)), np.float32)
    for row, same in enumerate(groups):
        shares[row, same] = scores[same]
    shares /= shares.sum(axis=1, keepdims=True)
    best = scores[[same[0] for same in groups]]
    return (shares @ points.reshape(-1, 16)).reshape(-1, 8, 2), best


class YuNet:
    """YuNet (Wu, Peng & Yu 2023) through `cv2.FaceDetectorYN`; finds smaller faces at a higher cost.

    Args:
        path: `face_detection_yunet_2023mar.onnx`, from the user.
        min_score: detections below are dropped, 0–1.

    Raises:
        AssetError: the file is missing or OpenCV cannot read it.
    """

    def __init__(self, path: Path, *, min_score: float = 0.6) -> None:
        if not path.is_file():
            raise AssetError(f"{path}: face.model names no file")
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), min_score, _SAME_FACE_IOU)
        except cv2.error as error:
            raise AssetError(f"{path}: OpenCV cannot read it as YuNet ({error.err})") from error

    def detect(self, pixels: UInt8Array) -> list[Detection]:
        """See `Detector.detect`."""
        check_picture(pixels)
        height, width = pixels.shape[:2]
        self._net.setInputSize((width, height))
        _, rows = self._net.detect(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        if rows is None:
            return []
        found = [_from_yunet(np.asarray(row, np.float32)) for row in rows]
        return sorted(found, key=lambda face: -face.score)


def _from_yunet(row: NDArray[np.float32]) -> Detection:
    """YuNet's row: x, y, w, h, then right eye, left eye, nose, right and left mouth corner, score."""
    x, y, w, h = (float(value) for value in row[:4])
    points = row[4:14].reshape(5, 2)
    mouth = points[3:5].mean(axis=0)
    ears = np.array([[x, points[0, 1]], [x + w, points[1, 1]]], np.float32)
    landmarks = np.concatenate([points[:3], mouth[None], ears]).astype(np.float32)
    return Detection(box_px=(x, y, x + w, y + h), score=float(row[14]), landmarks_px=landmarks)


def load_detector(face: FaceConfig, engine: EngineConfig) -> Detector:
    """The detector that the configuration names. It always runs on the CPU; a delegate is the backbone's.

    Raises:
        AssetError: its file is missing or altered.
        EngineError: the runtime cannot load it.
    """
    if face.detector == "yunet":
        return YuNet(Path(face.model), min_score=face.min_score)
    runtime = engine.runtime if engine.runtime in ("litert", "tflite") else installed_runtimes()[0]
    graph = LiteRtEngine(read_asset(BLAZEFACE), name=BLAZEFACE.name, runtime=runtime, threads=engine.threads)
    return BlazeFace(graph, min_score=face.min_score)
