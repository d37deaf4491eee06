"""Acts: a portrait plays a script of some seconds, with valence and arousal at each step.

An expression rises (onset), stays (apex) and falls (offset) into the next, often back to calm; speech and blinks come
on top and express nothing; the head sways, a lamp changes, the face leaves and comes back. The truth at a step mixes
what is said of each expression, rendered for itself as the clean render of a still is, as the script mixes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.studio.expressions import blink, draw_expression, draw_sound
from convert.studio.jobs import Job, load_models
from convert.studio.paint import Light
from convert.studio.reenact import make_portrait, reenact
from convert.studio.stills import decode, describe, draw_light, encode_loose
from edge.geometry import CropRule, face_square
from edge.values import Float32Array, UInt8Array

_ONSET_S, _APEX_S = (0.25, 1.2), (0.5, 3.5)
_CALM, _SPEAKS, _BLINKS_PER_S = 0.25, 0.5, 0.3
_BLINK = (0.6, 1.0, 0.4)  # lids by step of a tenth of a second: a blink is over in 0.3 s, drowsy lids stay
_LEAVES, _AWAY_S = 0.2, (0.3, 2.5)
_RELIGHTS = 0.3
_SWAY = np.array([0.16, 0.08, 0.05])  # standard deviation of yaw, pitch and roll, radians
_NOTHING = np.zeros(0, np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Script:
    """An act of T steps through K expressions, before anything is rendered.

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

    def shown(self, step: int) -> Float32Array:
        """The blendshapes (52,) at a step, 0..1."""
        return np.asarray(np.clip(self.mix[step] @ self.keys + self.besides[step], 0, 1), np.float32)


class Act(NamedTuple):
    """One act of T steps through K expressions.

    Attributes:
        name: of the portrait.
        jpeg: uint8 (bytes,), the T pictures one after the other; none where the face is away or was not found.
        ends: int64 (T,), where each ends.
        mix: float32 (T, K), of the expressions at each step.
        key_jpeg, key_ends: each expression's clean render, for those who rate by looking.
        blendshapes, rotation: float32 (K, 52) and (K, 3), what the landmarker read of each expression.
    """

    name: str
    jpeg: UInt8Array
    ends: NDArray[np.int64]
    mix: Float32Array
    key_jpeg: UInt8Array
    key_ends: NDArray[np.int64]
    blendshapes: Float32Array
    rotation: Float32Array

    def picture(self, step: int) -> UInt8Array | None:
        """The picture around the face at a step, uint8 (P, P, 3) RGB, or None."""
        return _picture(self.jpeg, self.ends, step)

    def key(self, number: int) -> UInt8Array | None:
        """An expression's clean render, uint8 (P, P, 3) RGB."""
        return _picture(self.key_jpeg, self.key_ends, number)


def _picture(jpeg: UInt8Array, ends: NDArray[np.int64], number: int) -> UInt8Array | None:
    data = jpeg[(ends[number - 1] if number else 0) : ends[number]]
    return decode(data) if data.size else None


def write_script(rng: np.random.Generator, seen: Float32Array, *, steps: int, step_s: float) -> Script:
    """Draws a script.

    Args:
        rng: decides.
        seen: float32 (N, 52), blendshapes of the data's faces, to draw expressions from.
        steps, step_s: how long, on the head's grid.
    """
    mix, keys = _expressions(rng, seen, steps, step_s)
    first, second = draw_light(rng), draw_light(rng)
    change = int(rng.integers(1, steps)) if rng.random() < _RELIGHTS else steps
    present = np.ones(steps, bool)
    if rng.random() < _LEAVES and steps > 20:
        at = int(rng.integers(5, steps - 10))
        present[at : at + int(rng.uniform(*_AWAY_S) / step_s)] = False
    return Script(
        keys=keys,
        mix=mix,
        besides=_besides(rng, steps, step_s),
        turn=_sway(rng, steps),
        light=tuple(first if step < change else second for step in range(steps)),
        present=present,
    )


def _expressions(
    rng: np.random.Generator, seen: Float32Array, steps: int, step_s: float
) -> tuple[Float32Array, Float32Array]:
    def key() -> Float32Array:
        return draw_expression(rng, seen, "calm" if rng.random() < _CALM else "")

    keys = [key()]
    mix: NDArray[Any] = np.ones((steps, 1), np.float32)
    at = int(rng.uniform(*_APEX_S) / step_s)
    while at < steps:
        length = max(int(rng.uniform(*_ONSET_S) / step_s), 1)
        rise: NDArray[Any] = np.clip((np.arange(steps) - at + 1) / length, 0, 1)
        rise = (rise * rise * (3 - 2 * rise)).astype(np.float32)[:, None]  # starts and ends slowly
        mix = np.concatenate([mix * (1 - rise), rise], axis=1)
        keys.append(key())
        at += length + int(rng.uniform(*_APEX_S) / step_s)
    return mix, np.stack(keys)


def _besides(rng: np.random.Generator, steps: int, step_s: float) -> Float32Array:
    """Speech, about five sounds a second with pauses, and blinks."""
    out = np.zeros((steps, 52), np.float32)
    if rng.random() < _SPEAKS:
        start, loud = int(rng.uniform(0, 0.5) * steps), np.float32(rng.uniform(0.5, 1.2))
        for step in range(start, min(start + int(rng.uniform(1.0, 5.0) / step_s), steps)):
            if rng.random() < 0.7:
                out[step] = draw_sound(rng) * loud
        out[1:] = 0.7 * out[1:] + 0.3 * out[:-1]
    for start in np.flatnonzero(rng.random(steps) < _BLINKS_PER_S * step_s).tolist():
        for step, amount in zip(range(start, steps), _BLINK, strict=False):
            out[step] = np.maximum(out[step], blink(amount))
    return out


def _sway(rng: np.random.Generator, steps: int) -> Float32Array:
    turn: NDArray[Any] = np.zeros((steps, 3))
    turn[0] = rng.normal(0, 1, 3) * _SWAY
    for step in range(1, steps):
        turn[step] = 0.96 * turn[step - 1] + rng.normal(0, 0.28, 3) * _SWAY
    return np.asarray(np.clip(turn, [-0.5, -0.3, -0.3], [0.5, 0.3, 0.3]), np.float32)


def film_act(job: Job) -> Act | None:
    """The act of a job; None where an expression came out as another than asked."""
    models = load_models(job.files)
    head, portrait = models.head, make_portrait(models.head, job.sitter)
    rng = np.random.default_rng([job.seed, job.number, 7])
    script = write_script(rng, job.seen, steps=job.steps, step_s=job.step_s)
    clean = [reenact(head, portrait, portrait.fitted.act(head, key)) for key in script.keys]
    read = [each for made in clean if (each := describe(made, models)) is not None]
    if len(read) < len(clean):
        return None
    frames = []
    for step in range(job.steps):
        frames.append(_NOTHING)
        if not script.present[step]:
            continue
        yaw, pitch, roll = map(float, script.turn[step])
        coefficients = portrait.fitted.act(head, script.shown(step))
        made = reenact(head, portrait, coefficients, turn=(yaw, pitch, roll), light=script.light[step])
        face = models.finder.find(made.pixels)
        if face is not None:
            frames[-1] = encode_loose(made.pixels, face_square(face.landmarks_px, CropRule()))
    keys = [encode_loose(made.pixels, square) for made, (_, square) in zip(clean, read, strict=True)]
    return Act(
        portrait.name,
        *(np.concatenate(frames), np.cumsum([frame.size for frame in frames])),
        script.mix,
        *(np.concatenate(keys), np.cumsum([key.size for key in keys])),
        np.stack([shape.blendshapes for shape, _ in read]),
        np.stack([shape.rotation for shape, _ in read]),
    )
