"""Who is in the drawn scene: looks, places, movements, and scripts of valence and arousal, by time and a seed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from edge.demo.expression import Pose
from edge.demo.portrait import Look

DESIGN_WIDTH, DESIGN_HEIGHT = 640, 480  # of the picture in which places are given; others are scaled to fit
STORY_S = 40.0  # neutral, pleased, annoyed, neutral again

Beat = tuple[float, float, float]  # second, valence, arousal


class Place(NamedTuple):
    """The middle of a face in the design picture, pixels; scale; roll in radians."""

    x: float
    y: float
    scale: float
    roll: float


class Actor(NamedTuple):
    """One person's part."""

    look: Look
    x: float  # in the design picture
    y: float
    scale: float
    beats: tuple[Beat, ...]  # in order, with smooth changes; they repeat after `STORY_S`
    away: tuple[float, float] | None = None  # from and until which second the person is away, to the right


class Part:
    """An actor with one run's random speeds."""

    def __init__(self, actor: Actor, random: np.random.Generator) -> None:
        self.actor = actor
        self._start_s = float(random.uniform(0, 2))
        self._phases = random.uniform(0, 2 * math.pi, 6)
        self._rates = random.uniform(0.8, 1.25, 6)
        self._blink_every_s = float(random.uniform(3.1, 5.2))

    def expression(self, t_s: float) -> tuple[float, float]:
        """Valence and arousal of the script at a time, each −1..1."""
        beats = self.actor.beats
        now = (t_s + self._start_s) % STORY_S
        following = next((index for index, beat in enumerate(beats) if beat[0] > now), len(beats))
        before, after = beats[following - 1], beats[following % len(beats)]
        span = (after[0] - before[0]) % STORY_S or STORY_S
        share = ((now - before[0]) % STORY_S) / span
        ease = share * share * (3 - 2 * share)
        return before[1] + ease * (after[1] - before[1]), before[2] + ease * (after[2] - before[2])

    def pose(self, t_s: float) -> Pose:
        """The face's pose at a time."""
        valence, arousal = self.expression(t_s)
        beat = (t_s + self._phases[5]) % self._blink_every_s
        return Pose(
            valence=valence,
            arousal=arousal,
            blink=max(0.0, 1 - abs(beat - 0.11) / 0.11),
            gaze=(0.6 * self._wave(0, t_s, 7.0), 0.4 * self._wave(1, t_s, 9.0)),
        )

    def place(self, t_s: float) -> Place:
        """The person's place at a time."""
        lively = 1 + 0.5 * max(self.expression(t_s)[1], 0.0)
        gone = self._gone(t_s)
        step = math.sin(gone * math.pi) * abs(math.sin(2 * math.pi * 1.6 * t_s))
        sway = 9 * self._wave(2, t_s, 6.0) + 8 * self._wave(0, t_s, 47.0)  # a face that keeps its place is a poster
        return Place(
            x=self.actor.x + sway + gone * (DESIGN_WIDTH + 130 - self.actor.x),
            y=self.actor.y + 4 * lively * self._wave(3, t_s, 3.4) - 5 * step,
            scale=self.actor.scale * (1 + 0.03 * self._wave(4, t_s, 8.0)),
            roll=math.radians(4.5) * self._wave(5, t_s, 5.0),
        )

    def _gone(self, t_s: float) -> float:
        """0 in place, 1 out of the picture, walking in between."""
        if self.actor.away is None:
            return 0.0
        leave, back = self.actor.away
        now = t_s % STORY_S
        share = min(max(min((now - leave) / 2.5, (back - now) / 2.5), 0.0), 1.0)
        return share * share * (3 - 2 * share)

    def _wave(self, index: int, t_s: float, period_s: float) -> float:
        return math.sin(2 * math.pi * t_s * self._rates[index] / period_s + self._phases[index])


CAST = (
    Actor(
        look=Look(skin=(236, 188, 158), hair=(104, 66, 40), iris=(86, 120, 140), lips=(196, 98, 92),
                  clothes=(70, 104, 140), style="long", seed=1),
        x=104, y=246, scale=0.76,
        beats=((0, 0.1, -0.1), (9, 0.2, 0.0), (12, 0.85, 0.5), (20, 0.8, 0.3),
               (24, -0.1, -0.2), (28, -0.5, 0.1), (34, -0.1, -0.2)),
    ),
    Actor(
        look=Look(skin=(150, 98, 68), hair=(34, 26, 24), iris=(70, 44, 28), lips=(132, 66, 60),
                  clothes=(196, 148, 62), style="short", beard=0.75, width=1.03, seed=2),
        x=254, y=226, scale=0.69,
        beats=((0, -0.1, -0.2), (11, 0.2, 0.1), (15, 0.7, 0.3), (20, 0.4, 0.0),
               (25, -0.7, 0.4), (31, -0.6, -0.2), (36, -0.1, -0.3)),
    ),
    Actor(
        look=Look(skin=(222, 172, 132), hair=(44, 34, 32), iris=(84, 56, 36), lips=(190, 92, 88),
                  clothes=(150, 72, 84), style="bob", width=0.98, seed=3),
        x=404, y=250, scale=0.78,
        beats=((0, 0.0, -0.2), (9, 0.1, 0.7), (12, 0.9, 0.7), (19, 0.7, 0.3),
               (24, -0.4, 0.2), (31, -0.6, 0.3), (35, 0.0, -0.2)),
    ),
    Actor(
        look=Look(skin=(108, 70, 50), hair=(28, 22, 20), iris=(58, 36, 24), lips=(128, 62, 62),
                  clothes=(96, 134, 108), style="curly", width=0.97, seed=4),
        x=548, y=228, scale=0.70, away=(22.0, 36.0),
        beats=((0, 0.2, 0.0), (10, 0.2, 0.2), (13, 0.9, 0.5), (20, 0.6, 0.1), (23, 0.0, 0.0), (36, 0.1, 0.2)),
    ),
)  # fmt: skip
