"""Who is in the drawn scene, where they stand, and how their valence and arousal go, by time and a seed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from edge.demo.portrait import Look

DESIGN_WIDTH, DESIGN_HEIGHT = 640, 480  # of the picture in which places are given; others are scaled to fit
STORY_S = 40.0
# Neutral, pleased, annoyed, neutral again: second, valence, arousal, with straight changes between.
_STORY = (
    (0, 0.1, -0.2),
    (10, 0.2, 0.2),
    (13, 0.9, 0.5),
    (20, 0.7, 0.2),
    (25, -0.5, 0.3),
    (32, -0.6, 0.1),
    (36, 0.0, -0.3),
)
_SECONDS, _VALENCE, _AROUSAL = zip(*_STORY, strict=True)


class Place(NamedTuple):
    """The middle of a face in the design picture, pixels; scale; roll in radians."""

    x: float
    y: float
    scale: float
    roll: float


class Actor(NamedTuple):
    """One person. `away`: from and until which second of the story the person is out of the picture, to the right."""

    look: Look
    x: float  # in the design picture
    y: float
    scale: float
    away: tuple[float, float] | None = None


CAST = (
    Actor(Look((236, 188, 158), (104, 66, 40), (196, 98, 92), (70, 104, 140), hair_y=310), x=104, y=246, scale=0.76),
    Actor(Look((150, 98, 68), (34, 26, 24), (132, 66, 60), (196, 148, 62), hair_y=130), x=254, y=226, scale=0.69),
    Actor(Look((222, 172, 132), (44, 34, 32), (190, 92, 88), (150, 72, 84), hair_y=236), x=404, y=250, scale=0.78),
    Actor(
        Look((108, 70, 50), (28, 22, 20), (128, 62, 62), (96, 134, 108), hair_y=180), x=548, y=228, scale=0.70,
        away=(22.0, 36.0),
    ),
)  # fmt: skip


class Part:
    """An actor with one run's random speeds."""

    def __init__(self, actor: Actor, random: np.random.Generator) -> None:
        self._actor = actor
        self._start_s = float(random.uniform(0, 2))
        self._phases = random.uniform(0, 2 * math.pi, 5)
        self._rates = random.uniform(0.8, 1.25, 5)
        self._blink_every_s = float(random.uniform(3.1, 5.2))

    def expression(self, t_s: float) -> tuple[float, float]:
        """Valence and arousal at a time, −1..1."""
        now_s = t_s + self._start_s
        valence, arousal = (np.interp(now_s, _SECONDS, values, period=STORY_S) for values in (_VALENCE, _AROUSAL))
        return float(valence), float(arousal)

    def blink(self, t_s: float) -> float:
        """0 with open eyes, 1 with shut ones."""
        return max(0.0, 1 - abs((t_s + self._start_s) % self._blink_every_s - 0.11) / 0.11)

    def place(self, t_s: float) -> Place:
        """Where the person is at a time."""
        gone = self._gone(t_s)
        step = math.sin(gone * math.pi) * abs(math.sin(2 * math.pi * 1.6 * t_s))
        sway = 9 * self._wave(0, t_s, 6.0) + 8 * self._wave(1, t_s, 47.0)  # a face that keeps its place is a poster
        return Place(
            x=self._actor.x + sway + gone * (DESIGN_WIDTH + 130 - self._actor.x),
            y=self._actor.y + 5 * self._wave(2, t_s, 3.4) - 5 * step,
            scale=self._actor.scale * (1 + 0.03 * self._wave(3, t_s, 8.0)),
            roll=math.radians(4.5) * self._wave(4, t_s, 5.0),
        )

    def _gone(self, t_s: float) -> float:
        """0 in place, 1 out of the picture, walking in between."""
        if self._actor.away is None:
            return 0.0
        leave, back = self._actor.away
        now = t_s % STORY_S
        return float(np.clip(min(now - leave, back - now) / 2.5, 0, 1))

    def _wave(self, index: int, t_s: float, period_s: float) -> float:
        return math.sin(2 * math.pi * t_s * self._rates[index] / period_s + self._phases[index])
