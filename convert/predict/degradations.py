"""How a camera may see a face worse: smaller, darker, blurred, compressed, turned; one function a thing.

A picture lies in a camera's whole frame before its detector looks for the face, so what spoils the finding counts too.
Around it the frame is black: with grey or blurred surroundings the detector loses far more of these tight pictures (at
48 px 53 to 68% were found against 95%), while in videos it finds faces of 67 px always and half of those of 22.
Strengths are fixed and said in units that hold for every picture: pixels of blur are those of a crop of 112.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.studio.head import MorphableHead
from convert.studio.reenact import make_portrait, reenact
from convert.teacher.landmarker import FaceLandmarker
from edge.face.crop import align_face
from edge.geometry import CropRule, face_square
from edge.values import Float32Array, UInt8Array

FRAME = (640, 480)  # width and height of what the camera delivers, pixels
_CROP = 112  # for which blur is said
_TURN_ROOM = 0.25  # that a turning head is given around the picture, in units of its side
_GAMMA = 2.2
_WHITE_ELECTRONS, _READ_ELECTRONS = 4000.0, 4.0  # of a small sensor: a white pixel in full light, and in the dark
# Light for each 8-bit value, and the value for each of 4096 steps of light.
_LINEAR = ((np.arange(256) / 255) ** _GAMMA).astype(np.float32)
_CODES = np.rint(255 * (np.arange(4096) / 4095) ** (1 / _GAMMA)).astype(np.uint8)


class Shot(NamedTuple):
    """A frame with one face in it.

    Attributes:
        pixels: uint8 (H, W, 3), RGB.
        landmarks_px: float32 (5, 2), where the face truly is.
        inside: uint8 (H, W), 255 where the frame shows the picture, 0 around it.
    """

    pixels: UInt8Array
    landmarks_px: Float32Array
    inside: NDArray[np.uint8]

    @property
    def side_px(self) -> float:
        """Side of the face's crop square, pixels."""
        return face_square(self.landmarks_px, CropRule()).side

    def cut(self, landmarks_px: Float32Array, size: int, rule: CropRule) -> UInt8Array:
        """The device's crop, grey outside of the picture as if the frame ended there; see `align_face`."""
        framed = cv2.copyTo(self.pixels, self.inside, np.full_like(self.pixels, 127))
        return align_face(np.asarray(framed, np.uint8), landmarks_px, size, rule)


Spoil = Callable[[Shot, np.random.Generator], Shot]


def place(pixels: UInt8Array, landmarks_px: Float32Array, *, scale: float = 1.0, roll_deg: float = 0.0) -> Shot:
    """Puts a picture into the middle of a black frame.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        landmarks_px: float32 (5, 2) of its face.
        scale: of the picture; made smaller only where it would not fit.
        roll_deg: by which it is turned, clockwise.
    """
    width, height = FRAME
    scale = min(scale, width / pixels.shape[1], height / pixels.shape[0])
    if scale < 1:
        small = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        ratio = np.array(small) / (pixels.shape[1], pixels.shape[0])
        landmarks_px = ((landmarks_px + 0.5) * ratio - 0.5).astype(np.float32)
        pixels = np.asarray(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), np.uint8)
    h, w = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), -roll_deg, 1.0)
    matrix[:, 2] += ((width - w) / 2, (height - h) / 2)
    frame = cv2.warpAffine(pixels, matrix, FRAME, flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(np.full((h, w), 255, np.uint8), matrix, FRAME, flags=cv2.INTER_NEAREST)
    moved = landmarks_px @ matrix[:, :2].T + matrix[:, 2]
    return Shot(np.asarray(frame, np.uint8), moved.astype(np.float32), np.asarray(inside, np.uint8))


def dimmed(share: float) -> Spoil:
    """A share of the light at a fixed exposure, with the noise of photons and of the sensor; 1 is full light."""

    def spoil(shot: Shot, rng: np.random.Generator) -> Shot:
        light = _LINEAR * np.float32(share)
        deviation = np.sqrt(light * np.float32(_WHITE_ELECTRONS) + np.float32(_READ_ELECTRONS**2)) / _WHITE_ELECTRONS
        noise = _noise()
        y, x = (
            int(rng.integers(have - want)) for have, want in zip(noise.shape[:2], shot.pixels.shape[:2], strict=True)
        )
        field = noise[y : y + shot.pixels.shape[0], x : x + shot.pixels.shape[1]]
        noisy = cv2.LUT(shot.pixels, light) + cv2.LUT(shot.pixels, deviation.astype(np.float32)) * field
        return shot._replace(pixels=_developed(noisy))

    return spoil


def overexposed(gain: float) -> Spoil:
    """More light than the exposure was made for; what passes white is cut off."""

    def spoil(shot: Shot, rng: np.random.Generator) -> Shot:
        del rng
        table = _developed(_LINEAR * np.float32(gain))
        return shot._replace(pixels=np.asarray(cv2.LUT(shot.pixels, table), np.uint8))

    return spoil


def moved(length: float) -> Spoil:
    """Motion blur of `length` crop pixels in a direction of its own."""

    def spoil(shot: Shot, rng: np.random.Generator) -> Shot:
        angle, reach = rng.uniform(0, np.pi), length * shot.side_px / _CROP / 2
        size = 2 * int(np.ceil(reach)) + 3
        kernel = np.zeros((size, size), np.uint8)
        step = np.array([np.cos(angle), np.sin(angle)]) * reach
        ends = np.rint((size // 2 + np.stack([-step, step])) * 16).astype(int).tolist()
        cv2.line(kernel, ends[0], ends[1], (255.0,), 1, cv2.LINE_AA, 4)
        return _filtered(shot, kernel)

    return spoil


def defocused(radius: float) -> Spoil:
    """A disc of confusion of this radius in crop pixels."""

    def spoil(shot: Shot, rng: np.random.Generator) -> Shot:
        del rng
        reach = radius * shot.side_px / _CROP
        size = 2 * int(np.ceil(reach)) + 3
        kernel = np.zeros((size, size), np.uint8)
        center = (size // 2 * 16, size // 2 * 16)
        cv2.circle(kernel, center, round(reach * 16), (255.0,), -1, cv2.LINE_AA, 4)
        return _filtered(shot, kernel)

    return spoil


def compressed(quality: int) -> Spoil:
    """JPEG of this quality."""

    def spoil(shot: Shot, rng: np.random.Generator) -> Shot:
        del rng
        bgr = cv2.cvtColor(shot.pixels, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return shot._replace(pixels=np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8))

    return spoil


def greyed(shot: Shot, rng: np.random.Generator) -> Shot:
    """No colour, as an infrared camera has it."""
    del rng
    grey = cv2.cvtColor(shot.pixels, cv2.COLOR_RGB2GRAY)
    return shot._replace(pixels=np.asarray(cv2.merge([grey, grey, grey]), np.uint8))


def _developed(linear: NDArray[np.float32]) -> UInt8Array:
    """Linear light, 1 at white, as 8-bit values."""
    return _CODES[(np.clip(linear, 0, 1) * 4095 + 0.5).astype(np.int32)]


@lru_cache(maxsize=1)
def _noise() -> NDArray[np.float32]:
    """A field of unit variance, float32 (2 × frame's height, 2 × width, 3), of which each frame takes a part."""
    return np.random.default_rng(0).standard_normal((2 * FRAME[1], 2 * FRAME[0], 3), np.float32)


def _filtered(shot: Shot, kernel: NDArray[np.uint8]) -> Shot:
    """Blurs the picture; the black around it, beyond the kernel's reach, has nothing to blur."""
    weights = kernel.astype(np.float32) / kernel.sum()
    rows, columns = (np.flatnonzero(shot.inside.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return shot
    reach = len(kernel)
    part = (
        slice(max(rows[0] - reach, 0), rows[-1] + reach + 1),
        slice(max(columns[0] - reach, 0), columns[-1] + reach + 1),
    )
    pixels = shot.pixels.copy()
    pixels[part] = cv2.filter2D(shot.pixels[part], -1, weights, borderType=cv2.BORDER_REPLICATE)
    return shot._replace(pixels=pixels)


class Turner:
    """Turns heads: re-enacts a picture with the expression that it has, seen from another side.

    Args:
        head: the morphable head.
        landmarker: says where the face's mesh lies.
    """

    def __init__(self, head: MorphableHead, landmarker: FaceLandmarker) -> None:
        self._head = head
        self._landmarker = landmarker

    def fit(self, pixels: UInt8Array, landmarks_px: Float32Array) -> Callable[[float], Shot]:
        """Fits the head to a picture; what is returned gives the frame for a yaw in degrees, to the person's left."""
        pad = round(_TURN_ROOM * max(pixels.shape[:2]))
        roomy = np.asarray(cv2.copyMakeBorder(pixels, pad, pad, pad, pad, cv2.BORDER_REPLICATE), np.uint8)
        at = (landmarks_px + pad).astype(np.float32)
        portrait = make_portrait(self._head, "", roomy, self._landmarker.describe(roomy, at))

        def turned(yaw_deg: float) -> Shot:
            yaw = (float(np.radians(yaw_deg)), 0.0, 0.0)
            return place(reenact(self._head, portrait, portrait.fitted.coefficients, turn=yaw), at)

        return turned
