"""Faces in still pictures, found and cut with the device's own detector and crop; and the picture files themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from convert.errors import DataError
from edge.face.crop import align_face
from edge.face.detector import Detector, YuNet
from edge.geometry import CropRule
from edge.values import Detection, Float32Array, UInt8Array

_SIDE = 320  # of the search picture, pixels
_BORDER = 0.25  # added around a picture, since its face may fill it: share of its longer side
_OFF_CENTER_PENALTY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledFace:
    """One picture with a face that the detector found, and what a rater said of it.

    Attributes:
        name: unique over all sources, `<source>/<file>`.
        source: short name of the data set.
        validation: held out from every fit: backbone, head and teacher.
        pixels: uint8 (H, W, 3), RGB.
        landmarks_px: float32 (5, 2), as in `Detection`.
        rated: (valence, arousal) in −1..1, or None where nobody rated.
        weight: of the rating in a loss, above 0; from how sure the raters were.
        group: what the picture belongs to, as a person or a video; empty for a picture by itself.
    """

    name: str
    source: str
    validation: bool
    pixels: UInt8Array
    landmarks_px: Float32Array
    rated: tuple[float, float] | None
    weight: float = 1.0
    group: str = ""

    @property
    def cluster(self) -> str:
        """What bootstrap intervals draw together with it: its group within its source, else it alone."""
        return f"{self.source}/{self.group}" if self.group else self.name


class FaceFinder:
    """Finds the face that a still picture is about.

    Args:
        detector: another than the device's.
    """

    def __init__(self, detector: Detector | None = None) -> None:
        self._detector = detector or YuNet(size=(_SIDE, _SIDE), min_score=0.5)

    def find(self, pixels: UInt8Array) -> Detection | None:
        """Finds one face: of several the best by score, less up to half for lying off the centre.

        Args:
            pixels: uint8 (H, W, 3), RGB.

        Returns:
            The face in pixels of the picture, or None.
        """
        height, width = pixels.shape[:2]
        pad = round(_BORDER * max(height, width))
        padded = cv2.copyMakeBorder(pixels, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        faces = self._detector.detect(np.asarray(padded, np.uint8))
        if not faces:
            return None
        middle = np.array([width, height]) / 2 + pad

        def rank(face: Detection) -> float:
            off = float(np.hypot(*(np.array(face.center_px) - middle))) / (max(width, height) / 2)
            return face.score * (1 - _OFF_CENTER_PENALTY * min(off, 1.0))

        best = max(faces, key=rank)
        x1, y1, x2, y2 = best.box_px
        return Detection(
            box_px=(x1 - pad, y1 - pad, x2 - pad, y2 - pad),
            score=best.score,
            landmarks_px=(best.landmarks_px - pad).astype(np.float32),
        )


def cut_face(pixels: UInt8Array, face: Detection | None, size: int, rule: CropRule) -> UInt8Array:
    """The device's crop of a face, or the whole picture resized where no face was found.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        face: in pixels of the picture.
        size: side of the crop, pixels.
        rule: the bundle's crop rule.

    Returns:
        uint8 (size, size, 3), RGB.
    """
    if face is None:
        return np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    return align_face(pixels, face.landmarks_px, size, rule)


def cut_faces(faces: Sequence[LabelledFace], size: int, rule: CropRule | None = None) -> UInt8Array:
    """The device's crops of faces, by default by the device's own rule: uint8 (N, size, size, 3), RGB."""
    crops = [align_face(face.pixels, face.landmarks_px, size, rule or CropRule()) for face in faces]
    return np.stack(crops) if crops else np.zeros((0, size, size, 3), np.uint8)


def read_picture(path: Path, where: str = "") -> UInt8Array:
    """Reads a picture file as uint8 (H, W, 3), RGB.

    Args:
        path: the file.
        where: file and line that name it, for the error.

    Raises:
        DataError: the file is missing or no picture that OpenCV reads.
    """
    named = f"{where}: {path}" if where else str(path)
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{named}: cannot be read ({error.strerror})") from error
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if pixels is None:
        raise DataError(f"{named}: not a picture that can be read")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
