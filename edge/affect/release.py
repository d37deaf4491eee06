"""Decides whether a window may be released: how many people it holds at least, and how much one of them can weigh.

Nobody is recognized, so two visits may be one person who came back, unless something proves them different. There are
two proofs: both were in view at once, or their places were too far apart to walk in the time between. All
counts err on the low side:

- A face that does not move (poster, mannequin) is left out, and so is one that stays for many windows (staff).
- Visits are grouped into "possible people". A visit that began in the middle of the picture may be somebody who was
  there before, so it joins a possible person who could have made it. A visit becomes a new possible person only if
  its arrival was seen, or if it is proven different from all earlier people.
- A possible person counts only if proven different from at least one other. Without a proof, two of them may be the
  same person.

A window is released when three conditions hold. At least `min_people` possible people count. At least `min_proven` of
them are all proven different from each other, so the window cannot come from fewer people. One person who came back as
often as possible has at most the share `max_share` of the result.

Pure functions on immutable values. Times are monotonic nanoseconds, places are pixels of the frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.affect.presence import Place, VisitRecord
from edge.affect.residents import MANY_WINDOWS, Resident, far_apart, find_resident, remember_residents
from edge.clock import NS

BoolArray = NDArray[np.bool_]

_FACE_M = 0.18  # width of the detector's box on an adult, metres
_FOCAL = 0.5  # focal length of a 90 degree lens, in picture widths; with a narrower lens real distances are larger
_SPEED = 2.0  # metres a second; people walk slower
_TURN_S = 1.0  # time to turn round twice, for somebody who walked away from the camera and faces it again
_ERROR_M, _ERROR = 1.0, 0.15  # error of a place: metres, plus a share of its distance from the camera
_STILL = 0.12  # face sizes; a face first seen in mid-picture that moved less is taken for a poster
_DRIFT = 0.02  # face sizes; the mean place of a live head moves more than this from one half minute to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a window may be released.

    Attributes:
        min_people: how many possible people must count; 3 or more.
        min_observed_s: how many scored seconds a visit needs to count.
        max_share: largest allowed share of one person who came back as often as possible, 0 to 1.
    """

    min_people: int = 10
    min_observed_s: float = 2.0
    max_share: float = 0.5

    @property
    def min_proven(self) -> int:
        """How many people must be proven different from each other."""
        return max(3, math.ceil(0.4 * self.min_people))


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A possible person: visits that one person could have made.

    Attributes:
        visits: numbers of the visits.
        seconds: scored time of all visits.
        valence, arousal: means over these seconds.
        stays: the place of somebody who did not arrive in this window; else None.
    """

    visits: tuple[int, ...]
    seconds: float
    valence: float
    arousal: float
    stays: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision on one window.

    Attributes:
        released: whether the scores may be sent; False means too few people.
        people: the possible people who count, released or not; all have the same weight.
        alone: possible people who do not count, since they were not proven different from anybody.
        proven: how many people are proven different from each other.
        heaviest: largest possible share of one person who came back as often as possible, 0 to 1.
        residents: people who stay; input of the next decision.
    """

    released: bool
    people: tuple[Person, ...]
    alone: tuple[Person, ...] = field(repr=False)
    proven: int
    heaviest: float
    residents: tuple[Resident, ...] = field(default=(), repr=False)


def judge(
    visits: Sequence[VisitRecord],
    rule: Rule,
    *,
    width_px: float,
    began_ns: int = 0,
    residents: Sequence[Resident] = (),
) -> Decision:
    """Decides on one window.

    Args:
        visits: all visits of this window, in any order.
        rule: the conditions.
        width_px: width of the frame.
        began_ns: when the window began.
        residents: from the decision on the window before.
    """
    moving = [visit for visit in visits if visit.seconds >= rule.min_observed_s - 1e-6 and not _is_poster(visit)]
    moving.sort(key=lambda visit: (visit.began_ns, visit.number))
    differ = _find_different(moving, width_px)
    groups = _group_visits(moving, differ)
    passing, staying = [], []
    for group in groups:
        own = [moving[row] for row in group]
        stays = own[0].arrival is None or own[0].began_ns < began_ns
        known = find_resident(own, residents) if stays else None
        if stays:
            staying.append((own, known))
        if known is None or known.windows < MANY_WINDOWS:
            passing.append((group, _person(own, own[0].began if stays else None)))
    rows = sorted(row for group, _ in passing for row in group)
    counting = [(group, person) for group, person in passing if differ[np.ix_(group, rows)].any()]
    rows = sorted(row for group, _ in counting for row in group)
    weights = np.zeros(len(moving))
    for group, person in counting:
        weights[group] = [moving[row].seconds / person.seconds / len(counting) for row in group]
    proven = _count_different(differ[np.ix_(rows, rows)])
    heaviest = _heaviest_share(differ[np.ix_(rows, rows)], weights[rows])
    people = tuple(person for _, person in counting)
    return Decision(
        released=len(people) >= rule.min_people and proven >= rule.min_proven and heaviest <= rule.max_share + 1e-9,
        people=people,
        alone=tuple(person for _, person in passing if person not in people),
        proven=proven,
        heaviest=heaviest,
        residents=remember_residents(staying, residents, began_ns),
    )


def _is_poster(visit: VisitRecord) -> bool:
    """Whether this face is a poster or a mannequin."""
    if visit.drift is not None:
        return visit.drift < _DRIFT
    return visit.arrival is None and visit.moved < _STILL


def _find_different(visits: Sequence[VisitRecord], width_px: float) -> BoolArray:
    """Which pairs of visits cannot be one person; (N, N), symmetric. `visits` are ordered by their beginning."""
    count = len(visits)
    index = {visit.number: row for row, visit in enumerate(visits)}
    differ = np.zeros((count, count), np.bool_)
    for row, visit in enumerate(visits):
        for number in visit.beside:
            if number in index:
                differ[row, index[number]] = True
    began, ended = (
        np.array([_floor_position(place, width_px) for place in places]).reshape(-1, 2)
        for places in ([visit.began for visit in visits], [visit.ended for visit in visits])
    )
    away_s = (
        np.array([v.began_ns for v in visits], np.float64)[None] - np.array([v.ended_ns for v in visits])[:, None]
    ) / NS
    apart_m = np.hypot(*(ended[:, None] - began[None]).transpose(2, 0, 1))
    error_m = _ERROR_M + _ERROR * np.maximum(ended[:, None, 1], began[None, :, 1])
    after = away_s >= 0
    away_s = np.where(ended[:, None, 1] + error_m < began[None, :, 1], away_s - _TURN_S, away_s)
    differ |= after & (apart_m - error_m > _SPEED * away_s)
    differ |= differ.T
    return differ


def _floor_position(place: Place, width_px: float) -> tuple[float, float]:
    """Position on the floor, for a face of usual size: metres to the side, metres from the camera."""
    scale = _FACE_M / max(place.size, 1.0)
    return (place.x - width_px / 2) * scale, _FOCAL * width_px * scale


def _group_visits(visits: Sequence[VisitRecord], differ: BoolArray) -> list[list[int]]:
    """Groups visits into possible people, as lists of rows.

    A visit without a seen arrival joins the nearest group that it is not proven different from.
    """
    groups: list[list[int]] = []
    for row, visit in enumerate(visits):
        able = [] if visit.arrival else [group for group in groups if not differ[row, group].any()]
        if able:
            min(able, key=lambda group: far_apart(visits[group[-1]].ended, visits[row].began)).append(row)
        else:
            groups.append([row])
    return groups


def _person(visits: Sequence[VisitRecord], stays: Place | None) -> Person:
    seconds = sum(visit.seconds for visit in visits)
    return Person(
        visits=tuple(visit.number for visit in visits),
        seconds=seconds,
        valence=sum(visit.seconds * visit.valence for visit in visits) / seconds,
        arousal=sum(visit.seconds * visit.arousal for visit in visits) / seconds,
        stays=stays,
    )


def _count_different(differ: BoolArray) -> int:
    """Lower bound of the largest set in which all differ from each other: the best greedy result over all starts."""
    best = min(len(differ), 1)
    for row in np.argsort(-differ.sum(axis=1), kind="stable"):
        able, size = np.flatnonzero(differ[row]), 1
        while size + len(able) > best and len(able):
            most = int(np.argmax(differ[np.ix_(able, able)].sum(axis=1)))
            able, size = able[differ[able[most], able]], size + 1
        best = max(best, size)
    return best


def _heaviest_share(differ: BoolArray, weights: NDArray[np.float64]) -> float:
    """Upper bound of one person's share: the heaviest sequence in which no visit is proven to differ from the next.

    Visits are ordered by their beginning, so the method of weighted interval scheduling applies.
    """
    best = np.zeros(len(weights))
    for row, weight in enumerate(weights):
        best[row] = weight + np.max(best[:row], where=~differ[row, :row], initial=0.0)
    return float(best.max(initial=0.0)) if len(weights) else 1.0
