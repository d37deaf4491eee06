"""A place's own faces without labels, from clips or a folder: held in memory, nothing of them is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convert.augment.augmentation import Augmentation, render
from convert.errors import DataError
from convert.faces.finder import FaceFinder, read_picture
from convert.faces.pictures import loose_square
from convert.predict.clips import read_clip
from convert.progress import Progress
from convert.studio.stills import cut_loose
from edge.geometry import CropRule, face_square
from edge.values import UInt8Array

MOST = 512  # faces kept, drawn at random: more say the same, and all go through the network together
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_STEP_S, _SHORTEST = 0.5, 2  # a face is looked at twice a second: neighbours say the same


class Target(NamedTuple):
    """Faces of a place.

    Attributes:
        pictures: loose cuts, uint8 (P, P, 3) RGB, the crop's square in the middle.
        groups: of each, the track of its clip or the file it came from: neighbours of one track say the same.
        missed: pictures of the folder in which no face was found.
    """

    pictures: list[UInt8Array]
    groups: list[str]
    missed: int

    def crops(self, size: int, augmentation: Augmentation | None = None) -> UInt8Array:
        """Device crops, all under one augmentation: uint8 (N, size, size, 3), RGB."""
        square, seen = loose_square(), augmentation or Augmentation()
        return np.stack([render(pixels, square, seen, size) for pixels in self.pictures])


def read_target(folder: Path | None, clips: Sequence[Path], *, seed: int) -> Target:
    """Finds the faces with the device's detector; of more than `MOST` it draws that many.

    Raises:
        DataError: there is no picture or clip, or one cannot be read.
        AssetError: the detector's file is not on this machine.
    """
    found = _of_folder(folder) if folder is not None else Target([], [], 0)
    for path in clips:
        if not path.is_file():
            raise DataError(f"{path}: no such video")
        for face in read_clip(path, step_s=_STEP_S, shortest=_SHORTEST):
            seen = [pixels for pixels in face.pictures if pixels is not None]
            found.pictures.extend(seen)
            found.groups.extend([face.name] * len(seen))
    if not found.pictures:
        where = folder if folder is not None else ", ".join(map(str, clips))
        raise DataError(f"{where}: no face was found in it")
    if len(found.pictures) <= MOST:
        return found
    picks = sorted(np.random.default_rng(seed).choice(len(found.pictures), MOST, replace=False).tolist())
    return Target([found.pictures[n] for n in picks], [found.groups[n] for n in picks], found.missed)


def _of_folder(folder: Path) -> Target:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of crops")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise DataError(f"{folder}: has no pictures ({', '.join(sorted(_SUFFIXES))})")
    finder, pictures, groups, missed = FaceFinder(), list[UInt8Array](), list[str](), 0
    with Progress("faces", len(paths), every=200) as progress:
        for path in paths:
            pixels = read_picture(path)
            face = finder.find(pixels)
            if face is None:
                missed += 1
            else:
                pictures.append(cut_loose(pixels, face_square(face.landmarks_px, CropRule())))
                groups.append(path.name)
            progress.advance()
    return Target(pictures, groups, missed)
