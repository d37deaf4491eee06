"""Decides which frames are processed, whether and where faces are searched for, and which faces are scored.

The model needs one score in each step of its time grid, so one frame a step is processed. On a live device the work on
a frame must fit into a time budget. When the faces in view need more, the device reduces its work in two levels. At the
first, faces are searched for half as often, and tracked in between. At the second, the faces also take turns being
scored. A file is read as slowly as needed, so nothing is left out there. See docs/overload.md.
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

_BUDGET = 0.8  # what the work on a frame may take: share of a grid step, or of the camera's period if longer
_RECOVERY = 0.75  # share of the budget; the level falls after the work has fitted into it for `_RECOVERY_S`
_RECOVERY_S = 5.0
_TURN = 0.8  # share of `reset_s` within which each face is scored again; after `reset_s` its stream would be reset
_SAMPLES = 3  # measurements before a cost is used
_LEVELS: Final[tuple[Level, ...]] = ("normal", "detector", "faces")
_MEANING = {
    "normal": "every face is scored at every step",
    "detector": "faces are searched for half as often, and tracked in between",
    "faces": "faces take turns being scored",
}


def one_frame_a_step(step_s: float) -> Callable[[int, int | None], bool]:
    """A function for a camera: whether to decode a frame, from its time and the last decoded one's, nanoseconds."""
    step_ns = round(step_s * NS)

    def wanted(captured_ns: int, last_ns: int | None) -> bool:
        return last_ns is None or grid_step(captured_ns, step_ns) != grid_step(last_ns, step_ns)

    return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do with one frame.

    Attributes:
        step: number of the frame's grid step.
        work: False if nothing is to be done, since a frame of this step was already processed.
        search: whether known faces are looked for; else each is assumed to keep its speed.
        wide: whether the whole picture is searched too, for new faces.
        room: how many faces there is time to score in this frame; None for all.
        served: how many faces take turns being scored, the oldest tracks first; None for all.
        scored: the step in which each track was last scored, by track id.
    """

    step: int
    work: bool = True
    search: bool = True
    wide: bool = True
    room: int | None = None
    served: int | None = None
    scored: Mapping[int, int] = field(default_factory=dict)

    def due(self, tracks: Sequence[Track]) -> list[Track]:
        """The tracks to score, by ascending id. If not all fit, those that waited longest are chosen.

        Args:
            tracks: those in view, by ascending id.
        """
        due = [track for track in tracks[: self.served] if self.scored.get(track.id) != self.step]
        if self.room is None or len(due) <= self.room:
            return due
        waiting = sorted(due, key=lambda track: self.scored.get(track.id, -1))
        return sorted(waiting[: self.room], key=lambda track: track.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """How long the work on one frame took.

    Attributes:
        search_ns, total_ns: time of search and tracker, and of everything, nanoseconds; 0 for a file.
        faces: how many faces were in view.
        scored: ids of the tracks that had their turn, including those that gave no score.
    """

    search_ns: int
    total_ns: int
    faces: int
    scored: Sequence[int]


class _Cost:
    """The median of the last times, so that one slow frame does not change it."""

    def __init__(self, last: int = 9) -> None:
        self._last: deque[float] = deque(maxlen=last)
        self.ns = 0.0
        self.samples = 0

    def add(self, ns: float) -> None:
        self._last.append(ns)
        self.ns, self.samples = median(self._last), len(self._last)


class Schedule:
    """Plans each frame from the time that earlier frames took.

    Args:
        step_s: the model's time step, seconds.
        reset_s: after this long without a score, a face's stream is reset, seconds.
        frame_s: the camera's period, seconds.
        search_every: searches from one of the whole picture to the next.
        live: False for a file, whose frames wait; then nothing is left out.
    """

    def __init__(
        self, *, step_s: float, reset_s: float, frame_s: float = 0.0, search_every: int = 3, live: bool = False
    ) -> None:
        self._step_ns = round(step_s * NS)
        self._reset_ns = round(reset_s * NS)
        self._unit_ns = max(self._step_ns, round(frame_s * NS))  # a face can be scored once in this time
        self._budget_ns = _BUDGET * self._unit_ns
        self._live = live
        self._search_every = search_every
        self._near, self._wide, self._face = _Cost(), _Cost(3), _Cost()  # wide ones are rare
        self._scored: dict[int, int] = {}
        self._step: int | None = None  # of the last processed frame
        self._searched: int | None = None  # of the last frame in which faces were searched for
        self._searched_wide: int | None = None  # and in the whole picture
        self._faces = self._skipped = self._level = 0
        self._recovering_ns: int | None = None  # since when a lower level would suffice

    @property
    def load(self) -> Load:
        """The current level, the demand, and how many scores were left out."""
        demand = rounded(min(self._work_ns(1) / self._unit_ns, MAX_DEMAND)) if self._live else None
        return Load(level=_LEVELS[self._level], demand=demand, skipped=self._skipped)

    def plan(self, now_ns: int) -> Plan:
        """What to do with a frame captured at `now_ns`; changes no state."""
        step = grid_step(now_ns, self._step_ns)
        if step == self._step:
            return Plan(step=step, work=False, search=False, wide=False, room=0)
        spacing = self._spacing if self._level else 1
        search = spacing == 1 or self._is_due(self._searched, step, spacing)
        wide = search and self._is_due(self._searched_wide, step, spacing * self._search_every)
        room = served = None
        if self._live and self._face.samples < _SAMPLES:
            room = 1  # the cost of a face is not known yet, so a crowd in the first frame must not take too long
        elif _LEVELS[self._level] == "faces":
            room, served = self._room(self._wide.ns if wide else self._near.ns if search else 0), self._served
        return Plan(step=step, search=search, wide=wide, room=room, served=served, scored=self._scored)

    def _is_due(self, last: int | None, step: int, units: int) -> bool:
        return last is None or (step - last) * self._step_ns >= units * self._unit_ns

    def done(self, plan: Plan, spent: Spent, now_ns: int) -> None:
        """Records that a frame was processed. Not for a failed frame, so that the next one can replace it.

        Args:
            plan: the plan of the frame.
            spent: how long the work took.
            now_ns: monotonic.
        """
        self._step, self._faces = plan.step, spent.faces
        oldest = plan.step - self._reset_ns // self._step_ns
        kept = {track_id: step for track_id, step in self._scored.items() if step >= oldest}
        self._scored = kept | dict.fromkeys(spent.scored, plan.step)
        if plan.search:
            self._searched = plan.step
            self._searched_wide = plan.step if plan.wide else self._searched_wide
            (self._wide if plan.wide else self._near).add(spent.search_ns)
        if spent.scored:
            self._face.add((spent.total_ns - spent.search_ns) / len(spent.scored))
        if self._live:
            # The faces that were not scored in this frame, and all faces in each step that passed during the work.
            self._skipped += spent.faces - len(spent.scored) + spent.faces * (spent.total_ns // self._unit_ns)
            self._choose_level(now_ns)

    @property
    def _search_ns(self) -> float:
        """A search, on average."""
        return self._near.ns + (self._wide.ns - self._near.ns) / self._search_every

    @property
    def _spacing(self) -> int:
        """Units between two searches under load: two, or as many as leave half of the time for scoring."""
        return max(2, math.ceil(2 * self._search_ns / self._unit_ns))

    def _work_ns(self, spacing: int) -> float:
        """The work of one unit: scoring every face once, and 1 / `spacing` of a search."""
        return self._search_ns / spacing + self._faces * self._face.ns

    def _room(self, search_ns: float) -> int:
        """How many faces can be scored beside a search; at least one, since a slow device would never score anybody."""
        return max(1, int((self._budget_ns - search_ns) // max(self._face.ns, 1.0)))

    @property
    def _served(self) -> int:
        """How many faces can take turns without any stream being reset."""
        room = self._room(self._search_ns)
        busy = math.ceil((self._search_ns + room * self._face.ns) / self._unit_ns)
        others = max(self._spacing - busy, 0) / max(1, math.ceil(self._face.ns / self._unit_ns))
        turns = (room + others * self._room(0)) / max(self._spacing, busy)
        return max(1, int(_TURN * turns * self._reset_ns / self._unit_ns))

    def _needed(self, share: float) -> int:
        """The lowest level at which the work on the faces in view fits into this share of the budget."""
        most_ns = share * self._budget_ns
        return 0 if self._work_ns(1) <= most_ns else 1 if self._work_ns(self._spacing) <= most_ns else 2

    def _choose_level(self, now_ns: int) -> None:
        """Raises the level at once, and lowers it when the work has fitted with some reserve for `_RECOVERY_S`."""
        before, lower = self._level, self._needed(_RECOVERY)
        if self._wide.samples + self._near.samples >= _SAMPLES and self._needed(1.0) > before:
            self._level, self._recovering_ns = self._needed(1.0), None
        elif lower >= before:
            self._recovering_ns = None
        elif self._recovering_ns is None:
            self._recovering_ns = now_ns
        elif now_ns - self._recovering_ns >= _RECOVERY_S * NS:
            self._level, self._recovering_ns = lower, None
        if self._level != before:
            log.log(
                logging.WARNING if self._level > before else logging.INFO,
                "load: %d faces in view need %.0f%% of the time; %s",
                self._faces,
                100 * self._work_ns(1) / self._unit_ns,
                _MEANING[_LEVELS[self._level]],
            )
