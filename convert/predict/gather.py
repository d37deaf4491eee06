"""The evidence on one run's bundle: still faces and sequences; each part says what data it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.metrics import TARGETS, Agreement, agreement
from convert.predict.clip_evidence import agree_with_teacher, cut_parts, disturb_clips, read_clips
from convert.predict.clips import ClipFace
from convert.predict.compare import Difference, paired_bootstrap
from convert.predict.evaluation import Device, answer_frames, embed_crop
from convert.predict.temporal import Drift, Gain, measure_drift, measure_gain, tune_average
from convert.predict.trial import SEED, TUNING_SHARE, UNSEEN, families, take_in_trial
from convert.progress import Progress
from convert.studio.stage import Studio
from convert.teacher.landmarker import FaceLandmarker
from convert.train.material import Material
from convert.train.recipe import Recipe
from convert.train.sequences import Sequences, act_scene, make_sequences
from convert.train.stages import studio_validation
from edge.values import Float32Array


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
    truth, ours = material.rated, answer_frames(device.backbone, material.images)
    teacher = material.teacher.va_of(material.held)
    unrated = material.teacher_labelled(recipe)
    made = studio_validation(studio, recipe.backbone.size)
    return Evidence(
        sets=[
            SetAgreement(
                data="DiffusionFER-S, held-out part", reference="its two raters", by_target=_agree(truth, ours)
            ),
            SetAgreement(
                data="SFHQ, held-out part",
                reference="the teacher",
                by_target=_agree(unrated.va, answer_frames(device.backbone, unrated.images)),
            ),
            SetAgreement(
                data="studio frames of held-out portraits",
                reference="the teacher, on the clean frame",
                by_target=_agree(made.va, answer_frames(device.backbone, made.images)),
            ),
        ],
        teacher=_agree(truth, teacher),
        over_teacher=paired_bootstrap(truth, ours, teacher),
        found=(len(made.va), recipe.studio.held),
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
            partial(embed_crop, device.backbone),
            take_in_trial,
            size=device.manifest.crop.size,
            seed=SEED,
            advance=progress.advance,
        )
    tuning, test = (Sequences(*(part[rows] for part in sequences)) for rows in (slice(split), slice(split, None)))
    weights = tune_average(tuning, device.manifest.warmup_steps)
    gains = [measure_gain(device, test, weights, "the trial: studio acts of held-out portraits")]
    unseen = _unseen(test, split)
    if unseen[:, device.manifest.warmup_steps :].any(axis=1).sum() > 1:  # acts to draw from, for the intervals
        gains.append(
            measure_gain(device, test, weights, f"of these, steps under the unseen family ({UNSEEN})", only=unseen)
        )
    real = None
    if clips.is_dir():
        faces = read_clips(clips, step_s=recipe.head.step_s)
        gains += _disturb(faces, device, weights)
        real = SetAgreement(
            data=f"video clips of real people, {len(faces)} faces",
            reference="the teacher",
            by_target=agree_with_teacher(faces, device, landmarker, studio.regressor),
        )
    return gains, measure_drift(device, test), real


def _disturb(faces: Sequence[ClipFace], device: Device, weights: tuple[float, float]) -> list[Gain]:
    """The clips under the trial's accidents; nothing where fewer than two faces are seen long enough to be drawn."""
    long_enough = [face for face in faces if cut_parts(face)]
    if len(long_enough) < 2:
        return []
    parts = disturb_clips(long_enough, device)
    what = "real clips under the trial's accidents, against the undisturbed frame answers"
    return [measure_gain(device, parts.sequences, weights, what, only=parts.counts, groups=parts.faces)]


def _unseen(test: Sequences, first: int) -> NDArray[np.bool_]:
    """Which steps (N, T) of the acts from number `first` on are under the unseen family."""
    count, steps = test.va.shape[:2]
    happening = [families(steps, np.random.default_rng([SEED, first + n])) for n in range(count)]
    return np.array(happening) == UNSEEN


def _agree(truth: Float32Array, answers: Float32Array) -> dict[str, Agreement]:
    return {target: agreement(truth[:, t], answers[:, t]) for t, target in enumerate(TARGETS)}
