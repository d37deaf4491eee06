"""One run of a clip held against another one, in which faces were searched for in every frame."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from benchmarks.cadence.play import Played, Sighting, mean_by_interval
from edge.geometry import box_iou

_SAME = 0.3  # overlap of two boxes from which they show one face
_INTERVAL = 100  # grid steps whose means are compared: 10 s, the shortest window there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What a run makes of a clip, beside the reference.

    Attributes:
        searches: of the run, and of the reference.
        steps: face-steps that the reference scored.
        met: of these, those that the run scored too, within one step and at the same place.
        extra: face-steps that the run scored and the reference did not.
        tracks: ids in the run, less those in the reference.
        switches: how often a face of the reference changed its id in the run, less than once for its first.
        means: differences of mean valence and arousal, interval by interval.
    """

    searches: tuple[int, int]
    steps: int
    met: int
    extra: int
    tracks: int
    switches: int
    means: tuple[tuple[float, float], ...]


def hold_against(run: Played, reference: Played) -> Against:
    """Compares two runs of one clip."""
    there, here = _by_slot(reference), _by_slot(run)
    met, switches = 0, 0
    last: dict[int, int] = {}
    for slot in sorted(there):
        for sighting in there[slot]:
            partner = _partner(sighting, here)
            if partner is None:
                continue
            met += 1
            switches += last.get(sighting.track_id, partner.track_id) != partner.track_id
            last[sighting.track_id] = partner.track_id
    extra = sum(_partner(sighting, there) is None for sighting in run.sightings)
    mine, theirs = mean_by_interval(run, _INTERVAL), mean_by_interval(reference, _INTERVAL)
    return Against(
        searches=(run.searches, reference.searches),
        steps=len(reference.sightings),
        met=met,
        extra=extra,
        tracks=run.tracks - reference.tracks,
        switches=switches,
        means=tuple(tuple(np.abs(mine[at] - theirs[at]).tolist()) for at in sorted(mine.keys() & theirs.keys())),
    )


def _by_slot(played: Played) -> dict[int, list[Sighting]]:
    found = defaultdict(list)
    for sighting in played.sightings:
        found[sighting.slot].append(sighting)
    return found


def _partner(sighting: Sighting, others: dict[int, list[Sighting]]) -> Sighting | None:
    """The same face in the other run, in this step or in one beside it, where the camera's rate may have put it."""
    for slot in (sighting.slot, sighting.slot - 1, sighting.slot + 1):
        for other in others.get(slot, []):
            if box_iou(sighting.box_px, other.box_px) > _SAME:
                return other
    return None
