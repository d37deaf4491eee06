"""Adapting a bundle to a place without labels: normalization's statistics and int8's ranges, measured on its own faces.

Contenders are the network as it is, with its ranges measured anew, and with blended statistics for some priors. The one
that agrees best with itself on the place's faces goes on, of those that lose no more than the tolerance on the old
validation set; it is quantized, and judged through the int8 graphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from convert.errors import DataError
from convert.faces.pictures import loose_square
from convert.finetune.baseline import answer_floats
from convert.finetune.candidate import calibrate_on, head_of, make_bundle, quantize
from convert.finetune.heads import mean_ccc
from convert.finetune.label_free import SAME_FACE, compare_consistency, consistency
from convert.finetune.normalization import FEWEST, adapt_normalization, blend_share
from convert.finetune.target import Target
from convert.finetune.verdict import (
    TOLERANCE,
    Comparison,
    JudgedSet,
    Verdict,
    compare_on,
    lost,
    not_better,
    not_worse,
)
from convert.package.trained import Trained
from convert.predict.evaluation import Device, answer_frames
from convert.progress import Progress
from convert.train.material import Shown
from edge.values import Float32Array, UInt8Array

PRIORS = (1024.0, 256.0, 64.0)  # gentlest first
RANGES = "ranges"
ITSELF = "the place's faces, agreement with itself"
TEACHER = "the place's faces, the teacher's labels"


class Contender(NamedTuple):
    """One way to adapt.

    Attributes:
        name: `ranges`, or `prior 256`.
        share: of the new statistics in the blend, 0..1.
        weights: of the backbone.
        steadiness: mean CCC with itself on the place's faces, of the float network.
        old_ccc: mean CCC on the old validation set, of the float network; None where it is not at hand.
    """

    name: str
    share: float
    weights: list[Any]
    steadiness: float
    old_ccc: float | None


class Adapted(NamedTuple):
    """The chosen contender, its int8 graph, all contenders, and the verdict."""

    chosen: Contender
    graph: bytes
    contenders: list[Contender]
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """What is known of a place and of the past.

    Attributes:
        target: its unlabelled faces.
        old: the old validation set, or None where it is not at hand.
        old_shown: old training pictures with their squares, to calibrate on as well.
        teacher: the teacher's labels of the target's faces, float32 (N, 2), or None where it is not at hand.
    """

    target: Target
    old: JudgedSet | None
    old_shown: Sequence[Shown] = ()
    teacher: Float32Array | None = None


def adapt_network(
    trained: Trained, place: Place, *, priors: Sequence[float] = PRIORS, tolerance: float = TOLERANCE
) -> Adapted:
    """Makes the contenders, chooses, quantizes and judges.

    Raises:
        DataError: the place has shown too few faces.
        TrainingError: the conversion failed.
    """
    if len(place.target.pictures) < FEWEST:
        raise DataError(f"{len(place.target.pictures)} faces are too few to measure a place by; show at least {FEWEST}")
    contenders = make_contenders(trained, place, priors)
    chosen = choose_contender(contenders, tolerance)
    shown = [(pixels, loose_square()) for pixels in place.target.pictures]
    graph = quantize(chosen.weights, calibrate_on(shown, place.old_shown, trained), trained)
    candidate = Device(make_bundle(graph, head_of(trained), trained))
    return Adapted(chosen, graph, contenders, judge(candidate, Device(trained.bundle), place, tolerance))


def make_contenders(trained: Trained, place: Place, priors: Sequence[float]) -> list[Contender]:
    """The network as it is, then with blended statistics by prior, the gentlest first."""
    size = trained.recipe.backbone.size
    plain = place.target.crops(size)
    views = np.concatenate([plain, *(place.target.crops(size, augmentation) for augmentation in SAME_FACE)])
    found = []
    with Progress("contenders", 1 + len(priors), every=1) as progress:
        for prior in (None, *priors):
            weights, name, share = trained.backbone, RANGES, 0.0
            if prior is not None:
                weights = adapt_normalization(trained.backbone, plain, trained.recipe.backbone, prior=prior)
                name, share = f"prior {prior:g}", blend_share(len(plain), prior)
            answers = np.split(answer_floats(weights, views, trained.recipe), 1 + len(SAME_FACE))
            old = None
            if place.old is not None:
                old = mean_ccc(place.old.rated, answer_floats(weights, place.old.images, trained.recipe))
            steadiness = float(np.mean(consistency(answers[0], answers[1:])))
            found.append(Contender(name, share, weights, steadiness, old))
            progress.advance()
    return found


def choose_contender(contenders: Sequence[Contender], tolerance: float) -> Contender:
    """The steadiest of those that lose no more than the tolerance; the first of equals."""
    start = contenders[0].old_ccc
    left = [each for each in contenders if start is None or each.old_ccc is None or each.old_ccc >= start - tolerance]
    return max(left, key=lambda each: each.steadiness)


def judge(candidate: Device, bundle: Device, place: Place, tolerance: float, *, draws: int = 1000) -> Verdict:
    """The verdict through the int8 graphs: not worse on old faces; steadier, or nearer to the teacher, on the place's.

    The frame answers are compared where a network is compared with itself: each view is a picture of its own.
    """
    size = bundle.manifest.crop.size
    comparisons: list[Comparison] = []
    reasons: list[str] = []
    if place.old is None:
        reasons.append("the old data is not at hand, so nobody knows what it lost there; give --data")
    else:
        comparisons.append(compare_on(place.old, candidate, bundle, draws=draws))
        reasons += not_worse(comparisons[-1], tolerance)
    itself = _compare_with_itself(candidate, bundle, place.target, size, draws)
    comparisons.append(itself)
    on_target = [itself]
    if place.teacher is not None:
        images = place.target.crops(size)
        judged = JudgedSet(data=TEACHER, images=images, rated=place.teacher, groups=place.target.groups)
        comparisons.append(compare_on(judged, candidate, bundle, draws=draws))
        on_target.append(comparisons[-1])
    if all(not_better(each) for each in on_target):
        reasons += [reason for each in on_target for reason in not_better(each)]
    reasons += [reason for each in on_target for reason in lost(each, tolerance)]
    accepted = not reasons
    if accepted:
        reasons = [
            "not worse on the old validation set, and better on the place's faces as far as that shows unlabelled"
        ]
    return Verdict(accepted=accepted, reasons=reasons, comparisons=comparisons, tolerance=tolerance)


def _compare_with_itself(candidate: Device, bundle: Device, target: Target, size: int, draws: int) -> Comparison:
    views: list[UInt8Array] = [target.crops(size), *(target.crops(size, augmentation) for augmentation in SAME_FACE)]
    both = []
    with Progress("agreement with itself", 2 * len(views)) as progress:
        for device in (candidate, bundle):
            answers = []
            for view in views:
                answers.append(answer_frames(device.backbone, view))
                progress.advance()
            both.append((answers[0], answers[1:]))
    found = compare_consistency(both[0], both[1], target.groups, draws=draws)
    return Comparison(data=ITSELF, by_answer={"frame": found}, agreement={})
