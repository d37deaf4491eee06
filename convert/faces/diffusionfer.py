"""DiffusionFER-S: faces made by Stable Diffusion, rated by its authors in valence and arousal (CC0 1.0).

Layout: `labels.csv` with image, valence, arousal, expression and group; `images/*.jpg`, tight crops.
"""

from __future__ import annotations

from pathlib import Path

from convert.faces.finder import FaceFinder, LabelledFace, read_picture
from convert.faces.labels_csv import read_labels
from convert.faces.split import held_out

SOURCE = "diffusionfer"


def load_diffusionfer(folder: Path, finder: FaceFinder) -> list[LabelledFace]:
    """Loads the faces that the detector finds, in the file's order; those of one `group` fall on one side of the split.

    Raises:
        DataError: the folder, its labels or a picture is missing or malformed.
    """
    faces = []
    for row in read_labels(folder / "labels.csv"):
        pixels = read_picture(row.image, row.where)
        face = finder.find(pixels)
        if face is None:
            continue
        faces.append(
            LabelledFace(
                name=f"{SOURCE}/{row.image.name}",
                source=SOURCE,
                validation=held_out(row.group or row.image.name),
                pixels=pixels,
                landmarks_px=face.landmarks_px,
                rated=(row.valence, row.arousal),
                weight=row.weight,
                group=row.group,
            )
        )
    return faces
