"""Who is looked at in a frame: whether faces are searched for, and which of those in view are scored.

Owns the last try of each track on the time grid, and the answer to overload. Scores are due once in each step of the
grid, so by default faces are searched for in the frame in which they are, and the frames in between are left alone. A
frame's work has a budget; when all faces at full cadence need more, faces are first searched for less often, then each
is scored less often, in turn, and last the newest are left out. What is not scored is counted, never made up. Where
time does not pass while frames are worked on (a file), nothing is ever left out. See docs/overload.md.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from edge.clock import NS
from edge.values import LoadState, Track

log = logging.getLogger(__name__)

_BUDGET = 0.8  # of a grid step, or of the camera's period where that is longer: what one frame's work may take
_CALM = 0.75  # of the budget: only what fits into this much leads back
_CALM_S = 5.0  # and only when it did for so long
_SERVED = 0.8  # of `reset_s`: so soon each face must have its turn again, or its stream would begin anew
_ENOUGH = 3  # times that something was met before its cost is believed
_SPACING = (0, 2, 3, 4, 4, 4)  # by rung, grid steps between two searches; 0: as often as is configured
_STEPS, _FACES = 4, 5  # rungs from which on faces take turns, and the newest get none
_LEVELS = ("normal", "detector", "detector", "detector", "steps", "faces")
_MEANING = {
    "normal": "every face is scored at every step again",
    "detector": "faces are searched for less often and followed in between",
    "steps": "faces take turns being scored",
    "faces": "faces take turns being scored, and the newest are not scored",
}


@dataclass(slots=True, eq=False)
class _Cost:
    """What something takes: the median of the last few times, which one hiccup of the system does not move."""

    last: deque[int] = field(default_factory=lambda: deque(maxlen=9))
    ns: float = 0.0

    @property
    def known(self) -> bool:
        """Whether it was met often enough: the first run of a graph may take much longer than the others."""
        return len(self.last) >= _ENOUGH

    def add(self, ns: float) -> None:
        self.last.append(int(ns))
        self.ns = float(median(self.last))


class Schedule:
    """Decides frame by frame: `begin`, `searches`, then `searched` if so; unless it `rests`, `choose`, `scored`, `end`.

    Args:
        step_s: the bundle's time grid, seconds.
        reset_s: the longest a face may go without a step before its stream begins anew, seconds.
        frame_s: the camera's period, seconds.
        detect_every: `step`: faces are searched for in the first frame of each grid step. A number: in every n-th
            frame, and followed by their motion in between.
        now_ns: monotonic time, for the load; None where time stands still meanwhile, and nothing is left out.
    """

    def __init__(
        self,
        *,
        step_s: float,
        reset_s: float,
        frame_s: float = 0.0,
        detect_every: int | Literal["step"] = "step",
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        self._step_ns = round(step_s * NS)
        self._reset_ns = round(reset_s * NS)
        self._unit_ns = max(self._step_ns, round(frame_s * NS))  # so often each face can have a look
        self._budget_ns = _BUDGET * self._unit_ns
        self._on_step = detect_every == "step"
        self._detect_every = 1 if detect_every == "step" else detect_every
        # Between two searches when nothing is overloaded.
        self._usual_ns = self._step_ns if self._on_step else self._detect_every * frame_s * NS
        self._now_ns = now_ns
        self._tried: dict[int, int] = {}  # by track, the grid step last looked at
        self._waits: dict[int, int] = {}  # by track, the grid step in which it was last put off
        self._skipped = 0
        self._frames = 0  # since the last search
        self._slot = 0
        self._searched_ns: int | None = None
        self._searched_slot: int | None = None
        self._chosen_slot: int | None = None
        self._looked_ns: int | None = None
        self._faces = 0
        self._search, self._face, self._rest, self._period = _Cost(), _Cost(), _Cost(), _Cost()
        self._begun_ns = self._mark_ns = self._spent_ns = 0
        self._this_search = False
        self._rung = 0
        self._room = 0  # on the last rung, how many faces are scored at all
        self._calm_ns: int | None = None

    @property
    def load(self) -> LoadState:
        """How the device copes; `demand` None where it cannot be told."""
        demand = None
        if self._now_ns is not None:
            demand = self._work_ns(0, self._faces) / self._unit_ns
        return LoadState(level=_LEVELS[self._rung], demand=demand, skipped=self._skipped)

    @property
    def tracks(self) -> int:
        """How many tracks are remembered."""
        return len(self._tried.keys() | self._waits.keys())

    def begin(self, captured_ns: int, slot: int) -> None:
        """The work on a frame begins.

        Args:
            captured_ns: of the frame.
            slot: number of the grid step that it belongs to.
        """
        self._slot = slot
        if self._looked_ns is not None:
            self._period.add(captured_ns - self._looked_ns)
        self._looked_ns = captured_ns
        self._spent_ns = 0
        if self._now_ns is not None:
            self._begun_ns = self._mark_ns = self._now_ns()

    def searches(self, captured_ns: int, *, unsettled: bool = False) -> bool:
        """Whether faces are to be searched for in this frame; else their tracks coast.

        Args:
            captured_ns: of the frame.
            unsettled: somebody waits for a search: seen a moment ago and not in the last one, or not yet a track.
        """
        self._frames += 1
        if self._searched_ns is None:
            wanted = True
        elif self._on_step and not self._rung:
            wanted = self._searched_slot != self._slot or unsettled
        else:
            # A quarter of a step of grace: a camera's jitter must not cost a whole frame.
            rested = captured_ns - self._searched_ns >= (_SPACING[self._rung] - 0.25) * self._step_ns
            wanted = self._frames >= self._detect_every and rested
        self._this_search = wanted
        return wanted

    @property
    def rests(self) -> bool:
        """Whether nothing is to be done in this frame: no search, and no face is due that was not looked at."""
        return self._on_step and not self._this_search and self._chosen_slot == self._slot and not self._waits

    @property
    def done(self) -> bool:
        """Whether this grid step had its search and all its looks, and no later frame of it is needed for more."""
        return self._on_step and not self._rung and self._searched_slot == self._slot and not self._waits

    def searched(self, captured_ns: int) -> None:
        """They have been."""
        self._frames, self._searched_ns, self._searched_slot = 0, captured_ns, self._slot
        spent_ns = self._lap()
        self._spent_ns += spent_ns
        self._search.add(spent_ns)

    def choose(self, tracks: Sequence[Track]) -> list[Track]:
        """Which faces are looked at now: those that were not yet in this grid step, as many as there is time for.

        Args:
            tracks: the faces in view, by ascending id.

        Returns:
            In the order of `tracks`. Whoever waits longest comes first.
        """
        slot = self._chosen_slot = self._slot
        self._faces = len(tracks)
        due = [track for track in tracks if self._tried.get(track.id) != slot]
        taken = due
        if self._now_ns is not None and not self._face.known:
            taken = due[:1]  # a crowd in the first frame must not find the device unprepared
        elif self._rung >= _STEPS:
            kept = {track.id for track in (tracks if self._rung < _FACES else tracks[: self._room])}
            order = sorted(due, key=lambda track: (track.id not in kept, self._tried.get(track.id, -1), track.id))
            turns = {track.id for track in order[: self._turns()] if track.id in kept}
            taken = [track for track in due if track.id in turns]
        chosen = {track.id for track in taken}
        for track in due:
            waited = self._waits.pop(track.id, slot)
            self._skipped += waited != slot  # the step in which it was put off passed
            if track.id in chosen:
                self._tried[track.id] = slot
            else:
                self._waits[track.id] = slot
        self._lap()
        return taken

    def scored(self, faces: int) -> None:
        """That many faces have been looked at, whatever became of them."""
        spent_ns = self._lap()
        self._spent_ns += spent_ns
        if faces:
            self._face.add(spent_ns / faces)

    def end(self) -> None:
        """The work on the frame is done; looks whether the next ones need another cadence."""
        if self._now_ns is None:
            return
        now_ns = self._now_ns()
        self._rest.add(now_ns - self._begun_ns - self._spent_ns)
        if not self._search.known:
            return
        need, calm = self._need(1.0), self._need(_CALM)
        if need > self._rung:
            self._move(need)
        elif calm >= self._rung and need < _FACES:
            self._calm_ns = None
        elif self._calm_ns is None:
            self._calm_ns = now_ns
        elif now_ns - self._calm_ns >= _CALM_S * NS:
            self._move(calm)
        if self._rung == _FACES:
            self._room = min(self._room, self._served(1.0))

    def forget(self, living: Collection[int]) -> list[int]:
        """Drops what is remembered of tracks that ended; returns their ids."""
        gone = [track_id for track_id in self._tried.keys() | self._waits.keys() if track_id not in living]
        for track_id in gone:
            self._tried.pop(track_id, None)
            self._skipped += self._waits.pop(track_id, None) is not None
        return gone

    def _lap(self) -> int:
        """Nanoseconds since the last mark, and a new mark."""
        if self._now_ns is None:
            return 0
        before_ns, self._mark_ns = self._mark_ns, self._now_ns()
        return self._mark_ns - before_ns

    def _work_ns(self, rung: int, faces: int) -> float:
        """What the work of a grid step takes: every face once, and its share of a search."""
        between_ns = max(_SPACING[rung] * self._step_ns, self._usual_ns, self._unit_ns)
        return self._rest.ns + self._search.ns * self._unit_ns / between_ns + faces * self._face.ns

    def _turns(self) -> int:
        """How many faces this frame has time for; never none, or nobody would be scored on a slow device."""
        left_ns = self._budget_ns - self._rest.ns - (self._search.ns if self._this_search else 0)
        return max(1, int(left_ns // max(self._face.ns, 1.0)))

    def _served(self, share: float) -> int:
        """How many faces get their turn soon enough to keep their streams, in that share of the time."""
        face_ns = max(self._face.ns, 1.0)
        free = 1 - self._search.ns / (_SPACING[_FACES] * self._step_ns) - self._rest.ns / self._budget_ns
        a_second = max(free / face_ns, 1 / (self._search.ns + face_ns + self._rest.ns))
        if self._period.ns:
            a_second = min(a_second, max(1, (self._budget_ns - self._rest.ns) // face_ns) / self._period.ns)
        return max(1, int(share * _SERVED * self._reset_ns * a_second))

    def _need(self, share: float) -> int:
        """The first rung on which the faces in view fit into that share of the budget."""
        for rung in range(_STEPS):
            if self._work_ns(rung, self._faces) <= share * self._budget_ns:
                return rung
        return _STEPS if self._faces <= self._served(share) else _FACES

    def _move(self, rung: int) -> None:
        before, level = _LEVELS[self._rung], _LEVELS[rung]
        self._rung, self._calm_ns = rung, None
        self._room = self._served(1.0)
        if level != before:
            demand = 100 * self._work_ns(0, self._faces) / self._unit_ns
            heavier = _LEVELS.index(level) > _LEVELS.index(before)
            log.log(
                logging.WARNING if heavier else logging.INFO,
                "load: %d faces in view need %.0f%% of the time; %s",
                self._faces,
                demand,
                _MEANING[level],
            )
