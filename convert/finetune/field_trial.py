"""What `adapt` gains where the truth is known: simulated places, unlabelled crowds, and rated faces to compare on.

A place is one way in which a camera sees everybody worse. Its crowd are held-out faces that nobody rated; adaptation
sees them and no label. The truth are the held-out rated faces under the same light, which it never sees. The old
validation set are those rated faces undisturbed: the tool's guard uses them, so it is a little better than in life.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from convert.errors import DataError
from convert.faces.finder import LabelledFace
from convert.finetune.adaptation import ITSELF, Contender, Place, adapt_network
from convert.finetune.baseline import answer_floats, ratings_of
from convert.finetune.candidate import head_of, make_bundle
from convert.finetune.old_data import old_validation
from convert.finetune.target import Target
from convert.finetune.verdict import Comparison, JudgedSet, Verdict, compare_on
from convert.package.trained import Trained
from convert.predict import degradations as d
from convert.predict.compare import Difference, paired_bootstrap
from convert.predict.evaluation import Device
from convert.studio.stills import cut_loose
from convert.train.material import Pictures
from edge.geometry import CropRule, face_square
from edge.values import Float32Array, UInt8Array

PRIORS = (256.0, 64.0, 16.0)
_DARKEST = 0.03  # of the light, on the shaded side


def lit_from_one_side(shot: d.Shot, rng: np.random.Generator) -> d.Shot:
    """One lamp at one side, the other side of the face in shade."""
    side = 1 if rng.random() < 0.5 else -1
    across = (np.arange(shot.pixels.shape[1]) - shot.landmarks_px[:, 0].mean()) / shot.side_px
    ramp = np.clip(0.5 + side * across, _DARKEST, 1.0) ** (1 / 2.2)  # a share of linear light, on coded values
    return shot._replace(pixels=np.rint(shot.pixels * ramp[None, :, None]).astype(np.uint8))


def in_a_row(*spoils: d.Spoil) -> d.Spoil:
    """One after the other."""

    def spoil(shot: d.Shot, rng: np.random.Generator) -> d.Shot:
        for each in spoils:
            shot = each(shot, rng)
        return shot

    return spoil


PLACES: dict[str, d.Spoil] = {
    "dark: 1/30 of the light": d.dimmed(1 / 30),
    "low-key: a lamp at one side, 1/4 of the light": in_a_row(lit_from_one_side, d.dimmed(0.25)),
    "out of focus: 3 px": d.defocused(3),
    "grey night camera: 1/10 of the light, 1.5 px out of focus": in_a_row(d.greyed, d.dimmed(0.1), d.defocused(1.5)),
}


class Tried(NamedTuple):
    """One contender of a place against the truth, float network: its differences to the network as it was."""

    contender: Contender
    by_target: dict[str, Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceResult:
    """What adaptation did in one place.

    Attributes:
        name: of the place.
        crowd: faces it adapted on.
        tried: every contender, against the truth.
        chosen: the one that the tool took.
        verdict: what it decided, without the truth.
        truth: what that bundle gained in truth, through the int8 graphs.
    """

    name: str
    crowd: int
    tried: list[Tried]
    chosen: str
    verdict: Verdict
    truth: Comparison


def run_trial(
    trained: Trained,
    pictures: Pictures,
    *,
    places: dict[str, d.Spoil] | None = None,
    priors: Sequence[float] = PRIORS,
    draws: int = 2000,
    advance: Callable[[], None] = lambda: None,
) -> list[PlaceResult]:
    """Runs `adapt` in each place.

    Raises:
        DataError: the data has no unrated held-out faces to be the crowd.
    """
    crowd = [face for face in pictures.faces if face.validation and face.rated is None]
    if not crowd:
        raise DataError("the data has no held-out faces without ratings (SFHQ) to be the crowd; give another --data")
    old = old_validation(pictures)
    shown = [
        (face.pixels, face_square(face.landmarks_px, CropRule())) for face in pictures.faces if not face.validation
    ]
    results = []
    for name, spoil in (places or PLACES).items():
        target = Target([_loose(shoot(face, spoil)) for face in crowd], [face.name for face in crowd], 0)
        found = adapt_network(trained, Place(target=target, old=old, old_shown=shown), priors=priors)
        size = trained.recipe.backbone.size
        truth = JudgedSet(
            data=name,
            images=np.stack([shoot(face, spoil).cut_true(size) for face in pictures.held]),
            rated=ratings_of(pictures.held),
            groups=[face.cluster for face in pictures.held],
        )
        start = answer_floats(trained.backbone, truth.images, trained.recipe)
        tried = [
            Tried(each, _against(truth, answer_floats(each.weights, truth.images, trained.recipe), start, draws))
            for each in found.contenders
        ]
        candidate = Device(make_bundle(found.graph, head_of(trained), trained))
        results.append(
            PlaceResult(
                name=name,
                crowd=len(crowd),
                tried=tried,
                chosen=found.chosen.name,
                verdict=found.verdict,
                truth=compare_on(truth, candidate, Device(trained.bundle), draws=draws),
            )
        )
        advance()
    return results


class _Seen(NamedTuple):
    shot: d.Shot

    def cut_true(self, size: int) -> UInt8Array:
        """The device's crop, by where the face truly is: what the detector loses is not the question here."""
        return self.shot.cut(self.shot.landmarks_px, size, CropRule())


def shoot(face: LabelledFace, spoil: d.Spoil) -> _Seen:
    """A face as the place's camera sees it; its name decides noise and side."""
    rng = np.random.default_rng([*face.name.encode()])
    return _Seen(spoil(d.place(face.pixels, face.landmarks_px), rng))


def _loose(seen: _Seen) -> UInt8Array:
    framed = cv2.copyTo(seen.shot.pixels, seen.shot.inside, np.full_like(seen.shot.pixels, 127))
    return cut_loose(np.asarray(framed, np.uint8), face_square(seen.shot.landmarks_px, CropRule()))


def _against(truth: JudgedSet, ours: Float32Array, start: Float32Array, draws: int) -> dict[str, Difference]:
    groups = list(truth.groups) if len(set(truth.groups)) < len(truth.groups) else None
    return paired_bootstrap(truth.rated, ours, start, groups, n=draws)


def render_trial(results: Sequence[PlaceResult], machine: str) -> str:
    """Both tables with what they rest on."""
    n = results[0].truth.decisive["valence"].items
    lines = [
        f"Adapted on {results[0].crowd} unlabelled held-out faces of SFHQ in each place, compared on {n} rated, "
        f"held-out faces of DiffusionFER-S in the same place. {machine}. CCC, 95% paired bootstrap intervals.",
        "What the command did: the candidate it took, its verdict, and what that candidate gains in truth (streamed "
        "answers, int8).",
        "| place | target | bundle CCC | candidate − bundle | in truth | took | agreement with itself | verdict |\n"
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in results:
        itself = next(c for c in each.verdict.comparisons if c.data == ITSELF).decisive
        for target, found in each.truth.decisive.items():
            cells = [each.name, target, f"{found.other:.3f}", interval(found), found.verdict, each.chosen]
            cells += [interval(itself[target]), "accepted" if each.verdict.accepted else "refused"]
            lines[-1] += "\n| " + " | ".join(cells) + " |"
    lines += [
        "Every contender against the truth (frame answers, float network); `share` is the new statistics' weight, "
        "`old` the change of mean CCC on the undisturbed faces.",
        "| place | contender | share | valence | arousal | agreement with itself | old |\n"
        "|---|---|---|---|---|---|---|",
    ]
    for each in results:
        first = each.tried[0].contender
        for contender, by_target in each.tried[1:]:
            old = (contender.old_ccc or 0.0) - (first.old_ccc or 0.0)
            cells = [each.name, contender.name, f"{contender.share:.2f}", *map(interval, by_target.values())]
            cells += [f"{contender.steadiness - first.steadiness:+.3f}", f"{old:+.3f}"]
            lines[-1] += "\n| " + " | ".join(cells) + " |"
    return "\n\n".join(lines) + "\n"


def interval(found: Difference) -> str:
    """A difference with its bounds."""
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
