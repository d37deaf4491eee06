"""The pictures that YuNet's int8 graph is calibrated on: generated and drawn faces in drawn rooms, no real person."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from convert.errors import DataError
from convert.faces.finder import read_picture
from edge.demo.scene import Scene
from edge.values import UInt8Array

SIDE = 640  # of each picture, pixels
_SCENES = 60
_FACES = (1, 12)  # pasted into one picture
_FACE_PX = (20.0, 320.0)  # height of a pasted picture
_SEED = 17


def make_pictures(root: Path) -> UInt8Array:
    """Makes the calibration pictures from the data sets below a folder; the same files give the same pictures.

    Args:
        root: folder that holds `sfhq/images` and `diffusionfer/images`.

    Returns:
        uint8 (N, SIDE, SIDE, 3), RGB; the last two are black and white.

    Raises:
        DataError: a folder has no pictures, or one cannot be read.
    """
    files = []
    for source in ("sfhq", "diffusionfer"):
        found = sorted((root / source / "images").glob("*.jpg"))
        if not found:
            raise DataError(f"{root / source}: has no images/*.jpg")
        files.append(found)
    pictures = [_compose(files, np.random.default_rng((_SEED, number)), number) for number in range(_SCENES)]
    return np.stack([*pictures, *(np.full((SIDE, SIDE, 3), value, np.uint8) for value in (0, 255))])


def _compose(files: list[list[Path]], random: np.random.Generator, number: int) -> UInt8Array:
    """The demo's room and people with faces of many sizes, lit and sharp in its own way."""
    picture = Scene(SIDE, SIDE, seed=number).draw(float(random.uniform(0, 60)))
    for _ in range(int(random.integers(*_FACES, endpoint=True))):
        folder = files[int(random.integers(len(files)))]
        face = read_picture(folder[int(random.integers(len(folder)))])
        side = round(float(np.exp(random.uniform(*np.log(_FACE_PX)))))
        face = np.asarray(cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
        x, y = (int(random.integers(SIDE - side)) for _ in range(2))
        picture[y : y + side, x : x + side] = face
    gain, bias = random.uniform(0.5, 1.2), random.uniform(-20, 20)
    picture = np.asarray(cv2.convertScaleAbs(picture, alpha=gain, beta=max(bias, 0.0)), np.uint8)
    if random.random() < 0.3:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), float(random.uniform(0.5, 2))), np.uint8)
    return picture
