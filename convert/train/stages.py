"""What the evidence of a run, the teacher and the yardsticks still take from here."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from convert.augment.augmentation import Augmentation, render
from convert.faces.collection import load_faces
from convert.faces.finder import FaceFinder
from convert.predict.evaluation import Device
from convert.progress import Progress
from convert.studio.stage import Studio
from convert.studio.stills import decode, loose_square
from convert.teacher.landmarker import FaceLandmarker
from convert.teacher.regressor import TeacherLabels, fit_teacher
from convert.train import run as runs
from convert.train.material import Validation
from convert.train.recipe import Recipe
from convert.train.run import Run, describe_machine
from edge.model.bundle import Bundle

TEACHER_LABELS = "labels.npz"


def make_teacher(root: Path, task: Path, folder: Path, *, seed: int = 0, imported: Path | None = None) -> TeacherLabels:
    """Fits the teacher on a data folder, and on imported sets, and writes `labels.npz` and `report.json`."""
    faces = load_faces(root, FaceFinder(), imported)
    landmarker = FaceLandmarker(task)
    shapes = []
    with Progress("teacher", len(faces), every=400) as progress:
        for face in faces:
            shapes.append(landmarker.describe(face.pixels, face.landmarks_px))
            progress.advance()
    labels, report = fit_teacher(faces, shapes, seed=seed)
    labels.save(folder / TEACHER_LABELS)
    Run(folder).write_json(
        "report.json",
        {
            "machine": describe_machine(),
            "landmarker_sha256": hashlib.sha256(task.read_bytes()).hexdigest(),
            "faces": len(faces),
            "agreement": {
                part: {target: found._asdict() for target, found in targets.items()} for part, targets in report.items()
            },
        },
    )
    return labels


def open_device(run: Run, recipe: Recipe) -> Device:  # noqa: ARG001
    """A run's graphs as a device runs them."""
    return Device(runs.bundle_of(run))


def bundle_of(run: Run, recipe: Recipe) -> Bundle:  # noqa: ARG001
    """A run's graphs as a bundle, not yet packed."""
    return runs.bundle_of(run)


def studio_validation(studio: Studio, size: int) -> Validation:
    """The studio's frames of held-out portraits, with the teacher's labels of what they express."""
    stills, va = studio.stills(held=True)
    crops = [render(decode(still.jpeg), loose_square(), Augmentation(), size) for still in stills]
    return Validation("studio", np.stack(crops), va)
