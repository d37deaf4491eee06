"""What a face does over some seconds, as numbers by step: the script of an act, before anything is rendered.

An expression rises (onset), stays (apex) and falls (offset) into the next; speech and blinks come on top and express
nothing; the head sways, a lamp changes, the face leaves and comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.studio.expressions import blink, draw_expression, draw_sound
from convert.studio.reenact import Light
from convert.studio.stills import draw_light
from edge.values import Float32Array

_ONSET_S, _APEX_S = (0.3, 1.2), (0.6, 3.5)
_SPEAKS, _BLINKS_PER_S = 0.4, 0.3
_LEAVES, _AWAY_S = 0.2, (0.3, 2.5)
_RELIGHTS = 0.3
_SWAY = np.array([0.16, 0.08, 0.05])  # standard deviation of yaw, pitch and roll, radians


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Script:
    """An act of T steps through K expressions.

    Attributes:
        keys: float32 (K, 52), the expressions.
        mix: float32 (T, K), how much of each is shown at each step; rows add up to 1.
        besides: float32 (T, 52), speech and blinks.
        turn: float32 (T, 3), yaw, pitch and roll in radians.
        light: by step.
        present: bool (T,), whether the face is before the camera.
    """

    keys: Float32Array
    mix: Float32Array
    besides: Float32Array
    turn: Float32Array
    light: tuple[Light | None, ...]
    present: NDArray[np.bool_]

    def seen(self, step: int) -> Float32Array:
        """The blendshapes (52,) at a step, 0..1."""
        return np.asarray(np.clip(self.mix[step] @ self.keys + self.besides[step], 0, 1), np.float32)


def write_script(rng: np.random.Generator, seen: Float32Array, *, steps: int, step_s: float) -> Script:
    """Draws a script.

    Args:
        rng: decides.
        seen: float32 (N, 52), blendshapes of the data's faces, to draw expressions from.
        steps, step_s: how long, on the head's grid.
    """
    mix, keys = _expressions(rng, seen, steps, step_s)
    return Script(
        keys=keys,
        mix=mix,
        besides=_speech(rng, steps, step_s) + _blinks(rng, steps, step_s),
        turn=_sway(rng, steps),
        light=_lamps(rng, steps),
        present=_presence(rng, steps, step_s),
    )


def _expressions(
    rng: np.random.Generator, seen: Float32Array, steps: int, step_s: float
) -> tuple[Float32Array, Float32Array]:
    keys = [_key(rng, seen)]
    mix: NDArray[Any] = np.ones((steps, 1), np.float32)
    at = int(rng.uniform(*_APEX_S) / step_s)
    while at < steps:
        length = max(int(rng.uniform(*_ONSET_S) / step_s), 1)
        rise: NDArray[Any] = np.clip((np.arange(steps) - at + 1) / length, 0, 1)
        rise = (rise * rise * (3 - 2 * rise)).astype(np.float32)[:, None]  # starts and ends slowly
        mix = np.concatenate([mix * (1 - rise), rise], axis=1)
        keys.append(_key(rng, seen))
        at += length + int(rng.uniform(*_APEX_S) / step_s)
    return mix, np.stack(keys)


def _key(rng: np.random.Generator, seen: Float32Array) -> Float32Array:
    drawn = draw_expression(rng, seen)
    calm = rng.random() < 0.3
    return np.asarray(drawn * np.float32(rng.uniform(0, 0.3) if calm else 1), np.float32)


def _speech(rng: np.random.Generator, steps: int, step_s: float) -> Float32Array:
    out = np.zeros((steps, 52), np.float32)
    if rng.random() >= _SPEAKS:
        return out
    at = int(rng.uniform(0, 0.5) * steps)
    until = min(at + int(rng.uniform(1.0, 5.0) / step_s), steps)
    loud = np.float32(rng.uniform(0.5, 1.2))
    for step in range(at, until):
        if rng.random() < 0.7:  # about five sounds a second, with pauses
            out[step] = draw_sound(rng) * loud
    smooth = out.copy()
    smooth[1:] = 0.7 * out[1:] + 0.3 * out[:-1]
    return smooth


def _blinks(rng: np.random.Generator, steps: int, step_s: float) -> Float32Array:
    out = np.zeros((steps, 52), np.float32)
    for step in np.flatnonzero(rng.random(steps) < _BLINKS_PER_S * step_s):
        for after, amount in enumerate((0.6, 1.0, 0.4)):
            if step + after < steps:
                out[step + after] = np.maximum(out[step + after], blink(amount))
    return out


def _sway(rng: np.random.Generator, steps: int) -> Float32Array:
    turn: NDArray[Any] = np.zeros((steps, 3))
    turn[0] = rng.normal(0, 1, 3) * _SWAY
    for step in range(1, steps):
        turn[step] = 0.96 * turn[step - 1] + rng.normal(0, 0.28, 3) * _SWAY
    return np.asarray(np.clip(turn, [-0.5, -0.3, -0.3], [0.5, 0.3, 0.3]), np.float32)


def _lamps(rng: np.random.Generator, steps: int) -> tuple[Light | None, ...]:
    first = draw_light(rng)
    change = int(rng.integers(1, steps)) if rng.random() < _RELIGHTS else steps
    second = draw_light(rng)
    return tuple(first if step < change else second for step in range(steps))


def _presence(rng: np.random.Generator, steps: int, step_s: float) -> NDArray[np.bool_]:
    present = np.ones(steps, bool)
    if rng.random() < _LEAVES and steps > 20:
        at = int(rng.integers(5, steps - 10))
        present[at : at + int(rng.uniform(*_AWAY_S) / step_s)] = False
    return present
