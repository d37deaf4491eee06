"""Whether a window may be released: for how many people it speaks at least, and how much one of them can weigh.

Nobody is recognized, so two visits may always be one person who came back, unless something proves them different.
Proof is what one body cannot do: be in view twice at once, or be in two places too far apart for the time between.
Everything here counts from below:

- A face that does not move (poster, mannequin) takes no part, nor does one that stays for many windows (staff).
- A visit that began in the middle of the picture is somebody who was there before: it is given to a possible person
  who could have made it. So a possible person begins with an arrival or with a proof.
- Only possible people proven different from another one count: whoever was never seen beside another could always be
  the same person.

A window is released when three things hold. At least `min_people` possible people count. At least `min_proven` of them
are proven different from each other, all of them: fewer people can never have made the window. And one person who came
back as often as any person could would still weigh at most `max_share`.

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

_FACE_M = 0.18  # width of the detector's box on a grown-up, metres
_FOCAL = 0.5  # of a lens of 90 degrees, in picture widths; a narrower lens makes distances larger than taken here
_SPEED = 2.0  # metres a second: faster than people walk
_TURN_S = 1.0  # to turn away and back, for whoever went away from the camera and faces it again
_SLACK_M, _SLACK = 1.0, 0.15  # errors of a place: metres, and a share of its distance from the camera
_STILL = 0.12  # face sizes: who was first seen in mid-picture and moved less is taken for a poster
_DRIFT = 0.02  # face sizes: no living head holds its mean place so well from one half minute to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a window may be released.

    Attributes:
        min_people: possible people that have to count; 3 or more.
        min_observed_s: scored seconds from which a visit counts.
        max_share: the most that one person may weigh who came back as often as possible.
    """

    min_people: int = 10
    min_observed_s: float = 2.0
    max_share: float = 0.5

    @property
    def min_proven(self) -> int:
        """People that have to be proven different from each other."""
        return max(3, math.ceil(0.4 * self.min_people))


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A possible person: visits that one person could have made.

    Attributes:
        visits: their numbers.
        seconds: scored in all of them.
        valence, arousal: means over these seconds.
        stays: where, for somebody who did not arrive in this window; else None.
    """

    visits: tuple[int, ...]
    seconds: float
    valence: float
    arousal: float
    stays: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What may be released of a window.

    Attributes:
        released: whether its scores may leave; else there are too few people.
        people: the possible people who count, released or not; all weigh the same.
        alone: the others: possible people who were never proven different from anybody.
        proven: how many different people there were for certain.
        heaviest: the most that one person can weigh who came back as often as any person could, 0 to 1.
        residents: who stays, for the next window.
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
        visits: all of this window, in any order.
        rule: what has to hold.
        width_px: of the frame.
        began_ns: when the window began.
        residents: as the window before left them.
    """
    moving = [visit for visit in visits if visit.seconds >= rule.min_observed_s - 1e-6 and not _still(visit)]
    moving.sort(key=lambda visit: (visit.began_ns, visit.number))
    differ = _differ(moving, width_px)
    groups = _link(moving, differ)
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
    proven = _most_different(differ[np.ix_(rows, rows)])
    heaviest = _heaviest_chain(differ[np.ix_(rows, rows)], weights[rows])
    people = tuple(person for _, person in counting)
    return Decision(
        released=len(people) >= rule.min_people and proven >= rule.min_proven and heaviest <= rule.max_share + 1e-9,
        people=people,
        alone=tuple(person for _, person in passing if person not in people),
        proven=proven,
        heaviest=heaviest,
        residents=remember_residents(staying, residents, began_ns),
    )


def _still(visit: VisitRecord) -> bool:
    """Whether this is a face that nobody wears."""
    if visit.drift is not None:
        return visit.drift < _DRIFT
    return visit.arrival is None and visit.moved < _STILL


def _differ(visits: Sequence[VisitRecord], width_px: float) -> BoolArray:
    """Which pairs of visits, in order of their beginning, one person cannot have made; (N, N), symmetric."""
    count = len(visits)
    index = {visit.number: row for row, visit in enumerate(visits)}
    differ = np.zeros((count, count), np.bool_)
    for row, visit in enumerate(visits):
        for number in visit.beside:
            if number in index:
                differ[row, index[number]] = True
    began, ended = (
        np.array([_floor(place, width_px) for place in places]).reshape(-1, 2)
        for places in ([visit.began for visit in visits], [visit.ended for visit in visits])
    )
    away_s = (
        np.array([v.began_ns for v in visits], np.float64)[None] - np.array([v.ended_ns for v in visits])[:, None]
    ) / NS
    apart_m = np.hypot(*(ended[:, None] - began[None]).transpose(2, 0, 1))
    slack = _SLACK_M + _SLACK * np.maximum(ended[:, None, 1], began[None, :, 1])
    after = away_s >= 0
    away_s = np.where(ended[:, None, 1] + slack < began[None, :, 1], away_s - _TURN_S, away_s)
    differ |= after & (apart_m - slack > _SPEED * away_s)
    differ |= differ.T
    return differ


def _floor(place: Place, width_px: float) -> tuple[float, float]:
    """Where on the floor a face of usual size is: metres to the side, metres from the camera."""
    scale = _FACE_M / max(place.size, 1.0)
    return (place.x - width_px / 2) * scale, _FOCAL * width_px * scale


def _link(visits: Sequence[VisitRecord], differ: BoolArray) -> list[list[int]]:
    """Possible people: rows of visits. Whoever did not arrive is the nearest one who can have gone on there."""
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


def _most_different(differ: BoolArray) -> int:
    """A lower bound of the largest set in which all differ from each other: the best of one greedy try from each."""
    best = min(len(differ), 1)
    for row in np.argsort(-differ.sum(axis=1), kind="stable"):
        able, size = np.flatnonzero(differ[row]), 1
        while size + len(able) > best and len(able):
            most = int(np.argmax(differ[np.ix_(able, able)].sum(axis=1)))
            able, size = able[differ[able[most], able]], size + 1
        best = max(best, size)
    return best


def _heaviest_chain(differ: BoolArray, weights: NDArray[np.float64]) -> float:
    """An upper bound of one person's share: the heaviest row of visits in which none differs from the next.

    Visits are in order of their beginning, so this is weighted interval scheduling.
    """
    best = np.zeros(len(weights))
    for row, weight in enumerate(weights):
        best[row] = weight + np.max(best[:row], where=~differ[row, :row], initial=0.0)
    return float(best.max(initial=0.0)) if len(weights) else 1.0
