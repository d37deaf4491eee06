"""What a run or a bundle is measured on: its faces of dev and test, rated clips, and the look-ups that these cost."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.finder import FaceFinder
from convert.faces.kit import kit_faces, rated_clips
from convert.faces.pictures import Found, Pictures, find_faces
from convert.faces.table import open_test, read_faces
from convert.package.packing import open_run
from convert.predict.measure import Subjects
from convert.predict.table import hash_graphs
from convert.quantize.tensors import describe_backbone
from convert.teacher.landmarker import FaceLandmarker
from edge.affect.backbone import Backbone
from edge.model.bundle import MANIFEST, Bundle, load_bundle
from edge.model.engines.litert import LiteRtEngine

_FACES, _PICTURES, _ROWS, _FLOAT = "faces.parquet", "pictures", "rows.npy", "float32.tflite"
_FIT = 2000  # training faces that a ridge learns muscles from


class Measured(NamedTuple):
    """What `measure` needs.

    Attributes:
        bundle: to measure.
        subjects: on whom.
        float_backbone: the network before quantization, where the run kept it.
        trained_apart: whether the faces of dev and test are known to have taken part in no training.
    """

    bundle: Bundle
    subjects: Subjects
    float_backbone: Backbone | None
    trained_apart: bool


def is_run(path: Path) -> bool:
    """Whether a path is a run's folder, and not a bundle."""
    return path.is_dir() and not (path / MANIFEST).is_file()


def open_subject(path: Path) -> Bundle:
    """The bundle at a path, or that of a run's graphs."""
    return open_run(path) if is_run(path) else load_bundle(path)


def gather(
    path: Path, *, why: str, data: Path | None, landmarker: Path | None, kept: Path, real: bool, dev_only: bool
) -> Measured:
    """A run or bundle with what it is measured on.

    Args:
        path: the run's folder, or the bundle's folder or ZIP.
        why: for the log of looks at test faces.
        data: folder of the kit's data sets; for a bundle, and for clips.
        landmarker: the `.task` file; None where nothing has to be found.
        kept: folder in which pictures are kept that the run has not.
        real: whether rated clips of real people belong to it.
        dev_only: leaves the test faces alone, and looks nothing up.

    Raises:
        DataError: a file is missing, or a run tests on people that it was trained on.
    """
    bundle = open_subject(path)
    graphs = hash_graphs(bundle.manifest)
    finder = FaceFinder()

    def find(faces: pd.DataFrame) -> Found:
        if landmarker is None:
            raise DataError("faces have to be found, which needs the Face Landmarker", "give --landmarker")
        return find_faces(faces, finder, FaceLandmarker(landmarker), kept)

    if is_run(path):
        faces = read_faces(path / _FACES)
        try:
            rows = np.load(path / _PICTURES / _ROWS)
        except OSError:
            raise DataError(f"{path / _PICTURES}: not there: the run's pictures were deleted") from None
        found = Found(faces, Pictures(path / _PICTURES, rows), {})
    elif data is not None:
        found = find(kit_faces(data))
    else:
        raise DataError(f"{path}: a bundle names no faces to test it on", "give --data, or the run's folder")
    faces = found.faces
    _refuse_shared(faces, str(path))
    judged = faces["split"] == "dev"
    if not dev_only:
        judged |= faces["id"].isin(open_test(faces, why, bundle=graphs)["id"])
    if not judged.any():
        raise DataError(f"{path}: none of its {len(faces)} faces is in split dev or test")
    train = np.flatnonzero((faces["split"] == "train").to_numpy())[
        :: max(int((faces["split"] == "train").sum()) // _FIT, 1)
    ]
    clips = None
    if real:
        if data is None:
            raise DataError("--real: rated clips lie beside the data sets", "give --data")
        clips = find(open_test(rated_clips(data), why, bundle=graphs))
    fits = len(train) and not np.isnan(found.pictures.blendshapes).any()
    subjects = Subjects(_take(found, np.flatnonzero(judged)), _take(found, train) if fits else None, clips)
    plain = path / _FLOAT
    backbone = None
    if is_run(path) and plain.is_file():
        graph = plain.read_bytes()
        backbone = Backbone(LiteRtEngine(graph, name=_FLOAT), describe_backbone(graph, file=_FLOAT))
    return Measured(bundle, subjects, backbone, trained_apart=is_run(path))


def _take(found: Found, rows: np.ndarray) -> Found:
    return Found(found.faces.iloc[rows].reset_index(drop=True), found.pictures.take(rows), found.left_out)


def _refuse_shared(faces: pd.DataFrame, where: str) -> None:
    splits = faces.groupby("subject")["split"].nunique()
    if (splits > 1).any():
        raise DataError(f"{where}: {splits.idxmax()} is in {splits.max()} splits", "split by subject and train anew")
