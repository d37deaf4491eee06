"""Following faces from frame to frame by where they are and how large, never by who they are.

Owns the tracks in view. A Kalman filter predicts the place and size of each face. A face in a new frame belongs to the
track that it fits best, if it lies where that one can have got to. When a face is lost for longer than `max_missed_s`
its track ends, and the same person returning is a new track.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge.clock import NS
from edge.geometry import roll_radians
from edge.values import Detection, Track

# Standard deviations and distances in face sizes, times in seconds; chosen on drawn crowds and on real walks in a
# street (docs/tracker.md).
_PLACE_ERROR = 0.08  # of the detector's centre; 0.014 was measured, turning heads need more
_SIZE_ERROR = 0.065  # of the logarithm of its size
_FIRST_SPEED = 2.5  # of a face that was seen once
_PUSH = 1.8  # change of velocity within a second
_GROWTH = 0.25  # change of the logarithm of the size within a second
_COAST_S = 4.0  # an unseen face is expected to slow down in this time
_GATE = 4.0  # farthest from the expected place and size, standard deviations of the difference
_MAX_SHIFT, _ROAM = 1.2, 1.0  # and in face sizes, and how much more for each second unseen
_MAX_GROWTH = 0.6  # and as |ln ratio|
_YOUNG = 2.5  # how much worse a face in the making fits than a track, squared standard deviations
_WEAK, _CLEAR = 2.0, 0.7  # and a face whose score is below `_CLEAR`
_DOUBT, _SURE = 0.55, 0.6  # a face becomes a track when what its scores have above `_DOUBT` adds up to `_SURE`
_MAKING_S = 0.45  # and may be unseen so long before that
_SAME_SHIFT = 0.6  # two faces nearer to each other are one face found twice

_Place = tuple[float, float, float]  # x, y, size; pixels


class _Forecast(NamedTuple):
    """Where a face is expected at a time: pixels, and variances in face sizes."""

    x: float
    y: float
    pp: float  # of the place
    pv: float  # of place with velocity
    vv: float  # of the velocity
    ss: float  # of the logarithm of the size


class Expected(NamedTuple):
    """Where a face should be by now.

    Attributes:
        x, y: its middle, pixels of the frame.
        size_px: its size.
        roll: its tilt, radians.
        steady: its motion is known, and it is not lost.
    """

    x: float
    y: float
    size_px: float
    roll: float
    steady: bool


@dataclass(slots=True, kw_only=True)
class _Follow:
    """A track, or a face in the making, whose id is 0; the tracker's own mutable record."""

    id: int = 0
    detection: Detection
    begun_ns: int
    seen_ns: int
    x: float  # smoothed place and size, pixels
    y: float
    size: float
    vx: float = 0.0  # pixels a second
    vy: float = 0.0
    pp: float = _PLACE_ERROR**2  # variances, as `_Forecast` has them
    pv: float = 0.0
    vv: float = _FIRST_SPEED**2
    ss: float = _SIZE_ERROR**2
    sure: float  # sum of the scores above `_DOUBT`
    missed: int = 0

    def expect(self, now_ns: int) -> _Forecast:
        elapsed = (now_ns - self.seen_ns) / NS
        go = _COAST_S * (1 - math.exp(-elapsed / _COAST_S))
        push = _PUSH * _PUSH * elapsed
        return _Forecast(
            self.x + self.vx * go,
            self.y + self.vy * go,
            self.pp + go * (2 * self.pv + go * self.vv) + push * elapsed * elapsed / 3,
            self.pv + go * self.vv + push * elapsed / 2,
            self.vv + push,
            self.ss + _GROWTH * _GROWTH * elapsed,
        )

    def sight(self, detection: Detection, place: _Place, expected: _Forecast, now_ns: int) -> None:
        """Moves on to a new sighting."""
        x, y, size = place
        there_x, there_y, pp, pv, vv, ss = expected
        place_gain, speed_gain = pp / (pp + _PLACE_ERROR * _PLACE_ERROR), pv / (pp + _PLACE_ERROR * _PLACE_ERROR)
        size_gain = ss / (ss + _SIZE_ERROR * _SIZE_ERROR)
        off_x, off_y = x - there_x, y - there_y
        self.x, self.y = there_x + place_gain * off_x, there_y + place_gain * off_y
        self.vx, self.vy = self.vx + speed_gain * off_x, self.vy + speed_gain * off_y
        self.size *= (size / self.size) ** size_gain
        self.pp, self.pv, self.vv = pp * (1 - place_gain), pv * (1 - place_gain), vv - speed_gain * pv
        self.ss = ss * (1 - size_gain)
        self.detection, self.seen_ns, self.missed = detection, now_ns, 0
        self.sure += detection.score - _DOUBT


class Tracker:
    """Predicts, associates, spawns and prunes.

    Args:
        confirm_s: how long a face is seen before it becomes a track, seconds; less than two searches in a row are
            apart. It is seen twice at least, more often if the detector is not sure: a flicker so gets no id.
        max_missed_s: how long a face may be out of sight before its track ends, seconds.
    """

    def __init__(self, *, confirm_s: float = 0.045, max_missed_s: float = 1.5) -> None:
        self._confirm_ns = round(confirm_s * NS)
        self._max_missed_ns = round(max_missed_s * NS)
        self._follows: list[_Follow] = []
        self._last_id = 0

    def expected(self, now_ns: int) -> list[Expected]:
        """Where each face is expected now, those in the making included."""
        places = []
        for follow in self._follows:
            there, roll = follow.expect(now_ns), roll_radians(follow.detection.landmarks_px)
            steady = follow.seen_ns > follow.begun_ns and not follow.missed
            places.append(Expected(there.x, there.y, follow.size, roll, steady))
        return places

    def update(
        self, detections: Sequence[Detection], captured_ns: int, looked_for: Collection[int] | None = None
    ) -> list[Track]:
        """Takes the detections of the next frame.

        Args:
            detections: in pixels of the frame.
            captured_ns: of the frame, not before the last one's.
            looked_for: which of the faces of `expected` would have been found, by index; None for all. The others are
                taken to move on as before.

        Returns:
            Every confirmed track, those not found where they were looked for with `missed` > 0; ordered by id.
        """
        expected = [follow.expect(captured_ns) for follow in self._follows]
        places = [(*detection.center_px, max(detection.size_px, 1.0)) for detection in detections]
        pairs = self._associate(detections, places, expected, captured_ns)
        for row, follow in enumerate(self._follows):
            if (column := pairs.get(row)) is not None:
                follow.sight(detections[column], places[column], expected[row], captured_ns)
                self._confirm(follow)
            elif looked_for is None or row in looked_for:
                follow.missed += 1
        self._prune(captured_ns)
        if len(pairs) < len(detections):
            self._spawn(detections, places, set(pairs.values()), captured_ns)
        return self.tracks(captured_ns)

    def coast(self, captured_ns: int) -> list[Track]:
        """Takes a frame in which faces were not searched for: each is taken to move on as before.

        Args:
            captured_ns: of the frame, not before the last one's.

        Returns:
            As `update`; a face that the last search found has `missed` 0 and is where its motion carried it.
        """
        self._prune(captured_ns)
        return self.tracks(captured_ns)

    def tracks(self, now_ns: int) -> list[Track]:
        """The confirmed ones, by id: where their motion has carried them since, or where they were when lost."""
        tracks = [
            Track(
                id=follow.id,
                detection=follow.detection if follow.missed or follow.seen_ns == now_ns else _shifted(follow, now_ns),
                missed=follow.missed,
                speed=(follow.vx, follow.vy),
            )
            for follow in self._follows
            if follow.id
        ]
        return sorted(tracks, key=lambda track: track.id)

    def _associate(
        self,
        detections: Sequence[Detection],
        places: Sequence[_Place],
        expected: Sequence[_Forecast],
        now_ns: int,
    ) -> dict[int, int]:
        """Pairs follows with detections, best fit first; index of follow → index of detection."""
        costs = []
        for row, (follow, there) in enumerate(zip(self._follows, expected, strict=True)):
            there_x, there_y, size = there.x, there.y, follow.size
            place_var, size_var = there.pp + _PLACE_ERROR * _PLACE_ERROR, there.ss + _SIZE_ERROR * _SIZE_ERROR
            reach = size * min(_GATE * math.sqrt(place_var), _MAX_SHIFT + _ROAM * (now_ns - follow.seen_ns) / NS)
            for column, (x, y, other) in enumerate(places):
                # Most pairs are far apart: said first, since it is asked of every face and every other one.
                if not -reach < (off_x := x - there_x) < reach or not -reach < (off_y := y - there_y) < reach:
                    continue
                growth = math.log(other / size)
                fit = (off_x * off_x + off_y * off_y) / (size * size * place_var) + growth * growth / size_var
                if fit <= _GATE * _GATE and abs(growth) <= _MAX_GROWTH:
                    # Twice the negative logarithm of a likelihood: who may be anywhere fits nowhere well.
                    cost = fit + 2 * math.log(place_var) + math.log(size_var)
                    cost += (0.0 if follow.id else _YOUNG) + (_WEAK if detections[column].score < _CLEAR else 0.0)
                    costs.append((cost, row, column))
        pairs: dict[int, int] = {}
        taken: set[int] = set()
        for _, row, column in sorted(costs):
            if row not in pairs and column not in taken:
                pairs[row] = column
                taken.add(column)
        return pairs

    def _confirm(self, follow: _Follow) -> None:
        if not follow.id and follow.sure >= _SURE and follow.seen_ns - follow.begun_ns >= self._confirm_ns:
            self._last_id += 1
            follow.id = self._last_id

    def _prune(self, now_ns: int) -> None:
        track_ns, making_ns = now_ns - self._max_missed_ns, now_ns - round(_MAKING_S * NS)
        self._follows = [follow for follow in self._follows if follow.seen_ns >= (track_ns if follow.id else making_ns)]

    def _spawn(self, detections: Sequence[Detection], places: Sequence[_Place], taken: set[int], now_ns: int) -> None:
        """Begins to follow the faces that belong to no track and are none that was found twice."""
        here = [follow for follow in self._follows if follow.id and not follow.missed]
        for column, (detection, (x, y, size)) in enumerate(zip(detections, places, strict=True)):
            if column in taken or any(
                math.hypot(follow.x - x, follow.y - y) < _SAME_SHIFT * max(follow.size, size) for follow in here
            ):
                continue
            self._follows.append(
                _Follow(
                    detection=detection,
                    begun_ns=now_ns,
                    seen_ns=now_ns,
                    x=x,
                    y=y,
                    size=size,
                    sure=detection.score - _DOUBT,
                )
            )


def _shifted(follow: _Follow, now_ns: int) -> Detection:
    """The face as it was seen last, where its motion has carried it."""
    detection, there = follow.detection, follow.expect(now_ns)
    x, y = detection.center_px
    dx, dy = there.x - x, there.y - y
    x1, y1, x2, y2 = detection.box_px
    return Detection(
        box_px=(x1 + dx, y1 + dy, x2 + dx, y2 + dy),
        score=detection.score,
        landmarks_px=detection.landmarks_px + np.array([dx, dy], np.float32),
    )


def seen(tracks: Sequence[Track]) -> list[Track]:
    """The tracks whose face is in this very frame."""
    return [track for track in tracks if not track.missed]
