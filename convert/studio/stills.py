"""Single faces from the studio: portraits with other expressions, each with the clean render beside it.

The clean render shows the same expression unturned, in the picture's own light, silent and with open eyes: it says
what a disturbed still expresses, and a training can ask for the same answer to both.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from convert.faces.pictures import LOOSE, SIDE, crop_points, loose_square
from convert.studio.expressions import Moment, draw_moment
from convert.studio.fit import MESH_MARKS
from convert.studio.head import MorphableHead
from convert.studio.jobs import Job, Models, load_models
from convert.studio.paint import Light
from convert.studio.reenact import Portrait, Rendered, Sitter, make_portrait, reenact
from convert.teacher.landmarker import BLENDSHAPES, FaceLandmarker, FaceShape
from edge.face.crop import cut_square
from edge.geometry import CropRule, Square, face_square
from edge.values import Float32Array, UInt8Array

LOOSE_PX = SIDE  # side of a kept picture
_QUALITY = 93
_AGREE = 0.07  # distances between the eyes: root mean square from the marks asked for to those found, at most
_TURNED, _LIT = 0.5, 0.5  # shares of stills
_BLINK = BLENDSHAPES.index("eyeBlinkLeft")


class Still(NamedTuple):
    """One made face.

    Attributes:
        name: of the portrait it was made from.
        kind: of the expression, and what disturbs it: `drowsy, talking, turned, dark`.
        asked: float32 (52,), the blendshapes it shows, speech and blink included.
        speaks: whether it is speaking.
        jpeg: uint8 (bytes,), the picture around the face, `LOOSE_PX` square, the crop's square in its middle, upright.
        blendshapes, rotation: what the landmarker reads of the picture, before a lamp was added, as in `FaceShape`.
        points: float32 (478, 2), the landmarker's mesh in units of the crop's side, from its centre, upright.
        clean_jpeg, …: the same of the expression alone: no turn, no lamp, no speech, no blink.
    """

    name: str
    kind: str
    asked: Float32Array
    speaks: bool
    jpeg: UInt8Array
    blendshapes: Float32Array
    rotation: Float32Array
    points: Float32Array
    clean_jpeg: UInt8Array
    clean_blendshapes: Float32Array
    clean_rotation: Float32Array
    clean_points: Float32Array


def decode(jpeg: UInt8Array) -> UInt8Array:
    """A kept picture: uint8 (LOOSE_PX, LOOSE_PX, 3), RGB."""
    return np.ascontiguousarray(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))[:, :, ::-1], dtype=np.uint8)


def encode_loose(pixels: UInt8Array, square: Square, side: int = LOOSE_PX) -> UInt8Array:
    """The picture around a crop's square, as JPEG bytes."""
    # What a tight picture lacks around its face is mirrored, and blurred so that no second face appears.
    pad = max(pixels.shape[:2]) // 2
    mirrored = cv2.copyMakeBorder(pixels, pad, pad, pad, pad, cv2.BORDER_REFLECT_101)
    coarse = cv2.resize(mirrored, (24, 24), interpolation=cv2.INTER_AREA)
    wider = np.asarray(cv2.resize(coarse, mirrored.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
    wider[pad:-pad, pad:-pad] = pixels
    around = Square(square.center_x + pad, square.center_y + pad, square.side * LOOSE, square.roll)
    loose = cut_square(wider, around, side)
    _, data = cv2.imencode(".jpg", loose[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return np.asarray(data, np.uint8).reshape(-1)


def draw_turn(rng: np.random.Generator) -> tuple[float, float, float]:
    """Yaw, pitch and roll in radians: mostly small, as far as a picture's texture carries."""
    yaw = float(np.clip(rng.normal(0, 0.27), -0.6, 0.6))
    return yaw, float(np.clip(rng.normal(0, 0.13), -0.3, 0.3)), float(rng.normal(0, 0.06))


def draw_light(rng: np.random.Generator) -> Light | None:
    """A lamp from anywhere before the face, in half of all cases; a third of them leave most of it in the dark."""
    if rng.random() >= _LIT:
        return None
    strength = rng.uniform(0.55, 0.9) if rng.random() < 0.33 else rng.uniform(0.1, 0.55)
    x, y, warm = (rng.normal(0, 1, 3) * (1, 1, 0.1)).tolist()
    return Light((x, 0.3 + 0.7 * y, float(rng.uniform(0.1, 1))), float(strength), (1 + warm, 1.0, 1 - warm))


def film_still(job: Job) -> Still | None:
    """The still of a job; as `make_still`."""
    models, rng = load_models(job.files), np.random.default_rng([job.seed, job.number])
    return make_still(models, make_portrait(models.head, job.sitter), draw_moment(rng, job.seen), rng)


def make_still(
    models: Models, portrait: Portrait, moment: Moment, rng: np.random.Generator, *, side: int = LOOSE_PX
) -> Still | None:
    """Renders a moment twice, clean and as a camera may meet it; None where it came out as another face than asked."""
    turn = draw_turn(rng) if rng.random() < _TURNED else (0.0, 0.0, 0.0)
    light = draw_light(rng)
    head, act = models.head, portrait.fitted.act
    clean = reenact(head, portrait, act(head, moment.expressed), tongue=moment.tongue)
    read = describe(clean, models)
    if read is None:
        return None
    shown, seen = clean, read
    if moment.besides.any() or any(turn):
        shown = reenact(head, portrait, act(head, moment.shown), turn=turn, tongue=moment.tongue)
        again = describe(shown, models)
        if again is None:
            return None
        seen = again
    if light is not None:
        shown = reenact(head, portrait, act(head, moment.shown), turn=turn, light=light, tongue=moment.tongue)
    besides = {
        "talking": moment.speaks,
        "blink": moment.kind != "blinking" and bool((moment.besides - moment.expressed)[_BLINK] > 0.2),
        "turned": abs(turn[0]) > 0.3,
        "dark": light is not None and light.strength > 0.55,
    }
    return Still(
        portrait.name,
        ", ".join([moment.kind, *(word for word, applies in besides.items() if applies)]),
        moment.shown,
        moment.speaks,
        *(encode_loose(shown.pixels, seen[1], side), seen[0].blendshapes, seen[0].rotation, crop_points(*seen)),
        *(encode_loose(clean.pixels, read[1], side), read[0].blendshapes, read[0].rotation, crop_points(*read)),
    )


def turn_head(head: MorphableHead, landmarker: FaceLandmarker, loose: UInt8Array, yaw: float) -> UInt8Array:
    """A loose picture with the head turned by `yaw` radians to the person's left, expression and light as they are."""
    square = loose_square(len(loose))
    shape = landmarker.describe_square(loose, square._replace(side=1.4 * square.side))
    portrait = make_portrait(head, Sitter("", loose, shape))
    return reenact(head, portrait, portrait.fitted.coefficients, turn=(yaw, 0.0, 0.0)).pixels


def describe(made: Rendered, models: Models) -> tuple[FaceShape, Square] | None:
    """What the landmarker reads of a rendered face, and the device's square of it.

    None where no face is found, or where its brows, eyes, nose and mouth lie elsewhere than asked for.
    """
    face = models.finder.find(made.pixels)
    if face is None:
        return None
    shape = models.landmarker.describe(made.pixels, face.landmarks_px)
    marks = shape.mesh_px[MESH_MARKS, :2]
    eyes = np.linalg.norm(marks[36:42].mean(axis=0) - marks[42:48].mean(axis=0))
    off = ((marks - made.marks_px)[17:] ** 2).sum(axis=1)  # the jaw's marks slide along the outline
    if np.sqrt(off.mean()) > _AGREE * eyes:
        return None
    return shape, face_square(face.landmarks_px, CropRule())
