"""What a run or a bundle is measured on: its faces of dev and test, rated clips, and the look-ups that these cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.finder import FaceFinder
from convert.faces.kit import KIT_SOURCES, data_root, kit_faces, rated_clips
from convert.faces.pictures import Found, Pictures, find_faces
from convert.faces.table import TEST_LOG, join_faces, open_test
from convert.metrics import TARGETS
from convert.predict.measure import Subjects
from convert.predict.table import hash_graphs
from convert.quantize.tensors import describe_backbone
from convert.studio.jobs import StudioFiles
from convert.studio.sets import Studio
from convert.teacher.landmarker import FaceLandmarker
from convert.teacher.trees import fit_teacher
from convert.train.batches import cut_crops
from convert.train.data import Part, calibration_crops
from convert.train.recipe import Recipe
from convert.train.run import Run, bundle_of
from edge.affect.backbone import Backbone
from edge.model.bundle import MANIFEST, Bundle, load_bundle
from edge.model.engines.litert import LiteRtEngine
from edge.values import Float32Array, UInt8Array

_FLOAT = "float32.tflite"
_STUDIO_SEED, _STEPS = 7001, 80  # of acts that no training has; steps of one
_FIT = 2000  # training faces that a ridge learns muscles from
Find = Callable[[pd.DataFrame], Found]


class Measured(NamedTuple):
    """What `measure` needs.

    Attributes:
        bundle: to measure.
        subjects: on whom.
        float_backbone: the network before quantization, where the run kept it.
        trained_apart: whether the faces of dev and test are known to have taken part in no training.
        faces: all of the run's or the kit's, training faces included.
    """

    bundle: Bundle
    subjects: Subjects
    float_backbone: Backbone | None
    trained_apart: bool
    faces: Found


def is_run(path: Path) -> bool:
    """Whether a path is a run's folder, and not a bundle."""
    return path.is_dir() and not (path / MANIFEST).is_file()


def open_subject(path: Path) -> Bundle:
    """The bundle at a path, or that of a run's graphs."""
    return bundle_of(Run(path)) if is_run(path) else load_bundle(path)


def finder(landmarker: Path | None, kept: Path) -> Find:
    """Finds faces and keeps them in a folder, with the Face Landmarker's `.task` file."""

    def find(faces: pd.DataFrame) -> Found:
        if landmarker is None:
            raise DataError("faces have to be found, which needs the Face Landmarker", "give --data or --landmarker")
        return find_faces(faces, FaceFinder(), FaceLandmarker(landmarker), kept)

    return find


def gather(path: Path, *, why: str, data: Path | None, find: Find, real: bool = False, dev: bool = False) -> Measured:
    """A run or bundle with what it is measured on.

    Looks at test faces are logged: of the kit's faces and the clips in the repository's docs, of others in the run.

    Args:
        path: the run's folder, or the bundle's folder or ZIP.
        why: for the log.
        data: folder of the kit's data sets; for a bundle, and for clips.
        find: as of `finder`.
        real: whether rated clips of real people belong to it.
        dev: leaves the test faces alone, and looks nothing up.

    Raises:
        DataError: a file is missing, or a subject is in two splits.
    """
    bundle = open_subject(path)
    graphs = hash_graphs(bundle.manifest)
    if not is_run(path) and data is None:
        raise DataError(f"{path}: a bundle names no faces to test it on", "give --data, or the run's folder")
    found = _faces_of(path) if is_run(path) or data is None else find(kit_faces(data))
    faces = found.faces
    splits = faces.groupby("subject")["split"].nunique()
    if (splits > 1).any():
        raise DataError(f"{path}: {splits.idxmax()} is in {splits.max()} splits", "split by subject and train anew")
    judged = faces["split"] == "dev"
    if not dev:
        log = TEST_LOG if faces["source"].isin(KIT_SOURCES).any() else path / TEST_LOG.name
        judged |= faces["id"].isin(open_test(faces, why, bundle=graphs, log=log)["id"])
    if not judged.any():
        raise DataError(f"{path}: none of its {len(faces)} faces is in split {'dev' if dev else 'dev or test'}")
    train = np.flatnonzero((faces["split"] == "train").to_numpy())
    train = train[:: max(len(train) // _FIT, 1)]
    clips = None
    if real:
        if data is None:
            raise DataError("--real: rated clips lie beside the data sets", "give --data")
        clips = find(open_test(rated_clips(data), why, bundle=graphs, log=TEST_LOG))
    fits = len(train) and not np.isnan(found.pictures.blendshapes).any()
    subjects = Subjects(_take(found, np.flatnonzero(judged)), _take(found, train) if fits else None, clips)
    backbone = None
    if is_run(path) and (path / _FLOAT).is_file():
        graph = (path / _FLOAT).read_bytes()
        backbone = Backbone(LiteRtEngine(graph, name=_FLOAT), describe_backbone(graph, file=_FLOAT))
    return Measured(bundle, subjects, backbone, trained_apart=is_run(path), faces=found)


def dev_crops(
    run: Path | None, recipe: Recipe, *, data: Path, find: Find
) -> tuple[UInt8Array, Float32Array, UInt8Array, str]:
    """Crops of rated dev faces with their ratings, of training faces to calibrate on, and what the first are.

    Args:
        run: whose faces; None for the kit's, of which those that people rated are taken.
        recipe: of the network.
        data, find: as of `gather`.

    Raises:
        DataError: there is no rated dev face.
    """
    if run is not None:
        found, title = _faces_of(run), "the run's dev faces"
    else:
        faces = kit_faces(data)
        found = find(faces[faces["rater"] == "people"].reset_index(drop=True))
        title = "DiffusionFER-S, dev, rated by people"
    part = Part(found.faces, found.pictures)
    dev = part.take((part.faces["split"].eq("dev") & part.faces["valence"].notna()).to_numpy())
    if not len(dev.faces):
        raise DataError(f"{run or data}: has no dev faces with ratings")
    size = recipe.backbone.size
    calibration = calibration_crops([part], recipe.calibration, size, recipe.seed)
    return cut_crops(dev.pictures.loose, size), dev.faces[list(TARGETS)].to_numpy(np.float32), calibration, title


def add_teacher(
    on: Measured, *, data: Path, landmarker: Path, acts: int, folder: Path
) -> tuple[Measured, Float32Array]:
    """The same with acts of the studio's test portraits, and the teacher's answers to its stills, float32 (N, 2).

    Args:
        on: with training faces to fit the teacher on.
        data, landmarker: where the studio's models lie.
        acts: how many; 0 makes none.
        folder: that acts are kept in.

    Raises:
        DataError: a model's file is missing.
    """
    teacher = fit_teacher(on.faces.faces, on.faces.pictures)
    pictures, step_s = on.subjects.stills.pictures, on.bundle.manifest.step_s
    said = teacher.predict(pictures.blendshapes, pictures.rotation)
    if not acts:
        return on, said
    files = StudioFiles(data_root(data) / "ict_facekit" / "ict_facekit.npz", landmarker)
    studio = Studio(on.faces.faces, files, seed=_STUDIO_SEED, folder=folder)
    made = [
        (
            each.name,
            [each.picture(n) for n in range(_STEPS)],
            each.mix @ teacher.predict(each.blendshapes, each.rotation),
        )
        for each in studio.acts(acts, steps=_STEPS, step_s=step_s, split="test")
    ]
    return on._replace(subjects=on.subjects._replace(acts=made)), said


def _faces_of(run: Path) -> Found:
    parts = Run(run).parts()
    rows = np.concatenate([part.pictures.rows for part in parts])
    return Found(join_faces(*(part.faces for part in parts)), Pictures(parts[0].pictures.folder, rows), {})


def _take(found: Found, rows: np.ndarray) -> Found:
    return Found(found.faces.iloc[rows].reset_index(drop=True), found.pictures.take(rows), found.left_out)
