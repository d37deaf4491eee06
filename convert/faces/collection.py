"""All pictures of a data folder: each set that is there, in a fixed order."""

from __future__ import annotations

from pathlib import Path

from convert.errors import DataError
from convert.faces import diffusionfer, sfhq
from convert.faces.finder import FaceFinder, LabelledFace
from convert.faces.imported import load_imported

OWN = frozenset({diffusionfer.SOURCE, sfhq.SOURCE})
"""The generated faces that the kit is made with; every other source was imported, and may show real people."""


def data_root(path: Path) -> Path:
    """The folder that holds the data sets: `path` itself, or `path/data`.

    Raises:
        DataError: neither holds DiffusionFER's labels.
    """
    for root in (path, path / "data"):
        if (root / diffusionfer.SOURCE / "labels.csv").is_file():
            return root
    raise DataError(f"{path}: has no {diffusionfer.SOURCE}/labels.csv; point --data at the folder of the data sets")


def load_faces(root: Path, finder: FaceFinder, imported: Path | None = None) -> list[LabelledFace]:
    """The faces of DiffusionFER, where it is there SFHQ, and those that a run keeps of other sets below `imported`.

    Raises:
        DataError: a file is missing or malformed.
    """
    faces = diffusionfer.load_diffusionfer(root / diffusionfer.SOURCE, finder)
    if (root / sfhq.SOURCE).is_dir():
        faces += sfhq.load_sfhq(root / sfhq.SOURCE, finder)
    return faces if imported is None else faces + load_imported(imported)
