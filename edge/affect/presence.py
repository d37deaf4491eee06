"""What a window has to know of each visit for the release rule: how it came, how it moved, who was beside it.

Owns the records of the visits in view, and the sums of the open window. Places and sizes only; nothing here knows what
a face looks like.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, NamedTuple

from edge.affect.visits import Visit
from edge.clock import NS
from edge.values import Track

_SMOOTH_S = 0.4  # time constant of a place, seconds
_SLOW_S = 1.0  # and of the place by which a movement is told from the detector's noise
_BLOCK_NS = 30 * NS  # in which a movement is measured
_BLOCKS = 20  # of them are remembered: ten minutes
_BORDER = 0.75  # face sizes from the border: came in over it
_INSIDE = 1.0  # face sizes that it then has to move
_GROWN = 1.6  # times as large as it began: came nearer
_BESIDE_S = 0.5  # together in view for so long
_APART = 1.2  # face sizes between two faces; nearer ones may be one face found twice


class Place(NamedTuple):
    """Centre and size of a face's box, pixels."""

    x: float
    y: float
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRecord:
    """What a window knows of one visit.

    Attributes:
        number: of the visit; ascending, never used twice.
        began_ns, ended_ns: seen first, ever, and last in this window.
        seconds: scored while it was seen, in this window.
        valence, arousal: means over those seconds, -1 to 1.
        began, ended: where it was then.
        beside: numbers of visits in view together with it, clearly apart, in this window.
        arrival: `edge`, it came in over the edge of the picture; `afar`, it came nearer from a distance; None, it was
            first seen in the middle of the picture.
        moved: how far apart its places were, all its life, face sizes.
        drift: median shift of its mean place from one half minute to the next, face sizes; None for a short visit.
    """

    number: int
    began_ns: int
    ended_ns: int
    seconds: float
    valence: float
    arousal: float
    began: Place
    ended: Place
    beside: frozenset[int] = frozenset()
    arrival: Literal["edge", "afar"] | None = None
    moved: float = 1.0
    drift: float | None = None


@dataclass(slots=True, kw_only=True)
class _Path:
    """Where a visit's face went."""

    began_ns: int
    seen_ns: int
    began: Place
    place: Place  # smoothed, now
    slow: tuple[float, float]  # smoothed more
    box: tuple[float, float, float, float]  # least and most x, least and most y of `slow`
    at_border: bool
    arrival: Literal["edge", "afar"] | None = None
    block_ns: int
    block: tuple[int, float, float] = (0, 0.0, 0.0)  # sightings in this block, and the sums of their places
    before: tuple[float, float] | None = None  # the mean place in the block before
    shifts: deque[float] = field(default_factory=lambda: deque(maxlen=_BLOCKS))

    def go(self, place: Place, now_ns: int) -> None:
        """Moves on to a new sighting."""
        elapsed_s = (now_ns - self.seen_ns) / NS
        gain, slow_gain = 1 - math.exp(-elapsed_s / _SMOOTH_S), 1 - math.exp(-elapsed_s / _SLOW_S)
        x, y, size = self.place
        x, y, size = x + gain * (place.x - x), y + gain * (place.y - y), size + gain * (place.size - size)
        slow_x, slow_y = self.slow
        slow_x, slow_y = slow_x + slow_gain * (place.x - slow_x), slow_y + slow_gain * (place.y - slow_y)
        x1, x2, y1, y2 = self.box
        if not (x1 <= slow_x <= x2 and y1 <= slow_y <= y2):
            self.box = (min(x1, slow_x), max(x2, slow_x), min(y1, slow_y), max(y2, slow_y))
        self.place, self.slow, self.seen_ns = Place(x, y, size), (slow_x, slow_y), now_ns
        if self.arrival is None:
            if self.at_border and math.hypot(x - self.began.x, y - self.began.y) >= _INSIDE * self.began.size:
                self.arrival = "edge"
            elif size >= _GROWN * self.began.size:
                self.arrival = "afar"
        if now_ns - self.block_ns >= _BLOCK_NS:
            self._end_block(now_ns)
        count, sum_x, sum_y = self.block
        self.block = count + 1, sum_x + place.x, sum_y + place.y

    def _end_block(self, now_ns: int) -> None:
        count, sum_x, sum_y = self.block
        mean = sum_x / max(count, 1), sum_y / max(count, 1)
        if self.before is not None:
            self.shifts.append(math.dist(mean, self.before) / max(self.place.size, 1.0))
        self.before, self.block, self.block_ns = mean, (0, 0.0, 0.0), now_ns

    def moved(self) -> float:
        """How far it moved in its whole life, face sizes."""
        x1, x2, y1, y2 = self.box
        return math.hypot(x2 - x1, y2 - y1) / max(self.place.size, 1.0)

    def drift(self) -> float | None:
        """The median shift from one half minute's mean place to the next, face sizes; None before there are three."""
        return sorted(self.shifts)[len(self.shifts) // 2] if len(self.shifts) >= 3 else None


@dataclass(slots=True, kw_only=True)
class _Sums:
    steps: int = 0
    valence: float = 0.0
    arousal: float = 0.0


class Presence:
    """Collects the visit records of the open window.

    Args:
        step_s: the bundle's time grid; each step in which a face was scored counts so long, seconds.
    """

    def __init__(self, *, step_s: float) -> None:
        self._step_s = step_s
        self._paths: dict[int, _Path] = {}
        self._sums: dict[int, _Sums] = {}
        self._together: dict[tuple[int, int], float] = {}
        self._last_ns: int | None = None

    def observe(
        self, visits: Mapping[int, Visit], tracks: Sequence[Track], now_ns: int, frame_px: tuple[int, int]
    ) -> None:
        """Adds one frame.

        Args:
            visits: of the tracks, by track id.
            tracks: the faces seen in it.
            now_ns: of the frame.
            frame_px: its width and height.
        """
        elapsed_s = 0.0 if self._last_ns is None else min((now_ns - self._last_ns) / NS, 2 * self._step_s)
        self._last_ns = now_ns
        places = {}
        for track in tracks:
            number = visits[track.id].number
            place = places[number] = Place(*track.detection.center_px, track.detection.size_px)
            if number not in self._sums:
                self._sums[number] = _Sums()
            if (path := self._paths.get(number)) is None:
                self._paths[number] = _begin(place, now_ns, frame_px)
            else:
                path.go(place, now_ns)
        for pair in combinations(sorted(places), 2):
            seconds = self._together.get(pair, 0.0)
            if seconds < _BESIDE_S and _clear(places[pair[0]], places[pair[1]]):  # more of it says nothing new
                self._together[pair] = seconds + elapsed_s

    def score(self, number: int, valence: float, arousal: float) -> None:
        """Adds one scored step of a visit that is in view."""
        sums = self._sums[number]
        sums.steps += 1
        sums.valence += valence
        sums.arousal += arousal

    def close(self) -> list[VisitRecord]:
        """The records of the open window; the next one begins."""
        beside: dict[int, set[int]] = {number: set() for number in self._sums}
        for (one, other), seconds in self._together.items():
            if seconds >= _BESIDE_S - 1e-6:
                beside[one].add(other)
                beside[other].add(one)
        records = []
        for number, sums in self._sums.items():
            path, steps = self._paths[number], max(sums.steps, 1)
            records.append(
                VisitRecord(
                    number=number,
                    began_ns=path.began_ns,
                    ended_ns=path.seen_ns,
                    seconds=sums.steps * self._step_s,
                    valence=sums.valence / steps,
                    arousal=sums.arousal / steps,
                    began=path.began,
                    ended=path.place,
                    beside=frozenset(beside[number]),
                    arrival=path.arrival,
                    moved=path.moved(),
                    drift=path.drift(),
                )
            )
        self._paths = {number: path for number, path in self._paths.items() if number in self._sums}
        self._sums, self._together = {}, {}
        return records


def _begin(place: Place, now_ns: int, frame_px: tuple[int, int]) -> _Path:
    reach = (0.5 + _BORDER) * place.size
    width, height = frame_px
    return _Path(
        began_ns=now_ns,
        seen_ns=now_ns,
        began=place,
        place=place,
        at_border=not (reach < place.x < width - reach and reach < place.y < height - reach),
        block_ns=now_ns,
        slow=(place.x, place.y),
        box=(place.x, place.x, place.y, place.y),
    )


def _clear(one: Place, other: Place) -> bool:
    """Whether two faces in one frame are two faces for certain."""
    return math.hypot(one.x - other.x, one.y - other.y) >= _APART * max(one.size, other.size)
