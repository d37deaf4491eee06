"""Runs search, tracker and schedule over pictures, and holds what is in view against a reference detector."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from benchmarks.detector.scenes import STEP_S
from edge.clock import NS
from edge.config import EngineConfig, FaceConfig
from edge.face.schedule import Schedule, Spent
from edge.face.search import Search
from edge.face.tracker import Tracker, seen
from edge.geometry import CropRule, face_square
from edge.values import Detection, UInt8Array

CLEAR_SCORE, CLEAR_PX = 0.8, 24.0  # a clear face of the reference
_FACE_SCORE = 0.4  # below, the reference sees no face where the device sees one
_NEAR = 0.5  # of the face's size: how far apart two detections of one face may be


class Reference:
    """YuNet as published, in float32 through OpenCV, on the whole picture at full size.

    Args:
        onnx: `face_detection_yunet_2023mar.onnx`.
    """

    def __init__(self, onnx: Path) -> None:
        self._net = cv2.FaceDetectorYN.create(str(onnx), "", (320, 320), _FACE_SCORE, 0.3)

    def find(self, pixels: UInt8Array) -> np.ndarray:
        """Faces as rows of 15: box (x, y, width, height), five landmarks, score."""
        self._net.setInputSize((pixels.shape[1], pixels.shape[0]))
        _, rows = self._net.detect(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        return np.zeros((0, 15), np.float32) if rows is None else np.asarray(rows, np.float32)


@dataclass(slots=True)
class Found:
    """Counts over the steps of one scene.

    Attributes:
        steps: how many pictures.
        clear: clear faces of the reference.
        detected, tracked: of these found by the search, and in view as a track.
        false: tracks in view where the reference sees no face.
        sizes_px: of the clear faces.
        crops: of the found clear faces, how far the crop is from the reference's: centre (in sides), ratio of the
            sides, and roll (degrees).
        search_ms, reference_ms: processor time of each step, in one thread.
    """

    steps: int = 0
    clear: int = 0
    detected: int = 0
    tracked: int = 0
    false: int = 0
    sizes_px: list[float] = field(default_factory=list)
    crops: list[tuple[float, float, float]] = field(default_factory=list)
    search_ms: list[float] = field(default_factory=list)
    reference_ms: list[float] = field(default_factory=list)


def measure(pictures: Iterable[UInt8Array], reference: Reference, face: FaceConfig) -> Found:
    """Plays a scene at ten steps a second."""
    search, tracker = Search(face, EngineConfig()), Tracker()
    schedule = Schedule(step_s=STEP_S, reset_s=1.0, search_every=face.search_every)
    found = Found()
    for number, pixels in enumerate(pictures):
        now_ns = round((number + 0.5) * STEP_S * NS)
        begun_ns = time.process_time_ns()
        rows = reference.find(pixels)
        found.reference_ms.append((time.process_time_ns() - begun_ns) / 1e6)
        plan = schedule.plan(now_ns)
        begun_ns = time.process_time_ns()
        sighting = search.find(pixels, tracker.expected(now_ns), wide=plan.wide)
        tracks = tracker.update(sighting.detections, now_ns, sighting.looked_for)
        found.search_ms.append((time.process_time_ns() - begun_ns) / 1e6)
        schedule.done(plan, Spent(search_ns=0, total_ns=0, faces=len(tracks), scored=()), now_ns)
        in_view = [track.detection for track in seen(tracks)]
        sides = np.sqrt(rows[:, 2] * rows[:, 3])
        clear = rows[(rows[:, 14] >= CLEAR_SCORE) & (sides >= CLEAR_PX)]
        found.steps += 1
        found.clear += len(clear)
        pairs = [(row, one) for row in clear for one in sighting.detections if _same(row, one)]
        found.detected += len({row.tobytes() for row, _ in pairs})
        found.crops += [_compare(row, one) for row, one in pairs]
        found.tracked += sum(any(_same(row, one) for one in in_view) for row in clear)
        found.false += sum(not any(_same(row, one) for row in rows) for one in in_view)
        found.sizes_px += np.sqrt(clear[:, 2] * clear[:, 3]).tolist()
    return found


def _same(row: np.ndarray, face: Detection) -> bool:
    """Whether both are one face."""
    middle = row[4:14].reshape(5, 2).mean(axis=0)
    off = np.hypot(*(face.landmarks_px.mean(axis=0) - middle))
    return bool(off <= _NEAR * max(float(np.sqrt(row[2] * row[3])), face.size_px))


def _compare(row: np.ndarray, face: Detection) -> tuple[float, float, float]:
    theirs, ours = (
        face_square(points, CropRule()) for points in (row[4:14].reshape(5, 2) - np.float32(0.5), face.landmarks_px)
    )
    off = math.hypot(ours.center_x - theirs.center_x, ours.center_y - theirs.center_y) / theirs.side
    return off, ours.side / theirs.side, math.degrees(ours.roll - theirs.roll)
