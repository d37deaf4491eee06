"""Which frames are worked on, whether faces are searched for in them, and which faces are scored.

Scores are due once in each step of the model's time grid, so one frame a step is worked on. A live device also has a
budget for it. When the faces in view need more, it does less, in two steps: first faces are searched for half as often
and followed in between; then they take turns being scored. Where time stands still while a frame is worked on (a
file), nothing is left out. See docs/overload.md.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from edge.clock import NS, grid_step
from edge.contract import MAX_DEMAND, Level, Load, rounded
from edge.values import Track

log = logging.getLogger(__name__)

_BUDGET = 0.8  # of a grid step, or of the camera's period where that is longer: what the work on a frame may take
_CALM = 0.75  # of the budget: what fits into this share for `_CALM_S` leads back
_CALM_S = 5.0
_IN_TIME = 0.8  # of `reset_s`: so soon each face must have its turn again, or its stream would begin anew
_SAMPLES = 3  # of a cost before it is believed
_LEVELS: Final[tuple[Level, ...]] = ("normal", "detector", "faces")
_MEANING = {
    "normal": "every face is scored at every step again",
    "detector": "faces are searched for half as often and followed in between",
    "faces": "faces take turns being scored",
}


def one_frame_a_step(step_s: float) -> Callable[[int, int | None], bool]:
    """For a camera: whether a frame is worth decoding, by its time and that of the last one that was; nanoseconds."""
    step_ns = round(step_s * NS)

    def wanted(captured_ns: int, last_ns: int | None) -> bool:
        return last_ns is None or grid_step(captured_ns, step_ns) != grid_step(last_ns, step_ns)

    return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done with one frame.

    Attributes:
        step: number of the frame's grid step.
        work: False: nothing, since the step had its frame.
        search: faces are searched for; else they are taken to move on as before.
        room: how many faces there is time to score; None: all.
        served: how many faces take turns, the oldest tracks first; None: all.
        scored: step in which a track was last scored, by its id.
    """

    step: int
    work: bool = True
    search: bool = True
    room: int | None = None
    served: int | None = None
    scored: Mapping[int, int] = field(default_factory=dict)

    def due(self, tracks: Sequence[Track]) -> list[Track]:
        """Those of the tracks in view, by ascending id, that are to be scored; the longest wait comes first."""
        due = [track for track in tracks[: self.served] if self.scored.get(track.id) != self.step]
        if self.room is None or len(due) <= self.room:
            return due
        waiting = sorted(due, key=lambda track: self.scored.get(track.id, -1))
        return sorted(waiting[: self.room], key=lambda track: track.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the work on one frame took.

    Attributes:
        search_ns, total_ns: on the search, and on everything, nanoseconds; 0 where time stands still meanwhile.
        faces: how many were in view.
        scored: ids of the tracks that were looked at, whether they gave a score or not.
    """

    search_ns: int
    total_ns: int
    faces: int
    scored: Sequence[int]


class _Cost:
    """The median of the last nine times, which one hiccup of the system does not move."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=9)
        self.ns = 0.0
        self.known = False

    def add(self, ns: float) -> None:
        self._last.append(ns)
        self.ns, self.known = median(self._last), len(self._last) >= _SAMPLES


class Schedule:
    """Plans each frame by what the frames before it took.

    Args:
        step_s: the bundle's time grid, seconds.
        reset_s: the longest that a face may go without a step before its stream begins anew, seconds.
        frame_s: the camera's period, seconds.
        live: whether time passes while a frame is worked on; if not, nothing is left out.
    """

    def __init__(self, *, step_s: float, reset_s: float, frame_s: float = 0.0, live: bool = False) -> None:
        self._step_ns = round(step_s * NS)
        self._reset_ns = round(reset_s * NS)
        self._unit_ns = max(self._step_ns, round(frame_s * NS))  # so often a face can be scored
        self._budget_ns = _BUDGET * self._unit_ns
        self._live = live
        self._search, self._face = _Cost(), _Cost()
        self._scored: dict[int, int] = {}
        self._step: int | None = None  # the last one that was worked on, and the last one with a search
        self._searched: int | None = None
        self._faces = self._skipped = self._level = 0
        self._calm_ns: int | None = None  # since when a lower level would do

    @property
    def load(self) -> Load:
        """How the device copes."""
        demand = rounded(min(self._work_ns(1) / self._unit_ns, MAX_DEMAND)) if self._live else None
        return Load(level=_LEVELS[self._level], demand=demand, skipped=self._skipped)

    def plan(self, now_ns: int) -> Plan:
        """What to do with a frame that was captured at `now_ns`; changes nothing."""
        step = grid_step(now_ns, self._step_ns)
        if step == self._step:
            return Plan(step=step, work=False, search=False, room=0)
        rested_ns = (step - self._searched) * self._step_ns if self._searched is not None else None
        search = not self._level or rested_ns is None or rested_ns >= self._spacing * self._unit_ns
        room = served = None
        if self._live and not self._face.known:
            room = 1  # a crowd in the first frame must not find the device unprepared
        elif _LEVELS[self._level] == "faces":
            room, served = self._room(search), self._served
        return Plan(step=step, search=search, room=room, served=served, scored=self._scored)

    def done(self, plan: Plan, spent: Spent, now_ns: int) -> None:
        """Notes that a frame was worked on. Of one that failed nothing is noted, and the next is planned like it.

        Args:
            plan: its plan.
            spent: what it took.
            now_ns: monotonic.
        """
        self._step, self._faces = plan.step, spent.faces
        oldest = plan.step - self._reset_ns // self._step_ns
        kept = {track_id: step for track_id, step in self._scored.items() if step >= oldest}
        self._scored = kept | dict.fromkeys(spent.scored, plan.step)
        if plan.search:
            self._searched = plan.step
            self._search.add(spent.search_ns)
        if spent.scored:
            self._face.add((spent.total_ns - spent.search_ns) / len(spent.scored))
        if self._live:
            # Those that had to wait, and all of them in each step that went by meanwhile.
            self._skipped += spent.faces - len(spent.scored) + spent.faces * (spent.total_ns // self._unit_ns)
            self._choose_level(now_ns)

    @property
    def _spacing(self) -> int:
        """Under load, so many units between two searches: two, or as many as leave half of the time for faces."""
        return max(2, math.ceil(2 * self._search.ns / self._unit_ns))

    def _work_ns(self, spacing: int) -> float:
        """What a unit's work takes: every face once, and its share of a search."""
        return self._search.ns / spacing + self._faces * self._face.ns

    def _room(self, search: bool) -> int:
        """How many faces a frame has time for; never none, or nobody would be scored on a slow device."""
        return max(1, int((self._budget_ns - self._search.ns * search) // max(self._face.ns, 1.0)))

    @property
    def _served(self) -> int:
        """How many faces get their turn again before their streams begin anew."""
        busy = math.ceil((self._search.ns + self._room(True) * self._face.ns) / self._unit_ns)
        others = max(self._spacing - busy, 0) / max(1, math.ceil(self._face.ns / self._unit_ns))
        turns = (self._room(True) + others * self._room(False)) / max(self._spacing, busy)
        return max(1, int(_IN_TIME * turns * self._reset_ns / self._unit_ns))

    def _needed(self, share: float) -> int:
        """The lowest level at which the faces in view fit into that share of the budget."""
        most_ns = share * self._budget_ns
        return 0 if self._work_ns(1) <= most_ns else 1 if self._work_ns(self._spacing) <= most_ns else 2

    def _choose_level(self, now_ns: int) -> None:
        """Up at once, since costs are medians; down when all would have fitted with some reserve for a while."""
        before, calm = self._level, self._needed(_CALM)
        if self._search.known and self._needed(1.0) > before:
            self._level, self._calm_ns = self._needed(1.0), None
        elif calm >= before:
            self._calm_ns = None
        elif self._calm_ns is None:
            self._calm_ns = now_ns
        elif now_ns - self._calm_ns >= _CALM_S * NS:
            self._level, self._calm_ns = calm, None
        if self._level != before:
            log.log(
                logging.WARNING if self._level > before else logging.INFO,
                "load: %d faces in view need %.0f%% of the time; %s",
                self._faces,
                100 * self._work_ns(1) / self._unit_ns,
                _MEANING[_LEVELS[self._level]],
            )
