"""Faces in still pictures, found and cut with the device's own detector and crop; and the picture files themselves."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from convert.errors import DataError
from edge.face.crop import align_face
from edge.face.detector import SHA256, Detector, YuNet
from edge.face.search import Search
from edge.face.tracker import Expected
from edge.geometry import CropRule, roll_radians
from edge.values import Detection, UInt8Array

_SIDE = 320  # of the search picture, pixels
_BORDER = 0.25  # added around a picture, since its face may fill it: share of its longer side
_OFF_CENTER_PENALTY = 0.5
_LOOKS, _STILL = 6, math.radians(0.5)


class FaceFinder:
    """Finds the face that a still picture is about.

    Args:
        detector: another than the device's.

    Attributes:
        name: tells one detector's results from another's.
    """

    def __init__(self, detector: Detector | None = None) -> None:
        self.name = type(detector).__name__ if detector else f"{SHA256} {_SIDE} {_LOOKS}"
        self._detector = detector or YuNet(size=(_SIDE, _SIDE), min_score=0.5)
        self._search = Search()

    def find(self, pixels: UInt8Array) -> Detection | None:
        """Finds one face: of several the best by score, less up to half for lying off the centre.

        Args:
            pixels: uint8 (H, W, 3), RGB.

        Returns:
            The face in pixels of the picture, or None.
        """
        height, width = pixels.shape[:2]
        pad = round(_BORDER * max(height, width))
        black = cv2.copyMakeBorder(pixels, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        padded = np.asarray(black, np.uint8)
        faces = self._detector.detect(padded)
        if not faces:
            return None
        middle = np.array([width, height]) / 2 + pad

        def rank(face: Detection) -> float:
            off = float(np.hypot(*(np.array(face.center_px) - middle))) / (max(width, height) / 2)
            return face.score * (1 - _OFF_CENTER_PENALTY * min(off, 1.0))

        return moved(self._stand(padded, max(faces, key=rank)), -pad, -pad)

    def _stand(self, pixels: UInt8Array, face: Detection) -> Detection:
        """The face as the device sees it after some steps: looked at again in its cell, until its tilt is known."""
        for _ in range(_LOOKS):
            roll = roll_radians(face.landmarks_px)
            near = Expected(*face.center_px, face.size_px, roll, steady=True)
            again = self._search.find(pixels, [near], wide=False).detections
            if not again:
                break
            face = again[0]
            if abs(roll_radians(face.landmarks_px) - roll) < _STILL:
                break
        return face


def moved(face: Detection, x: float, y: float) -> Detection:
    """The same face in a picture whose origin lies elsewhere: `x` and `y` pixels are added."""
    x1, y1, x2, y2 = face.box_px
    points = (face.landmarks_px + np.array([x, y])).astype(np.float32)
    return Detection(box_px=(x1 + x, y1 + y, x2 + x, y2 + y), score=face.score, landmarks_px=points)


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
