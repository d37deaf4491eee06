"""Judges tracks and visits against the truth: HOTA, IDF1, identity switches, and visits against people.

HOTA is defined in Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking" (2021), IDF1 in
Ristani et al. (2016), switches in Bernardin & Stiefelhagen (2008). The figures equal those of TrackEval 1.3.0, which
cannot be a dependency: it needs opencv-python, and that overwrites the files of opencv-python-headless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Box = tuple[float, float, float, float]  # x1, y1, x2, y2
Boxes = Mapping[int, Box]  # of one frame, by the id of a person, track or visit
Floats = NDArray[np.float64]

_LEVELS = np.arange(0.05, 0.99, 0.05)  # overlaps over which HOTA is averaged
_SAME = 0.5  # overlap that counts as a match for IDF1 and switches
_OF_PERSON = 0.3  # and for whose a sighting of a visit is
_EPS = np.finfo(np.float64).eps
LEAST_FRAMES = 5  # a person who was visible in fewer is nobody to count


class Tracking(NamedTuple):
    """The figures of one scene. HOTA, its parts and IDF1 are 0 to 1, higher is better."""

    hota: float
    detection: float  # HOTA's DetA
    association: float  # HOTA's AssA
    idf1: float
    switches: int
    truths: int  # boxes in the truth


class Counting(NamedTuple):
    """Visits against people.

    Attributes:
        people: who were visible in at least `LEAST_FRAMES` frames; one who left and returned counts again.
        visits: that were begun.
        counted: people who have a visit of their own, in which they are seen most.
        double: visits more than one of the same person.
        missed: people without a visit of their own.
        false: visits of nobody.
        mixed: visits in which somebody else has a tenth of the sightings or more.
    """

    people: int
    visits: int
    counted: int
    double: int
    missed: int
    false: int
    mixed: int


def overlaps(one: Boxes, other: Boxes) -> Floats:
    """Intersection over union of each pair of boxes, (len(one), len(other))."""
    a = np.array(list(one.values()), np.float64).reshape(-1, 1, 4)
    b = np.array(list(other.values()), np.float64).reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(axis=-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(axis=-1) for boxes in (a, b)]
    return shared / np.maximum(areas[0] + areas[1] - shared, _EPS)


def judge_tracks(truth: Sequence[Boxes], found: Sequence[Boxes]) -> Tracking:
    """Judges one scene.

    Args:
        truth: the visible faces of each frame, by person.
        found: the faces that were followed in it, by track.
    """
    people = {person: row for row, person in enumerate(sorted({p for boxes in truth for p in boxes}))}
    tracks = {track: column for column, track in enumerate(sorted({t for boxes in found for t in boxes}))}
    frames = [
        ([people[p] for p in there], [tracks[t] for t in here], overlaps(there, here))
        for there, here in zip(truth, found, strict=True)
    ]
    shape = len(people), len(tracks)
    of_person, of_track = np.zeros((shape[0], 1)), np.zeros((1, shape[1]))
    together, same = np.zeros(shape), np.zeros(shape)
    for rows, columns, similar in frames:
        of_person[rows] += 1
        of_track[0, columns] += 1
        if similar.size:
            whole = similar.sum(0)[None] + similar.sum(1)[:, None] - similar
            together[np.ix_(rows, columns)] += similar / np.maximum(whole, _EPS)
            same[np.ix_(rows, columns)] += similar >= _SAME
    hota, detection, association = _hota(frames, together, of_person, of_track)
    return Tracking(
        hota, detection, association, _idf1(same, of_person, of_track), _switches(frames, shape), int(of_person.sum())
    )


_Frames = Sequence[tuple[list[int], list[int], Floats]]  # rows of people, columns of tracks, overlaps


def _hota(frames: _Frames, together: Floats, of_person: Floats, of_track: Floats) -> tuple[float, float, float]:
    alike = together / np.maximum(of_person + of_track - together, _EPS)
    matched = np.zeros((len(_LEVELS), *together.shape))
    for rows, columns, similar in frames:
        if similar.size:
            r, c = linear_sum_assignment(-alike[np.ix_(rows, columns)] * similar)
            good = similar[r, c][None] >= _LEVELS[:, None] - _EPS
            matched[:, np.array(rows)[r], np.array(columns)[c]] += good
    hits = matched.sum(axis=(1, 2))
    detection = hits / np.maximum(of_person.sum() + of_track.sum() - hits, 1)
    shares = matched / np.maximum(of_person + of_track - matched, 1)
    association = (matched * shares).sum(axis=(1, 2)) / np.maximum(hits, 1)
    return float(np.sqrt(detection * association).mean()), float(detection.mean()), float(association.mean())


def _idf1(same: Floats, of_person: Floats, of_track: Floats) -> float:
    rows, columns = linear_sum_assignment(-same)
    return float(2 * same[rows, columns].sum() / max(of_person.sum() + of_track.sum(), 1))


def _switches(frames: _Frames, shape: tuple[int, int]) -> int:
    """How often a person's track is another than the last one; a match of the frame before is kept where it can be."""
    last, before = np.full(shape[0], -1), np.full(shape[0], -1)
    switches = 0
    for rows, columns, similar in frames:
        now = np.full(shape[0], -1)
        if similar.size:
            kept = before[rows][:, None] == np.array(columns)[None]
            score = np.where(similar >= _SAME - _EPS, 1000 * kept + similar, 0)
            r, c = linear_sum_assignment(-score)
            good = score[r, c] > _EPS
            who, which = np.array(rows)[r[good]], np.array(columns)[c[good]]
            switches += int(((last[who] >= 0) & (last[who] != which)).sum())
            last[who] = now[who] = which
        before = now
    return switches


def split_stays(truth: Sequence[Boxes], times_s: Sequence[float], away_s: float) -> list[dict[int, Box]]:
    """The truth by stay: who was not visible for longer than `away_s` stays anew."""
    stays: dict[int, tuple[int, float]] = {}  # by person: number of the stay, and when it was visible last
    found = []
    for boxes, now_s in zip(truth, times_s, strict=True):
        for person in boxes:
            number, last_s = stays.get(person, (0, now_s))
            stays[person] = number + (now_s - last_s > away_s), now_s
        found.append({1000 * person + stays[person][0]: box for person, box in boxes.items()})
    return found


def judge_visits(truth: Sequence[Boxes], found: Sequence[Boxes], *, least: int = LEAST_FRAMES) -> Counting:
    """Counts visits against people.

    Args:
        truth: the visible faces of each frame, by person and stay.
        found: the faces that were followed in it, by visit.
        least: frames in which a person is visible at least.
    """
    seen: dict[int, int] = {}
    sightings: dict[int, dict[int, int]] = {}  # by visit: by person, -1 for nobody
    for there, here in zip(truth, found, strict=True):
        for person in there:
            seen[person] = seen.get(person, 0) + 1
        similar = overlaps(there, here)
        rows, columns = linear_sum_assignment(-similar)
        owners = {c: r for r, c in zip(rows, columns, strict=True) if similar[r, c] >= _OF_PERSON}
        people = list(there)
        for column, visit in enumerate(here):
            person = people[owners[column]] if column in owners else -1
            counts = sightings.setdefault(visit, {})
            counts[person] = counts.get(person, 0) + 1
    people = [person for person, frames in seen.items() if frames >= least]
    own = [max(counts, key=lambda person: counts[person]) for counts in sightings.values()]
    mixed = 0
    for counts in sightings.values():
        known = sorted(frames for person, frames in counts.items() if person >= 0)
        mixed += len(known) > 1 and known[-2] >= 0.1 * sum(counts.values())
    counted, false = len(set(own) & set(people)), sum(person not in people for person in own)
    return Counting(
        people=len(people),
        visits=len(own),
        counted=counted,
        double=len(own) - false - counted,
        missed=len(people) - counted,
        false=false,
        mixed=mixed,
    )
