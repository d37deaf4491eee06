"""What one frame shows, as numbers: no pixel, no landmark, nothing of who is there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge.face.crop import align_face
from edge.face.detector import Detector
from edge.face.quality import QualityGate, Rejection, sharpness
from edge.model.bundle import Crop
from edge.values import Detection, Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceSight:
    """One face.

    Attributes:
        x, y: its middle, fractions of the picture from the top left.
        size_px: side of the detector's box.
        light: mean luma of the crop, 0-255.
        sharpness: see `edge.face.quality.sharpness`.
        rejection: why it would not be scored; None when it would.
    """

    x: float
    y: float
    size_px: float
    light: float
    sharpness: float
    rejection: Rejection | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One frame: the picture's mean luma, 0-255, and its faces, largest first."""

    light: float
    faces: tuple[FaceSight, ...]


class Aimer:
    """Looks at frames.

    Args:
        detector: finds the faces.
        gate: judges them, as the pipeline does.
        shape: the crop of the bundle that would score them.
    """

    def __init__(self, detector: Detector, gate: QualityGate, shape: Crop) -> None:
        self._detector = detector
        self._gate = gate
        self._shape = shape

    def look(self, frame: Frame) -> Sight:
        """Says what a frame shows; keeps nothing of it."""
        found = sorted(self._detector.detect(frame.pixels), key=lambda face: face.size_px, reverse=True)
        return Sight(
            light=float(frame.pixels[::8, ::8].mean()), faces=tuple(self._judge(frame, face) for face in found)
        )

    def _judge(self, frame: Frame, face: Detection) -> FaceSight:
        height, width = frame.pixels.shape[:2]
        crop = align_face(frame.pixels, face.landmarks_px, self._shape.size, self._shape.rule)
        luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
        x, y = face.center_px
        return FaceSight(
            x=min(max(x / width, 0.0), 1.0),
            y=min(max(y / height, 0.0), 1.0),
            size_px=face.size_px,
            light=float(luma.mean()),
            sharpness=sharpness(luma),
            rejection=self._gate.judge_pose(face) or self._gate.judge_crop(crop),
        )
