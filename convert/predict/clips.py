"""Faces of video clips on the head's time grid, found, followed and cut by the device's own code; kept in memory."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from convert.errors import DataError
from convert.predict.evaluation import NS
from convert.studio.stills import cut_loose, loose_square
from convert.train.sequences import Scene
from edge.face.detector import YuNet
from edge.face.tracker import Tracker, seen
from edge.geometry import CropRule, face_square
from edge.values import UInt8Array


class ClipFace(NamedTuple):
    """One face of a clip.

    Attributes:
        name: `<clip>#<track>`.
        pictures: by step of the grid, uint8 (P, P, 3) RGB with the crop's square in the middle; None where not seen.
    """

    name: str
    pictures: list[UInt8Array | None]


def read_clip(path: Path, *, step_s: float, shortest: int) -> list[ClipFace]:
    """The faces that are seen for at least `shortest` steps.

    Raises:
        DataError: the file cannot be read.
    """
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise DataError(f"{path}: not a video that can be read")
    detector = YuNet(size=(640, 640))
    tracker, faces = Tracker(), dict[int, dict[int, UInt8Array]]()
    rate, index, slot = video.get(cv2.CAP_PROP_FPS) or 30.0, 0, -1
    while True:
        read, frame = video.read()
        if not read:
            break
        now, index = index / rate, index + 1
        if int(now / step_s) == slot:
            continue
        slot = int(now / step_s)
        pixels = np.ascontiguousarray(frame[:, :, ::-1], np.uint8)
        for track in seen(tracker.update(detector.detect(pixels), round(now * NS))):
            square = face_square(track.detection.landmarks_px, CropRule())
            faces.setdefault(track.id, {})[slot] = cut_loose(pixels, square)
    video.release()
    found = []
    for number, by_slot in faces.items():
        if len(by_slot) >= shortest:
            pictures = [by_slot.get(slot) for slot in range(min(by_slot), max(by_slot) + 1)]
            found.append(ClipFace(f"{path.stem}#{number}", pictures))
    return found


def clip_scene(face: ClipFace, start: int, steps: int) -> Scene:
    """A part of a clip as a scene; its truth is not known and left zero."""
    return Scene(lambda step: face.pictures[start + step], loose_square(), np.zeros((steps, 2), np.float32))
