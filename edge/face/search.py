"""Finds the faces of a frame at a bounded cost: near known faces at each step, in the whole picture now and then.

The surroundings of all known faces are laid side by side into one small picture, the mosaic, and searched at once. The
wide search looks at the whole frame, halved as often as its smallest wanted face allows, and finds who is new. Nothing
is enlarged. A picture of one size has its own interpreter, since changing an interpreter's size is slow.

The network sees a small face's place well, its tilt hardly: of 15 degrees it shows 2. So a cell is turned upright by
the tilt known so far, and what tilt is left in it is taken several times: after three steps most faces stand upright.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.config import EngineConfig, FaceConfig
from edge.face.crop import cut_square
from edge.face.detector import MULTIPLE, YuNet, detections, read_graph, shrink, to_frame
from edge.face.tracker import Expected
from edge.geometry import Square, box_iou
from edge.model.engines.litert import installed_runtimes
from edge.values import Detection, Float32Array, UInt8Array, check_picture

_REACH, _REACH_UNSURE = 2.0, 3.0  # side of the region that fills a cell, in face sizes
_MOST_FACES = 64  # of a wide search that are looked at
_LEAST_PX = 12.0  # of a face in the search picture
_TILT_PX = 44.0  # a smaller face shows no tilt
_TILT_EYES, _TILT_AXIS = 3.5, 1.4  # the tilt of the eyes and of the line to the mouth, so many times
_UPRIGHT = math.radians(4)
_TILT_SLACK = math.radians(3)  # so much may be by chance, or the way a face is made
_MOST_TURN = math.radians(30)  # in one step
_FACE_SIDE = 2.5  # of a face's box, in distances between eyes and mouth
_SHARP_PX = 32.0  # an upright face that large in the wide search's picture needs no cell
_CUT = 0.1  # how far a face may reach out of its cell, in cells; what reaches farther is cut off there
_SAME_FACE_IOU = 0.3
_FACE_M = 0.17  # side of a grown person's box, metres


class _Layout(NamedTuple):
    """A mosaic's cells: how many across and down, and their side in pixels."""

    columns: int
    rows: int
    cell: int


# The more faces, the smaller the cells: 128 × 128 pixels for one face, never more than 384 × 384.
_LAYOUTS = tuple(
    _Layout(*each)
    for each in (
        *((1, 1, 128), (2, 1, 128), (2, 2, 96), (3, 2, 96)),
        *((4, 2, 80), (4, 4, 80), (6, 4, 64), (6, 6, 64)),
    )
)
MOST_REGIONS = _LAYOUTS[-1].columns * _LAYOUTS[-1].rows


class Sighting(NamedTuple):
    """What a search found.

    Attributes:
        detections: in pixels of the frame, each face once.
        looked_for: which of the expected faces would have been found, by index.
    """

    detections: list[Detection]
    looked_for: Collection[int]


class Search:
    """The search of one camera; keeps buffers, and whose turn it is when there are more faces than cells.

    Args:
        face: `min_score`, `min_face_px` and `search_px`.
        engine: runtime and threads; the search always runs on the CPU, a delegate is the backbone's.

    Raises:
        AssetError: the detector's graph is missing or altered.
        EngineError: the runtime is not installed, or cannot load the graph.
    """

    def __init__(self, face: FaceConfig | None = None, engine: EngineConfig | None = None) -> None:
        self._face, engine = face or FaceConfig(), engine or EngineConfig()
        runtime = engine.runtime if engine.runtime in ("litert", "tflite") else installed_runtimes()[0]
        self._open = partial(
            YuNet, read_graph(), min_score=self._face.min_score, runtime=runtime, threads=engine.threads
        )
        self._mosaics: dict[_Layout, YuNet] = {}
        self._wide: YuNet | None = None
        self._wide_shape = (0, 0)
        self._turn = 0

    def find(self, pixels: UInt8Array, expected: Sequence[Expected] = (), *, wide: bool = True) -> Sighting:
        """Searches a frame.

        Args:
            pixels: uint8 (H, W, 3), RGB.
            expected: where known faces should be by now. Of more than `MOST_REGIONS` some have their turn.
            wide: also search the whole picture.

        Raises:
            FrameError: it is no such picture.
            EngineError: the runtime failed.
        """
        check_picture(pixels)
        scale = search_scale(pixels.shape[1], pixels.shape[0], self._face)
        in_cells = [
            index
            for index, face in enumerate(expected)
            if not wide or face.size_px * scale < _SHARP_PX or abs(face.roll) > _UPRIGHT
        ]
        in_cells = self._take_turns(in_cells)
        found = self._search_near(pixels, [expected[index] for index in in_cells]) if in_cells else []
        if wide:
            found += self._search_whole(pixels, scale)
        distinct: list[Detection] = []
        for face in found:  # what the mosaic shows is sharper, so it goes first
            if all(box_iou(face.box_px, other.box_px) <= _SAME_FACE_IOU for other in distinct):
                distinct.append(face)
        return Sighting(distinct, range(len(expected)) if wide else in_cells)

    def detect(self, pixels: UInt8Array) -> list[Detection]:
        """The wide search alone; see `Detector.detect`."""
        return self.find(pixels).detections

    def _take_turns(self, faces: list[int]) -> list[int]:
        """All of them or, in turn, as many as there are cells."""
        if len(faces) <= MOST_REGIONS:
            return faces
        first = self._turn % len(faces)
        self._turn = first + MOST_REGIONS
        return (faces + faces)[first : first + MOST_REGIONS]

    def _search_near(self, pixels: UInt8Array, expected: Sequence[Expected]) -> list[Detection]:
        """Searches the surroundings of at most `MOST_REGIONS` faces."""
        layout = next(each for each in _LAYOUTS if each.columns * each.rows >= len(expected))
        columns, rows, side = layout
        if layout not in self._mosaics:
            self._mosaics[layout] = self._open(size=(_round_up(columns * side), _round_up(rows * side)))
        mosaic = self._mosaics[layout]
        return _search_cells(mosaic, side, pixels, [_surroundings(face, side) for face in expected])

    def _search_whole(self, pixels: UInt8Array, scale: float) -> list[Detection]:
        height, width = pixels.shape[:2]
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        if self._wide is None or self._wide_shape != (width, height):
            self._wide = self._open(size=(_round_up(inner[0]), _round_up(inner[1])))
            self._wide_shape = (width, height)
        shrink(pixels, self._wide.canvas[: inner[1], : inner[0]])
        points, scores = (each[:_MOST_FACES] for each in self._wide.search())
        return detections(to_frame(points, (width / inner[0], height / inner[1])), scores)


def _search_cells(mosaic: YuNet, side: int, pixels: UInt8Array, squares: Sequence[Square]) -> list[Detection]:
    """Searches squares of a frame, laid side by side into cells of `side` pixels."""
    height, width = mosaic.canvas.shape[:2]
    columns, rows = width // side, height // side
    corners = [(x, y) for y in range(0, rows * side, side) for x in range(0, columns * side, side)]
    for (x, y), square in zip(corners, squares, strict=False):
        cut_square(pixels, square, side, out=mosaic.canvas[y : y + side, x : x + side])
    for x, y in corners[len(squares) :]:
        mosaic.canvas[y : y + side, x : x + side] = 0
    points, scores = mosaic.search()
    column, row = ((points[:, 0] + points[:, 1]) / (2 * side)).astype(int).T
    number = np.minimum(np.maximum(row * columns + column, 0), len(squares) - 1)
    points -= np.array(corners, np.float32)[number, None]  # now within the cell
    low, high = points[:, 0].min(axis=1), points[:, 1].max(axis=1)
    keep = (low >= -_CUT * side) & (high <= (1 + _CUT) * side)
    upright = _take_tilt(points[keep])
    x, y, length, roll = np.array(squares, np.float32)[number[keep]].T[..., None]
    placed = (upright - (1 + 1j) * side / 2) * (length / side * np.exp(1j * roll)) + (x + 1j * y)
    return detections(placed.astype(np.complex64).view(np.float32).reshape(-1, 7, 2), scores[keep])


def farthest_m(width: int, height: int, face: FaceConfig, *, lens_deg: float) -> float:
    """How far away a face may be and still be scored, metres, with a lens that sees so many degrees across."""
    across = _FACE_M * width / smallest_found_px(width, height, face)
    return across / 2 / math.tan(math.radians(lens_deg) / 2)


def _round_up(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE


def search_scale(width: int, height: int, face: FaceConfig) -> float:
    """How much a frame is shrunk for the wide search: 1, 1/2, 1/4 and so on.

    Halved while the smallest wanted face stays large enough, and until the picture fits into `search_px`.
    """
    scale = 1.0
    while face.min_face_px * scale / 2 >= _LEAST_PX or max(width, height) * scale > face.search_px:
        scale /= 2
    return scale


def smallest_found_px(width: int, height: int, face: FaceConfig) -> float:
    """The smallest face that the wide search finds in frames of a size, pixels."""
    return max(face.min_face_px, _LEAST_PX / search_scale(width, height, face))


def _surroundings(face: Expected, side: int) -> Square:
    """What fills a cell: the surroundings of a face, upright by the tilt known so far."""
    reach = _REACH if face.steady else _REACH_UNSURE
    turned = face.size_px * min(1.0, side / (reach * face.size_px)) >= _TILT_PX
    return Square(face.x, face.y, max(reach * face.size_px, float(side)), face.roll if turned else 0.0)


def _take_tilt(points: Float32Array) -> NDArray[np.complex64]:
    """Faces of a mosaic, (N, 7) as x + iy, turned by several times the tilt of their landmarks, unless too small."""
    faces = np.ascontiguousarray(points).view(np.complex64)[..., 0]
    eyes, mouth = faces[:, 2:4].mean(axis=1), faces[:, 5:].mean(axis=1)
    shown = (_TILT_EYES - 1) * np.angle(faces[:, 3] - faces[:, 2]) + _TILT_AXIS * np.angle((mouth - eyes) / 1j)
    turn = shown - np.clip(shown, -_TILT_SLACK, _TILT_SLACK)
    turn = np.clip(turn, -_MOST_TURN, _MOST_TURN) * (_FACE_SIDE * np.abs(mouth - eyes) >= _TILT_PX)
    middle = ((eyes + mouth) / 2)[:, None]
    faces[:, 2:] = middle + (faces[:, 2:] - middle) * np.exp(1j * turn)[:, None]
    return faces
