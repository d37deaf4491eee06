"""All evidence on one run's bundle, gathered by one function; each part says what data it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.datasets.faces import LabelledFace, cut_face
from convert.evaluation import TARGETS, Device
from convert.evidence.clip_evidence import agree_with_teacher, disturb_clips, read_clips
from convert.evidence.compare import Difference, paired_bootstrap
from convert.evidence.fairness import AGES, TONES, read_ages, slice_groups, to_markdown, tones_of
from convert.evidence.temporal import Drift, Gain, measure_drift, measure_gain, tune_average
from convert.evidence.trial import SEED, TUNING_SHARE, UNSEEN, families, take_in_trial
from convert.head_stage import act_scene
from convert.metrics import Agreement, agreement
from convert.progress import Progress
from convert.recipe import Recipe
from convert.stages import Material
from convert.studio.stage import Studio
from convert.studio.stills import decode, loose_square
from convert.teacher.landmarker import FaceLandmarker
from convert.training.nuisance import Nuisance, render
from convert.training.sequences import Sequences, make_sequences
from edge.geometry import CropRule
from edge.types import Detection, Embedding, FaceCrop, Float32Array, UInt8Array


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAgreement:
    """Frame answers on one set.

    Attributes:
        data: what the set is.
        reference: whose labels.
        by_target: agreement of valence and arousal.
    """

    data: str
    reference: str
    by_target: dict[str, Agreement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured; parts whose data is not there are empty.

    Attributes:
        sets: agreement by set.
        teacher: the teacher's own agreement with the raters on the held-out part.
        over_teacher: ours less the teacher's, paired, on the same faces.
        found: faces that the detector found of those the studio tried, held-out portraits.
        gains: what the LSTM adds, by set of sequences; the first is the trial.
        drift: of the head's state over a long stream.
    """

    sets: list[SetAgreement] = field(default_factory=list)
    teacher: dict[str, Agreement] = field(default_factory=dict)
    over_teacher: dict[str, Difference] = field(default_factory=dict)
    found: tuple[int, int] = (0, 0)
    gains: list[Gain] = field(default_factory=list)
    drift: Drift | None = None


def gather_sets(material: Material, studio: Studio, device: Device, recipe: Recipe) -> Evidence:
    """Still faces: the held-out parts of the data and the studio's frames of held-out portraits."""
    rows = {name: row for row, name in enumerate(material.teacher.names)}
    rated = [face for face in material.faces if face.validation and face.rated is not None]
    ours = answer_faces(rated, device)
    truth = np.array([face.rated for face in rated], np.float32)
    teacher = material.teacher.va[[rows[face.name] for face in rated]]
    unrated = [face for face in material.faces if face.validation and face.rated is None]
    stills, labels = studio.stills(held=True)
    made = np.stack(
        [
            embed(device, render(decode(s.jpeg), loose_square(), Nuisance(), device.manifest.crop.size)).va
            for s in stills
        ]
    )
    return Evidence(
        sets=[
            SetAgreement(
                data="DiffusionFER-S, held-out part", reference="its two raters", by_target=_agree(truth, ours)
            ),
            SetAgreement(
                data="SFHQ, held-out part",
                reference="the teacher",
                by_target=_agree(
                    material.teacher.va[[rows[face.name] for face in unrated]], answer_faces(unrated, device)
                ),
            ),
            SetAgreement(
                data="studio frames of held-out portraits",
                reference="the teacher, on the clean frame",
                by_target=_agree(labels, made),
            ),
        ],
        teacher=_agree(truth, teacher),
        over_teacher=paired_bootstrap(truth, ours, teacher),
        found=(len(stills), recipe.studio.held),
    )


def gather_gains(
    studio: Studio, device: Device, recipe: Recipe, clips: Path, landmarker: FaceLandmarker
) -> tuple[list[Gain], Drift, SetAgreement | None]:
    """Sequences: the trial, its unseen family alone, and, where the clips are here, real people under the same."""
    acts = studio.acts(recipe.head, held=True)
    split = round(TUNING_SHARE * len(acts))
    scenes = [partial(act_scene, act, va) for act, va in acts]
    with Progress("trial", len(scenes), every=40) as progress:
        sequences = make_sequences(
            scenes,
            partial(embed, device),
            take_in_trial,
            size=device.manifest.crop.size,
            seed=SEED,
            advance=progress.advance,
        )
    tuning, test = (Sequences(*(part[rows] for part in sequences)) for rows in (slice(split), slice(split, None)))
    weights = tune_average(tuning, device.manifest.warmup_steps)
    gains = [measure_gain(device, test, weights, "the trial: studio acts of held-out portraits")]
    gains.append(
        measure_gain(
            device, test, weights, f"of these, steps under the unseen family ({UNSEEN})", only=_unseen(test, split)
        )
    )
    real = None
    if clips.is_dir():
        faces = read_clips(clips, step_s=recipe.head.step_s)
        gains.append(
            measure_gain(
                device,
                disturb_clips(faces, device),
                weights,
                "real clips under the trial's accidents, against the undisturbed frame answers",
            )
        )
        real = SetAgreement(
            data=f"video clips of real people, {len(faces)} faces",
            reference="the teacher",
            by_target=agree_with_teacher(faces, device, landmarker, studio.regressor),
        )
    return gains, measure_drift(device, test), real


def _unseen(test: Sequences, first: int) -> NDArray[np.bool_]:
    """Which steps (N, T) of the acts from number `first` on are under the unseen family."""
    count, steps = test.va.shape[:2]
    happening = [families(steps, np.random.default_rng([SEED, first + n])) for n in range(count)]
    return np.array(happening) == UNSEEN


def gather_groups(material: Material, device: Device) -> str:
    """Tables by apparent age and by skin tone, with what they rest on."""
    rows = {name: row for row, name in enumerate(material.teacher.names)}
    ages = {f"sfhq/{image}": group for image, group in read_ages().items()}
    aged = [face for face in material.faces if face.name in ages]
    unrated = [face for face in material.faces if face.rated is None]
    rated = [face for face in material.faces if face.validation and face.rated is not None]
    tables = []
    if aged:
        labels = material.teacher.va[[rows[face.name] for face in aged]]
        groups = [ages[face.name] for face in aged]
        tables.append(
            to_markdown(
                "Apparent age, SFHQ; reference: the teacher's labels, which most of these faces were trained with. The "
                "ages were judged by a vision-language model from contact sheets, not by people "
                "(`convert/evidence/README.md`).",
                slice_groups(answer_faces(aged, device), labels, groups, AGES),
            )
        )
        labels = material.teacher.va[[rows[face.name] for face in unrated]]
        tables.append(
            to_markdown(
                "Skin tone in the picture (individual typology angle), SFHQ; reference: the teacher, as above.",
                slice_groups(answer_faces(unrated, device), labels, tones_of(unrated), TONES),
            )
        )
    truth = np.array([face.rated for face in rated], np.float32)
    tables.append(
        to_markdown(
            "Skin tone in the picture, held-out part of DiffusionFER-S; reference: its raters.",
            slice_groups(answer_faces(rated, device), truth, tones_of(rated), TONES),
        )
    )
    tables.append(
        "A narrow range of expressions alone lowers a group's CCC, hence RMSE and mean error beside it. The angle "
        "is measured on the picture, so its light counts as skin. A gap may be the network's, the teacher's or "
        "the raters' own."
    )
    return "\n\n".join(tables)


def answer_faces(faces: Sequence[LabelledFace], device: Device) -> Float32Array:
    """Frame answers (N, 2) through the device's crop and int8 graph."""
    crop = device.manifest.crop
    answers = []
    for face in faces:
        found = Detection(box_px=(0.0, 0.0, 0.0, 0.0), score=1.0, landmarks_px=face.landmarks_px)
        answers.append(embed(device, cut_face(face.pixels, found, crop.size, CropRule())).va)
    return np.stack(answers)


def embed(device: Device, crop: UInt8Array) -> Embedding:
    """The device's embedding and answer for one crop."""
    return device.backbone.embed(FaceCrop(track_id=0, pixels=crop, captured_ns=0))


def _agree(truth: Float32Array, answers: Float32Array) -> dict[str, Agreement]:
    return {target: agreement(truth[:, t], answers[:, t]) for t, target in enumerate(TARGETS)}
