"""The face detector: YuNet as one int8 graph, for pictures of any size.

Owns the graph's preprocessing, its decoding and the suppression of doubles; keeps no state between pictures.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import AssetError, EngineError
from edge.model.engines import TensorSpec, dequantize
from edge.model.engines.litert import LiteRtEngine
from edge.values import Detection, Float32Array, UInt8Array, check_picture

GRAPH = Path(__file__).parents[1] / "bundles" / "yunet.tflite"  # made by `python -m convert detector`
SHA256 = "76641e488403e5c8b95515f03f69400b3bc1401558865dbe9ff6a9579fdb66bf"
LICENCE = "MIT"
ORIGIN = "YuNet (Wu, Peng & Yu 2023), OpenCV's model zoo; trained by its authors on WIDER FACE, photographs of people"
MULTIPLE = 32  # of which both sides of a search picture are one
KEEP_SCORE = 0.6  # a lower one is no face
_STRIDES = (8, 16, 32)
_SAME_FACE_IOU = 0.3
_SAME_PLACE_IOU = 0.6  # anchors that agree so far are averaged, which calms the landmarks
_MOST_ANCHORS = 400  # of which the best are looked at, so that no picture takes long
# A face's box: its side in units of two distances, the larger wins, and its middle between mouth (0) and eyes (1).
# It lies in the middle of the crop, which is 1.2 times as large.
_EYE_MOUTH, _EYE_EYE, _EYE_WEIGHT = 2.5, 2.17, 0.45
_TOP_BIT = np.uint8(0x80)


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


class Found(NamedTuple):
    """Faces in a search picture, best first.

    Attributes:
        points: float32 (N, 7, 2), pixels: the box's two corners, then the landmarks as in `Detection`.
        scores: float32 (N,), 0–1.
    """

    points: Float32Array
    scores: Float32Array


_NOTHING = Found(np.zeros((0, 7, 2), np.float32), np.zeros(0, np.float32))


class YuNet:
    """YuNet (Wu, Peng & Yu 2023) at one input size.

    Args:
        model: the graph's bytes; by default the shipped graph.
        size: width and height of the search picture, pixels; multiples of `MULTIPLE`.
        min_score: faces below are dropped, 0–1.
        runtime: `litert` or `tflite`.
        threads: at least 1.

    Raises:
        AssetError: the shipped graph is missing or altered.
        EngineError: the graph is not that one, or the runtime cannot load it.
    """

    def __init__(
        self,
        model: bytes | None = None,
        size: tuple[int, int] = (320, 320),
        *,
        min_score: float = KEEP_SCORE,
        runtime: str = "litert",
        threads: int = 1,
    ) -> None:
        width, height = size
        shape = (1, height, width, 3)
        self._engine = LiteRtEngine(
            read_graph() if model is None else model,
            name=GRAPH.name, runtime=runtime, threads=threads, shapes={"image": shape},
        )  # fmt: skip
        image = self._engine.inputs["image"]
        # Then a pixel becomes the graph's integer by flipping its top bit.
        if image.dtype != np.int8 or abs(image.scale - 1) > 1e-3 or image.zero_point != -128:
            raise EngineError(f"{GRAPH.name}: the input is {image.dtype}, scale {image.scale:.6g}, not whole pixels")
        try:
            self._levels = [_Level(self._engine.outputs, stride, size, min_score) for stride in _STRIDES]
        except KeyError as error:
            raise EngineError(f"{GRAPH.name}: the graph is not YuNet; it has no {error}") from error
        self._min_score = min_score
        self._integers = np.empty(shape, np.int8)
        self.canvas: UInt8Array = np.zeros(shape[1:], np.uint8)
        """The search picture, uint8 (height, width, 3), RGB: to be written into before `search`."""

    def search(self) -> Found:
        """Finds the faces in the canvas, in its pixels.

        Raises:
            EngineError: the runtime failed.
        """
        np.bitwise_xor(self.canvas, _TOP_BIT, out=self._integers[0].view(np.uint8))
        out = self._engine.invoke({"image": self._integers})
        # Of thousands of anchors those of faces alone are worked on, of all strides at once.
        picked = [part for level in self._levels if (part := level.pick(out)) is not None]
        if not picked:
            return _NOTHING
        logits, shapes, anchors = (np.concatenate(part) for part in zip(*picked, strict=True))
        chances = 1 / (1 + np.exp(-logits))
        scores = np.sqrt(chances[:, 0] * chances[:, 1])
        order = np.argsort(-scores, kind="stable")[: min(_MOST_ANCHORS, np.count_nonzero(scores >= self._min_score))]
        if not order.size:
            return _NOTHING
        shapes, anchors, points = shapes[order], anchors[order], np.empty((len(order), 7, 2), np.float32)
        half = np.exp(shapes[:, 2:4]) / 2
        points[:, 0], points[:, 1] = shapes[:, :2] - half, shapes[:, :2] + half
        points[:, 2:] = shapes[:, 4:].reshape(-1, 5, 2)
        points += anchors[:, None, :2]
        points *= anchors[:, None, 2:]
        return _suppress(points, scores[order])

    def detect(self, pixels: UInt8Array) -> list[Detection]:
        """See `Detector.detect`; the picture is shrunk to fit into the canvas, and never enlarged."""
        check_picture(pixels)
        height, width = pixels.shape[:2]
        scale = min(1.0, self.canvas.shape[1] / width, self.canvas.shape[0] / height)
        inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
        self.canvas[inner_height:] = 0
        self.canvas[:, inner_width:] = 0
        shrink(pixels, self.canvas[:inner_height, :inner_width])
        points, scores = self.search()
        return detections(to_frame(points, (width / inner_width, height / inner_height)), scores)


def read_graph() -> bytes:
    """The shipped graph's bytes.

    Raises:
        AssetError: it is missing or altered.
    """
    try:
        data = GRAPH.read_bytes()
    except OSError as error:
        raise AssetError(f"{GRAPH}: cannot be read ({error.strerror})", fix="install affect-edge anew") from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise AssetError(f"{GRAPH}: SHA-256 differs from the shipped graph's", fix="install affect-edge anew")
    return data


class _Level:
    """The anchors of one stride, one at the corner of each cell: column, row and stride."""

    def __init__(self, outputs: Mapping[str, TensorSpec], stride: int, size: tuple[int, int], min_score: float) -> None:
        self._names = f"logits_{stride}", f"shapes_{stride}"
        self._logits, self._shapes = (outputs[name] for name in self._names)
        columns, rows = (side // stride for side in size)
        grid = np.mgrid[0:rows, 0:columns][::-1].reshape(2, -1).T
        self._anchors = np.concatenate([grid, np.full((len(grid), 1), stride)], axis=1).astype(np.float32)
        # The score is the geometric mean of two probabilities, so each is at least its square.
        least = min_score**2
        self._least = _quantum(math.log(least / (1 - least)), self._logits)

    def pick(self, out: Mapping[str, NDArray[np.int8]]) -> tuple[Float32Array, Float32Array, Float32Array] | None:
        """Logits (K, 2), shapes (K, 14) and anchors (K, 3) of those that may see a face; None where none does."""
        logits = out[self._names[0]].reshape(-1, 2)
        (keep,) = np.nonzero((logits[:, 0] >= self._least) & (logits[:, 1] >= self._least))
        if not keep.size:
            return None
        shapes = out[self._names[1]].reshape(-1, 14)[keep]
        return dequantize(logits[keep], self._logits), dequantize(shapes, self._shapes), self._anchors[keep]


def _quantum(value: float, spec: TensorSpec) -> int:
    """The tensor's integer at or below a real value."""
    return int(np.clip(np.floor(value / spec.scale) + spec.zero_point, -128, 127))


def _suppress(points: Float32Array, scores: Float32Array) -> Found:
    """One face of the anchors that saw it: the mean of the best and those that agree with it, weighted by score.

    Args:
        points: float32 (N, 7, 2), best first.
        scores: float32 (N,).
    """
    (x1, y1), (x2, y2) = np.ascontiguousarray(points[:, :2].transpose(1, 2, 0))
    across = np.minimum.outer(x2, x2) - np.maximum.outer(x1, x1)
    down = np.minimum.outer(y2, y2) - np.maximum.outer(y1, y1)
    shared = np.maximum(across, 0) * np.maximum(down, 0)
    area = (x2 - x1) * (y2 - y1)
    iou = shared / (area[:, None] + area - shared)
    left, firsts = np.ones(len(scores), bool), []
    other = iou <= _SAME_FACE_IOU
    while left.any():
        first = int(left.argmax())
        firsts.append(first)
        left &= other[first]
        left[first] = False
    shares = np.where(iou[firsts] >= _SAME_PLACE_IOU, scores, np.float32(0))
    shares /= shares.sum(axis=1, keepdims=True)
    return Found((shares @ points.reshape(-1, 14)).reshape(-1, 7, 2), scores[firsts])


def shrink(pixels: UInt8Array, out: UInt8Array) -> None:
    """Shrinks a picture into `out`, uint8 (H, W, 3) both: halved as often as that goes, then the rest at once.

    A last odd row or column is left out.
    """
    height, width = out.shape[:2]
    while (half := (pixels.shape[1] // 2, pixels.shape[0] // 2)) >= (width, height) and half[1] >= height:
        last = half == (width, height)
        even = pixels[: 2 * half[1], : 2 * half[0]]
        smaller = cv2.resize(even, half, dst=out if last else None, interpolation=cv2.INTER_AREA)
        pixels = np.asarray(smaller, np.uint8)
        if last:
            return
    if pixels.shape[:2] == (height, width):
        out[:] = pixels
    else:  # below a factor of two, four neighbours see every pixel
        cv2.resize(pixels, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)


def to_frame(points: Float32Array, scale: Float32Array | tuple[float, float]) -> Float32Array:
    """Points as the network gives them, in pixels of a shrunk picture, in pixels of the frame.

    The network counts from the edge of the first pixel, the frame from its middle.
    """
    return points * np.asarray(scale, np.float32) - np.float32(0.5)


def detections(points: Float32Array, scores: Float32Array) -> list[Detection]:
    """Faces one by one, each in a square by its landmarks; arguments as in `Found`, in pixels of the frame."""
    eyes, mouth = points[:, 2:4].mean(axis=1), points[:, 5:].mean(axis=1)
    across, down = points[:, 3] - points[:, 2], mouth - eyes
    half = np.maximum(_EYE_MOUTH * np.hypot(*down.T), _EYE_EYE * np.hypot(*across.T))[:, None] / 2
    middle = _EYE_WEIGHT * eyes + (1 - _EYE_WEIGHT) * mouth
    boxes = np.concatenate([middle - half, middle + half], axis=1).tolist()
    return [
        Detection(box_px=(x1, y1, x2, y2), score=score, landmarks_px=landmarks)
        for (x1, y1, x2, y2), score, landmarks in zip(boxes, scores.tolist(), points[:, 2:].copy(), strict=True)
    ]
