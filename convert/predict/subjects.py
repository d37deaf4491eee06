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
from convert.faces.table import join_faces, open_test
from convert.metrics import TARGETS
from convert.predict.measure import Subjects
from convert.predict.table import hash_graphs
from convert.quantize.tensors import describe_backbone
from convert.teacher.landmarker import FaceLandmarker
from convert.train.batches import cut_crops
from convert.train.data import Part, calibration_crops
from convert.train.recipe import Recipe
from convert.train.run import Run, bundle_of
from edge.affect.backbone import Backbone
from edge.model.bundle import MANIFEST, Bundle, load_bundle
from edge.model.engines.litert import LiteRtEngine
from edge.values import Float32Array, UInt8Array

_FLOAT = "float32.tflite"
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
    return bundle_of(Run(path)) if is_run(path) else load_bundle(path)


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
        found = _faces_of(path)
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


def dev_crops(
    run: Path | None, recipe: Recipe, *, data: Path, landmarker: Path | None, kept: Path
) -> tuple[UInt8Array, Float32Array, UInt8Array, str]:
    """Crops of rated dev faces with their ratings, of training faces to calibrate on, and what the first are.

    Args:
        run: whose faces; None for the kit's, of which those that people rated are taken.
        recipe: of the network.
        data, landmarker, kept: as of `gather`.

    Raises:
        DataError: there is no rated dev face.
    """
    if run is not None:
        found, title = _faces_of(run), "the run's dev faces"
    else:
        faces = kit_faces(data)
        people = faces[faces["rater"] == "people"].reset_index(drop=True)
        if landmarker is None:
            raise DataError("faces have to be found, which needs the Face Landmarker", "give --landmarker")
        found = find_faces(people, FaceFinder(), FaceLandmarker(landmarker), kept)
        title = "DiffusionFER-S, dev, rated by people"
    part = Part(found.faces, found.pictures)
    dev = part.take((part.faces["split"].eq("dev") & part.faces["valence"].notna()).to_numpy())
    if not len(dev.faces):
        raise DataError(f"{run or data}: has no dev faces with ratings")
    size = recipe.backbone.size
    calibration = calibration_crops([part], recipe.calibration, size, recipe.seed)
    rated = dev.faces[list(TARGETS)].to_numpy(np.float32)
    return cut_crops(dev.pictures.loose, size), rated, calibration, title


def _faces_of(run: Path) -> Found:
    parts = Run(run).parts()
    rows = np.concatenate([part.pictures.rows for part in parts])
    return Found(join_faces(*(part.faces for part in parts)), Pictures(parts[0].pictures.folder, rows), {})


def _take(found: Found, rows: np.ndarray) -> Found:
    return Found(found.faces.iloc[rows].reset_index(drop=True), found.pictures.take(rows), found.left_out)


def _refuse_shared(faces: pd.DataFrame, where: str) -> None:
    splits = faces.groupby("subject")["split"].nunique()
    if (splits > 1).any():
        raise DataError(f"{where}: {splits.idxmax()} is in {splits.max()} splits", "split by subject and train anew")
