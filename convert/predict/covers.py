"""Covers of a kind that training draws too: bars, masks, sunglasses, hands; and how a cover gets into the frame.

A cover paints on an aligned square of a face. Laid on the crop, it asks what the network makes of what is left. Laid on
the frame, before the detector looks, it asks what the device makes of it: a missed or misplaced face counts too.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from convert.augment.occluders import SHAPES, Occluder, draw_occluder, occlude
from convert.predict.degradations import Shot
from edge.face.crop import cut_square
from edge.geometry import CropRule, face_square, square_to_crop
from edge.values import UInt8Array

Cover = Callable[[UInt8Array, np.random.Generator], UInt8Array]
"""From an aligned square of a face uint8 (S, S, 3), RGB, of any size, to the same with something before the face."""

_PAINTED_PX = 224  # side at which a cover for the frame is painted
_BOXES = {"mouth": (0.26, 0.54, 0.74, 0.77), "eyes": (0.2, 0.23, 0.8, 0.41)}  # x1, y1, x2, y2 in units of the crop


def boxed(part: str) -> Cover:
    """A black bar over `mouth` or `eyes` of the crop."""

    def cover(crop: UInt8Array, rng: np.random.Generator) -> UInt8Array:
        del rng
        left, top, right, bottom = (round(value * crop.shape[0]) for value in _BOXES[part])
        covered = crop.copy()
        covered[top:bottom, left:right] = 0
        return covered

    return cover


def worn(kind: str) -> Cover:
    """A mask or sunglasses in their usual place, of a shape and colour drawn at random."""

    def cover(crop: UInt8Array, rng: np.random.Generator) -> UInt8Array:
        style = str(rng.choice(("surgical", "cloth", "ffp2"))) if kind == "mask" else ""
        return np.asarray(occlude(crop, Occluder(kind=kind, seed=int(rng.integers(SHAPES)), style=style)), np.uint8)

    return cover


def handed(crop: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """A hand somewhere on mouth, chin, cheek or eye."""
    while (thing := draw_occluder(rng)).kind != "hand":
        pass
    return np.asarray(occlude(crop, thing), np.uint8)


def cover_in_frame(shot: Shot, cover: Cover, rng: np.random.Generator) -> Shot:
    """The frame with the cover before the face where it truly is; only covered pixels of the picture change."""
    square = face_square(shot.landmarks_px, CropRule())
    crop = cut_square(shot.pixels, square, _PAINTED_PX)
    covered = cover(crop, rng)
    mask = np.where((covered != crop).any(axis=2), 255, 0).astype(np.uint8)
    matrix = square_to_crop(square, _PAINTED_PX)
    height, width = shot.pixels.shape[:2]
    to_frame = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(covered, matrix, (width, height), flags=to_frame, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpAffine(mask, matrix, (width, height), flags=to_frame)[..., None] / np.float32(255)
    share = np.where(shot.inside[..., None] > 0, share, np.float32(0))
    mixed = shot.pixels + share * (laid.astype(np.float32) - shot.pixels)
    return shot._replace(pixels=np.asarray(np.rint(mixed), np.uint8))
