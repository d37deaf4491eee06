"""MediaPipe Face Landmarker (Apache-2.0) in LiteRT: 478 landmarks, 52 blendshapes and the head's rotation.

The `.task` file is a ZIP of TFLite graphs. The landmark graph wants an upright face with margin, RGB in 0..1; the
blendshape graph wants 146 of the landmarks in pixels. Names and subset are those of MediaPipe's
`face_blendshapes_graph.cc` (Grishchenko et al. 2022, "Blendshapes GHUM").
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.errors import DataError
from edge.face.crop import cut_square
from edge.geometry import CropRule, Square, face_square
from edge.model.engines.litert import LiteRtEngine
from edge.values import Float32Array, UInt8Array

# fmt: off
BLENDSHAPES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)
# fmt: on

_SIDE = 256  # input side of the landmark graph, pixels
_ROUGH = CropRule(eye_mouth=4.2, eye_eye=3.6, eye_weight=0.5)
_MARGIN = 1.5  # side of the second crop in units of the landmarks' own square, as MediaPipe tracks
_RIGHT_EYE, _LEFT_EYE, _FOREHEAD, _CHIN = 33, 263, 10, 152  # landmark numbers of the canonical face mesh
# fmt: off
_BLENDSHAPE_POINTS = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251,
    263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
])
# fmt: on


class FaceShape(NamedTuple):
    """What the landmarker says of one face.

    Attributes:
        blendshapes: float32 (52,), 0..1, in the order of `BLENDSHAPES`.
        rotation: float32 (3,), yaw, pitch and roll of the head in radians.
        mesh_px: float32 (478, 3), the canonical face mesh: x and y in pixels of the picture, z in the same unit,
            towards the camera negative.
    """

    blendshapes: Float32Array
    rotation: Float32Array
    mesh_px: Float32Array


class FaceLandmarker:
    """Runs the two graphs of a `.task` file.

    Args:
        task: path of `face_landmarker.task`, from the user.
        threads: of the landmark graph.

    Attributes:
        sha256: of the file.

    Raises:
        DataError: the file is missing or not such a ZIP.
        EngineError: a graph cannot be loaded.
    """

    def __init__(self, task: Path, *, threads: int = 2) -> None:
        try:
            with zipfile.ZipFile(task) as archive:
                landmarks = archive.read("face_landmarks_detector.tflite")
                blendshapes = archive.read("face_blendshapes.tflite")
        except FileNotFoundError:
            raise DataError(f"{task}: no such file; the teacher needs MediaPipe's face_landmarker.task") from None
        except (KeyError, zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{task}: not a Face Landmarker task file ({error})") from error
        self.sha256 = hashlib.sha256(task.read_bytes()).hexdigest()
        self._landmarks = LiteRtEngine(landmarks, name="face_landmarks_detector.tflite", threads=threads)
        self._blendshapes = LiteRtEngine(blendshapes, name="face_blendshapes.tflite")
        (self._image,) = self._landmarks.inputs
        (self._points,) = self._blendshapes.inputs
        (self._scores,) = self._blendshapes.outputs
        self._mesh = next(name for name, spec in self._landmarks.outputs.items() if spec.shape[-1] == 478 * 3)

    def describe(self, pixels: UInt8Array, landmarks_px: Float32Array) -> FaceShape:
        """Describes one face.

        Args:
            pixels: uint8 (H, W, 3), RGB.
            landmarks_px: float32 (5, 2) of the face, as in `Detection`.
        """
        return self.describe_square(pixels, face_square(landmarks_px, _ROUGH))

    def describe_square(self, pixels: UInt8Array, rough: Square) -> FaceShape:
        """Describes the face in an upright square around it, about 1.4 times as large as the device's crop."""
        return self.describe_tracked(pixels, self.locate(pixels, rough))

    def locate(self, pixels: UInt8Array, rough: Square) -> Square:
        """The square that holds the face upright with MediaPipe's margin."""
        return _mesh_square(self._run(pixels, rough), rough)

    def describe_tracked(self, pixels: UInt8Array, square: Square) -> FaceShape:
        """Describes the face in the square that the frame before gave: each graph runs once, as MediaPipe tracks."""
        mesh = self._run(pixels, square)
        points = mesh[_BLENDSHAPE_POINTS, :2]
        scores = self._blendshapes.invoke({self._points: points[None].astype(np.float32)})[self._scores]
        yaw, pitch, roll = _rotation(mesh)
        return FaceShape(
            blendshapes=scores.reshape(-1).astype(np.float32),
            rotation=np.array([yaw, pitch, roll + square.roll], np.float32),
            mesh_px=_to_picture(mesh, square),
        )

    def _run(self, pixels: UInt8Array, square: Square) -> Float32Array:
        """The mesh (478, 3) in pixels of the turned square; z in the same unit, towards the camera negative."""
        crop = cut_square(pixels, square, _SIDE).astype(np.float32) / np.float32(255)
        mesh = self._landmarks.invoke({self._image: crop[None]})[self._mesh]
        return mesh.reshape(478, 3).astype(np.float32)


def _mesh_square(mesh: Float32Array, square: Square) -> Square:
    """The square in the picture that holds a mesh upright with MediaPipe's margin."""
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    scale = square.side / _SIDE
    offset = ((low + high) / 2 - (_SIDE - 1) / 2) * scale
    cos, sin = np.cos(square.roll), np.sin(square.roll)
    across = mesh[_LEFT_EYE, :2] - mesh[_RIGHT_EYE, :2]
    return Square(
        center_x=square.center_x + float(cos * offset[0] - sin * offset[1]),
        center_y=square.center_y + float(sin * offset[0] + cos * offset[1]),
        side=max(float((high - low).max()) * scale * _MARGIN, 1.0),
        roll=square.roll + float(np.arctan2(across[1], across[0])),
    )


def _to_picture(mesh: Float32Array, square: Square) -> Float32Array:
    """A mesh (478, 3) in pixels of a turned square of `_SIDE` pixels, in pixels of the picture."""
    scale = square.side / _SIDE
    cos, sin = scale * np.cos(square.roll), scale * np.sin(square.roll)
    off = mesh[:, :2] - (_SIDE - 1) / 2
    x = square.center_x + cos * off[:, 0] - sin * off[:, 1]
    y = square.center_y + sin * off[:, 0] + cos * off[:, 1]
    return np.stack([x, y, scale * mesh[:, 2]], axis=1).astype(np.float32)


def _rotation(mesh: Float32Array) -> tuple[float, float, float]:
    """Yaw, pitch and roll in radians from two axes of the face: eye to eye and forehead to chin."""
    x = _unit(mesh[_LEFT_EYE] - mesh[_RIGHT_EYE])
    down = _unit(mesh[_CHIN] - mesh[_FOREHEAD])
    return float(np.arcsin(x[2])), float(np.arcsin(down[2])), float(np.arctan2(x[1], x[0]))


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector / max(float(np.linalg.norm(vector)), 1e-6)
