"""Face detectors: BlazeFace (full range, sparse) in LiteRT, and YuNet in OpenCV when the user gives its file.

Owns the graph's decoding and the suppression of doubles; keeps no state between frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.assets import BLAZEFACE, read_asset
from edge.config import EngineConfig, FaceConfig
from edge.engines import Engine
from edge.engines.litert import LiteRtEngine, installed_runtimes
from edge.errors import AssetError, EngineError
from edge.geometry import box_iou, letterbox
from edge.types import Detection, Float32Array, UInt8Array, check_picture

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
        self._boxed = (0, 0)

    def detect(self, pixels: UInt8Array) -> list[Detection]:
        """See `Detector.detect`."""
        check_picture(pixels)
        height, width = pixels.shape[:2]
        fit = letterbox(width, height, _SIDE)
        if self._boxed != (width, height):
            self._canvas[:] = 0
            self._boxed = (width, height)
        inner = self._canvas[fit.top : fit.top + fit.height, fit.left : fit.left + fit.width]
        cv2.resize(pixels, (fit.width, fit.height), dst=inner, interpolation=cv2.INTER_AREA)
        values = self._canvas.astype(np.float32)
        values *= 1 / 127.5
        values -= 1
        out = self._engine.invoke({self._input: values[None]})
        boxes, scores, landmarks = _decode(
            out[self._regressors][0], out[self._logits][0, :, 0], self._anchors, self._min_logit
        )
        return [
            Detection(
                box_px=(float(box[0, 0]), float(box[0, 1]), float(box[1, 0]), float(box[1, 1])),
                score=float(score),
                landmarks_px=fit.to_frame(points).astype(np.float32),
            )
            for index, score, points in _suppress(boxes, scores, landmarks)
            for box in [fit.to_frame(index.reshape(2, 2))]
        ]


def _decode(
    regressors: Float32Array, logits: Float32Array, anchors: Float32Array, min_logit: float
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Boxes (N, 4), scores (N,) and landmarks (N, 6, 2) in pixels of the square, above the threshold only."""
    keep = np.flatnonzero(logits >= min_logit)
    raw, anchor = regressors[keep], anchors[keep]
    center, half = raw[:, :2] + anchor, raw[:, 2:4] / 2
    boxes = np.concatenate([center - half, center + half], axis=1)
    landmarks = raw[:, 4:].reshape(-1, 6, 2) + anchor[:, None]
    scores = 1 / (1 + np.exp(-np.clip(logits[keep], -80, 80)))
    return boxes, scores.astype(np.float32), landmarks


def _suppress(
    boxes: Float32Array, scores: Float32Array, landmarks: Float32Array
) -> list[tuple[Float32Array, float, Float32Array]]:
    """Merges the anchors that saw one face, weighted by score, as BlazeFace does to calm its jitter."""
    faces = []
    order = np.argsort(-scores, kind="stable")
    while order.size:
        same = box_iou(boxes[order[0]], boxes[order]) > _SAME_FACE_IOU
        same[0] = True
        group = order[same]
        weights = scores[group] / scores[group].sum()
        faces.append(
            (
                np.einsum("n,nk->k", weights, boxes[group]),
                float(scores[order[0]]),
                np.einsum("n,nkd->kd", weights, landmarks[group]),
            )
        )
        order = order[~same]
    return faces


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
