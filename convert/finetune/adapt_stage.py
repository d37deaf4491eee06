"""Adapting from a bundle and unlabelled faces to a verdict, and what is left of it: numbers, never a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convert.faces.pictures import loose_square
from convert.finetune.adaptation import Adapted, Place, adapt_network
from convert.finetune.baseline import check_same_network
from convert.finetune.candidate import head_of, make_bundle, metrics_of, write_candidate, write_record
from convert.finetune.old_data import old_validation
from convert.finetune.report import render_page
from convert.finetune.target import Target
from convert.finetune.verdict import TOLERANCE, Verdict
from convert.package.signing import Signer
from convert.package.trained import Trained
from convert.progress import Progress
from convert.teacher.landmarker import FaceLandmarker
from convert.teacher.regressor import Regressor, TeacherLabels, fit_regressor
from convert.train.material import Pictures
from convert.train.run import describe_machine
from edge.geometry import CropRule, face_square
from edge.model.bundle import Bundle, Source
from edge.values import Float32Array

_ROUGH = 1.4  # the landmarker's square relative to the device's


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """The landmarker and the labels that an earlier run fitted its trees for."""

    landmarker: FaceLandmarker
    labels: TeacherLabels


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptOrder:
    """What is asked for.

    Attributes:
        folder: where candidate and record are written.
        trained: the bundle and weights to begin with.
        target: the place's faces.
        consent: how the people agreed, for the manifest.
        old: root of the old data; None where it is not at hand.
        teacher: None where it is not at hand.
        priors: pictures that the training's statistics count for, to try.
        tolerance: of CCC that may be lost.
        signer: signs the candidate.
    """

    folder: Path
    trained: Trained
    target: Target
    consent: str
    old: Path | None
    teacher: Teacher | None
    priors: Sequence[float]
    tolerance: float = TOLERANCE
    signer: Signer | None = None


class AdaptedBundle(NamedTuple):
    """The verdict, the bundle it is about and where that lies."""

    verdict: Verdict
    bundle: Bundle
    place: Path


def adapt_stage(order: AdaptOrder) -> AdaptedBundle:
    """Adapts, judges and writes.

    Raises:
        DataError: too few faces, or the weights are not the bundle's.
        TrainingError: the conversion failed.
    """
    trained, target = order.trained, order.target
    check_same_network(trained, target.crops(trained.recipe.backbone.size)[:40])
    pictures = Pictures(order.old, trained.recipe) if order.old is not None else None
    place = make_place(target, pictures, order.teacher)
    found = adapt_network(trained, place, priors=order.priors, tolerance=order.tolerance)
    about = _describe(order, found)
    page = render_page("Adaptation", found.verdict, _lines(order, found))
    source = Source(
        name="faces of a place, unlabelled",
        licence="as the people shown agreed",
        origin=order.consent,
        use="statistics of normalization and ranges of int8 values; no picture was kept",
        count=len(target.pictures),
    )
    metrics = metrics_of(found.verdict.comparisons)
    bundle = make_bundle(found.graph, head_of(trained), trained, sources=[source], metrics=metrics, evidence=page)
    order.folder.mkdir(parents=True, exist_ok=True)
    where = write_candidate(order.folder, bundle, found.chosen.weights, trained.head, order.signer)
    write_record(order.folder, "adapt", about, page)
    return AdaptedBundle(found.verdict, bundle, where)


def make_place(target: Target, pictures: Pictures | None, teacher: Teacher | None = None) -> Place:
    """Joins the target with the old data and the teacher, where they are at hand."""
    if pictures is None:
        return Place(target=target, old=None)
    shown = [
        (face.pixels, face_square(face.landmarks_px, CropRule())) for face in pictures.faces if not face.validation
    ]
    labels = _ask_teacher(target, pictures, teacher) if teacher is not None else None
    return Place(target=target, old=old_validation(pictures), old_shown=shown, teacher=labels)


def _ask_teacher(target: Target, pictures: Pictures, teacher: Teacher) -> Float32Array:
    regressor = _fit(pictures, teacher.labels)
    square = loose_square()
    rough, shapes = square._replace(side=square.side * _ROUGH), []
    with Progress("the teacher", len(target.pictures), every=100) as progress:
        for pixels in target.pictures:
            shapes.append(teacher.landmarker.describe_square(pixels, rough))
            progress.advance()
    return np.asarray(regressor.predict(shapes), np.float32)


def _fit(pictures: Pictures, labels: TeacherLabels) -> Regressor:
    shapes = labels.shapes()
    known = [face for face in pictures.faces if face.name in shapes]
    return fit_regressor(known, [shapes[face.name] for face in known])


def _describe(order: AdaptOrder, found: Adapted) -> dict[str, Any]:
    return {
        "verdict": found.verdict.record(),
        "faces": len(order.target.pictures),
        "tracks or files": len(set(order.target.groups)),
        "without a face": order.target.missed,
        "consent": order.consent,
        "chosen": found.chosen.name,
        "contenders": [
            {"name": each.name, "share": each.share, "steadiness": each.steadiness, "old_ccc": each.old_ccc}
            for each in found.contenders
        ],
        "machine": describe_machine(),
    }


def _lines(order: AdaptOrder, found: Adapted) -> list[str]:
    rows = [
        "| contender (float network) | new statistics' share | agreement with itself | old CCC |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| {each.name} | {each.share:.2f} | {each.steadiness:.3f} | "
        f"{'-' if each.old_ccc is None else format(each.old_ccc, '.3f')} |"
        for each in found.contenders
    ]
    faces = f"{len(order.target.pictures)} faces of {len(set(order.target.groups))} tracks or files"
    return [
        f"{faces}; in {order.target.missed} pictures no face was found. Consent: {order.consent}",
        "\n".join(rows),
        f"Taken: {found.chosen.name}, with int8's ranges measured on the place's faces and old ones. No label and no "
        "picture of the place was kept; agreement with itself does not say that answers are right.",
    ]
