"""Finds the faces of a frame at a bounded cost: near known faces at each step, in the whole picture now and then.

The surroundings of all known faces are laid side by side into one small picture, the mosaic, and searched at once. The
wide search looks at the whole frame, halved as often as its smallest wanted face allows, and finds who is new. Nothing
is enlarged. A picture of one size has its own interpreter, since changing an interpreter's size is slow.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from edge.config import EngineConfig, FaceConfig
from edge.face.detector import GRAPH, MULTIPLE, YuNet, detections, shrink, to_frame
from edge.face.tracker import Expected
from edge.geometry import box_iou
from edge.model.engines.litert import installed_runtimes
from edge.values import Detection, UInt8Array, check_picture

_REACH, _REACH_UNSURE = 2.0, 3.0  # side of the region that fills a cell, in face sizes
_MOST_FACES = 64  # of a wide search that are looked at
_LEAST_PX = 12.0  # of a face in the search picture
_SHARP_PX = 32.0  # a face that large in the wide search's picture needs no cell
_CUT = 0.1  # how far a face may reach out of its cell, in cells; what reaches farther is cut off there
_SAME_FACE_IOU = 0.3


class _Layout(NamedTuple):
    """A mosaic's cells: how many across and down, and their side in pixels."""

    columns: int
    rows: int
    cell: int


# The more faces, the smaller the cells: 128 × 128 pixels for one face, never more than 384 × 384.
_LAYOUTS = tuple(
    _Layout(*each)
    for each in (
        *((1, 1, 128), (2, 1, 128), (2, 2, 128)),
        *((3, 2, 96), (4, 2, 80), (4, 4, 80)),
        *((6, 4, 64), (6, 6, 64)),
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


class _Region(NamedTuple):
    """A part of the frame in a cell: where the cell's corner lies in the frame, and frame pixels by cell pixel."""

    left: float
    top: float
    across: float
    down: float


class Search:
    """The search of one camera; keeps buffers, and whose turn it is when there are more faces than cells.

    Args:
        face: `min_score`, `min_face_px` and `search_px`.
        engine: runtime and threads; the search always runs on the CPU, a delegate is the backbone's.

    Raises:
        EngineError: the runtime is not installed, or cannot load the graph.
    """

    def __init__(self, face: FaceConfig, engine: EngineConfig) -> None:
        self._face = face
        runtime = engine.runtime if engine.runtime in ("litert", "tflite") else installed_runtimes()[0]
        self._open = partial(
            YuNet, GRAPH.read_bytes(), min_score=face.min_score, runtime=runtime, threads=engine.threads
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
        in_cells = [index for index, face in enumerate(expected) if not wide or face.size_px * scale < _SHARP_PX]
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
        corners = [(x, y) for y in range(0, rows * side, side) for x in range(0, columns * side, side)]
        cells = [mosaic.canvas[y : y + side, x : x + side] for x, y in corners]
        regions = np.array([_fill(cell, pixels, face) for cell, face in zip(cells, expected, strict=False)], np.float32)
        for cell in cells[len(regions) :]:
            cell[:] = 0
        points, scores = mosaic.search()
        column, row = ((points[:, 0] + points[:, 1]) / (2 * side)).astype(int).T
        number = np.minimum(np.maximum(row * columns + column, 0), len(regions) - 1)
        points -= np.array(corners, np.float32)[number, None]  # now within the cell
        low, high = points[:, 0].min(axis=1), points[:, 1].max(axis=1)
        keep = (low >= -_CUT * side) & (high <= (1 + _CUT) * side)
        points, at = points[keep], regions[number[keep], None]
        return detections(to_frame(points, at[..., 2:]) + at[..., :2], scores[keep])

    def _search_whole(self, pixels: UInt8Array, scale: float) -> list[Detection]:
        height, width = pixels.shape[:2]
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        if self._wide is None or self._wide_shape != (width, height):
            self._wide = self._open(size=(_round_up(inner[0]), _round_up(inner[1])))
            self._wide_shape = (width, height)
        shrink(pixels, self._wide.canvas[: inner[1], : inner[0]])
        points, scores = (each[:_MOST_FACES] for each in self._wide.search())
        return detections(to_frame(points, (width / inner[0], height / inner[1])), scores)


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


def _fill(cell: UInt8Array, pixels: UInt8Array, face: Expected) -> _Region:
    """Lays the surroundings of a face into a cell, shrunk if need be; black where the frame ends."""
    reach = _REACH if face.steady else _REACH_UNSURE
    side = cell.shape[0]
    scale = max(reach * face.size_px / side, 1.0)
    step = 1 << int(math.log2(scale))  # pixels that `shrink` makes one
    spans = []
    for middle, length in ((face.x, pixels.shape[1]), (face.y, pixels.shape[0])):
        start = round(middle - scale * side / 2)
        low, high = max(start, 0), min(round(start + scale * side), length)
        high -= max(high - low, 0) % step
        inner = round((low - start) / scale), min(round((high - start) / scale), side)
        spans.append((low, high, *inner))
    (x1, x2, u1, u2), (y1, y2, v1, v2) = spans
    if (u1, v1, u2, v2) != (0, 0, side, side):
        cell[:] = 0
    if u2 <= u1 or v2 <= v1:
        return _Region(0.0, 0.0, 1.0, 1.0)
    shrink(pixels[y1:y2, x1:x2], cell[v1:v2, u1:u2])
    across, down = (x2 - x1) / (u2 - u1), (y2 - y1) / (v2 - v1)
    return _Region(x1 - u1 * across, y1 - v1 * down, across, down)
