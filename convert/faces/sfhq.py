"""SFHQ: synthetic photo-realistic faces of many ages and ethnicities (MIT), without labels; a teacher labels them.

Layout: `images/*.jpg`, loose crops. Some carry caption text at the border; the aligned crop leaves it out.
"""

from __future__ import annotations

from pathlib import Path

from convert.errors import DataError
from convert.faces.finder import FaceFinder, LabelledFace, read_picture
from convert.faces.split import held_out

SOURCE = "sfhq"


def load_sfhq(folder: Path, finder: FaceFinder) -> list[LabelledFace]:
    """Loads the faces that the detector finds, by file name.

    Raises:
        DataError: the folder has no pictures or one cannot be read.
    """
    paths = sorted((folder / "images").glob("*.jpg"))
    if not paths:
        raise DataError(f"{folder}: has no images/*.jpg")
    faces = []
    for path in paths:
        pixels = read_picture(path)
        face = finder.find(pixels)
        if face is not None:
            faces.append(
                LabelledFace(
                    name=f"{SOURCE}/{path.name}",
                    source=SOURCE,
                    validation=held_out(path.name),
                    pixels=pixels,
                    landmarks_px=face.landmarks_px,
                    rated=None,
                )
            )
    return faces
