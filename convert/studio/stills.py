"""Single faces from the studio: portraits with other expressions, labelled by the teacher on what was rendered.

A face that is turned or lit anew is labelled by how the same expression looks unturned and in the picture's own light,
where the teacher sees best; a spoken sound or a blink is left out of what is labelled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from convert.faces.finder import FaceFinder
from convert.studio.expressions import draw_moment
from convert.studio.head import MorphableHead, load_head
from convert.studio.jobs import run_jobs
from convert.studio.reenact import Light, Portrait, reenact
from convert.teacher.landmarker import FaceLandmarker, FaceShape
from edge.face.crop import cut_square
from edge.geometry import CropRule, Square, face_square
from edge.values import Float32Array, UInt8Array

LOOSE_PX = 192  # side of a kept picture
LOOSE = 1.7  # its side in units of the crop's
_QUALITY = 93


class Still(NamedTuple):
    """One made face.

    Attributes:
        name: of the portrait it was made from.
        jpeg: uint8 (bytes,), the picture around the face, `LOOSE_PX` square, the crop's square in its middle, upright.
        seen: what the landmarker reads of the picture's mouth, brows and eyes.
        clean: the same of the expression alone: no turn, no added light, no speech, no blink.
    """

    name: str
    jpeg: UInt8Array
    seen: FaceShape
    clean: FaceShape


class StudioFiles(NamedTuple):
    """Where the studio's models lie: ICT-FaceKit's `.npz` and the Face Landmarker's `.task`."""

    head: Path
    landmarker: Path


def loose_square() -> Square:
    """The crop's square within a kept picture."""
    middle = (LOOSE_PX - 1) / 2
    return Square(middle, middle, LOOSE_PX / LOOSE, 0.0)


def cut_loose(pixels: UInt8Array, square: Square) -> UInt8Array:
    """The picture around a crop's square, upright: uint8 (LOOSE_PX, LOOSE_PX, 3), RGB."""
    return cut_square(pixels, square._replace(side=square.side * LOOSE), LOOSE_PX)


def decode(jpeg: UInt8Array) -> UInt8Array:
    """A kept picture: uint8 (LOOSE_PX, LOOSE_PX, 3), RGB."""
    return np.ascontiguousarray(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))[:, :, ::-1], dtype=np.uint8)


def encode_loose(pixels: UInt8Array, square: Square) -> UInt8Array:
    """The picture around a crop's square, as JPEG bytes."""
    # What a tight picture lacks around its face is mirrored, and blurred so that no second face appears.
    pad = max(pixels.shape[:2]) // 2
    mirrored = cv2.copyMakeBorder(pixels, pad, pad, pad, pad, cv2.BORDER_REFLECT_101)
    coarse = cv2.resize(mirrored, (24, 24), interpolation=cv2.INTER_AREA)
    wider = np.asarray(cv2.resize(coarse, mirrored.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
    wider[pad:-pad, pad:-pad] = pixels
    loose = cut_loose(wider, square._replace(center_x=square.center_x + pad, center_y=square.center_y + pad))
    _, data = cv2.imencode(".jpg", loose[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return np.asarray(data, np.uint8).reshape(-1)


def make_stills(
    portraits: Sequence[Portrait],
    seen: Float32Array,
    files: StudioFiles,
    *,
    numbers: Sequence[int],
    seed: int,
    advance: Callable[[], None],
    processes: int = 2,
) -> list[Still]:
    """Makes the faces of these numbers, those in which the detector or the landmarker finds none left out.

    Args:
        portraits: to make them from, in turn.
        seen: float32 (N, 52), blendshapes of the data's faces, to draw expressions from.
        files: the studio's models.
        numbers: of the faces; the portraits take turns.
        seed: with a face's number decides everything, whatever the number of processes.
        advance: called after each.
        processes: how many work.
    """
    jobs = ((portraits[number % len(portraits)], seen, files, seed, number) for number in numbers)
    return run_jobs(_make, jobs, advance, processes=processes, chunk=4)


def draw_turn(rng: np.random.Generator) -> tuple[float, float, float]:
    """Yaw, pitch and roll in radians: mostly small, as far as a picture's texture carries."""
    yaw = float(np.clip(rng.normal(0, 0.24), -0.55, 0.55))
    return yaw, float(np.clip(rng.normal(0, 0.12), -0.3, 0.3)), float(rng.normal(0, 0.06))


def draw_light(rng: np.random.Generator) -> Light | None:
    """A lamp from anywhere before the face, in half of all cases; a third of them leave most of it in the dark."""
    if rng.random() < 0.5:
        return None
    strength = rng.uniform(0.55, 0.9) if rng.random() < 0.33 else rng.uniform(0.1, 0.55)
    x, y = rng.normal(0, 1, 2)
    return Light((float(x), float(0.3 + 0.7 * y), float(rng.uniform(0.1, 1))), float(strength), _lamp(rng))


def _lamp(rng: np.random.Generator) -> tuple[float, float, float]:
    warm = float(rng.normal(0, 0.1))
    return 1 + warm, 1.0, 1 - warm


@lru_cache(maxsize=1)
def studio_models(files: StudioFiles) -> tuple[MorphableHead, FaceLandmarker, FaceFinder]:
    """Loads them, once a process."""
    cv2.setNumThreads(1)
    return load_head(files.head), FaceLandmarker(files.landmarker, threads=1), FaceFinder()


def _make(job: tuple[Portrait, Float32Array, StudioFiles, int, int]) -> Still | None:
    portrait, seen, files, seed, number = job
    head, landmarker, finder = studio_models(files)
    rng = np.random.default_rng([seed, number])
    drawn = draw_moment(rng, seen)
    turn = draw_turn(rng) if rng.random() < 0.5 else (0.0, 0.0, 0.0)
    light = draw_light(rng)
    clean = reenact(head, portrait, head.coefficients(drawn.expressed))
    read = describe(clean, finder, landmarker)
    if read is None:
        return None
    shape, square = read
    pixels = clean
    apart = drawn.besides.any()
    if apart or turn != (0.0, 0.0, 0.0):
        pixels = reenact(head, portrait, head.coefficients(drawn.seen), turn=turn)
        read = describe(pixels, finder, landmarker)
        if read is None:
            return None
        square = read[1]
    if light is not None:
        pixels = reenact(head, portrait, head.coefficients(drawn.seen), turn=turn, light=light)
    return Still(portrait.name, encode_loose(pixels, square), read[0], shape)


def describe(pixels: UInt8Array, finder: FaceFinder, landmarker: FaceLandmarker) -> tuple[FaceShape, Square] | None:
    """What the landmarker reads of a rendered face, and the device's square of it; None where none is found."""
    face = finder.find(pixels)
    if face is None:
        return None
    return landmarker.describe(pixels, face.landmarks_px), face_square(face.landmarks_px, CropRule())
