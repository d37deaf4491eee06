"""Expressions to act out: drawn from what faces in the data do, from prototypes, and from speech.

All are float32 (52,) in MediaPipe's blendshapes, 0..1. A drawing has two parts: what the face expresses, and what
happens to it besides (a blink, a spoken sound): only the first is what valence and arousal are about.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convert.teacher.landmarker import BLENDSHAPES
from edge.values import Float32Array

# After the action units of Ekman & Friesen's FACS (1978) as they are usually listed for each prototype.
PROTOTYPES: dict[str, dict[str, float]] = {
    "calm": {},
    "smile": {"mouthSmile": 0.8, "cheekSquint": 0.4, "eyeSquint": 0.3},
    "laugh": {"mouthSmile": 1.0, "cheekSquint": 0.8, "eyeSquint": 0.7, "jawOpen": 0.45, "mouthUpperUp": 0.6},
    "cheer": {"mouthSmile": 0.9, "jawOpen": 0.8, "browOuterUp": 0.6, "browInnerUp": 0.5, "mouthUpperUp": 0.5},
    "surprise": {"jawOpen": 0.7, "browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.9},
    "fear": {"browInnerUp": 0.9, "eyeWide": 0.9, "mouthStretch": 0.8, "jawOpen": 0.4, "mouthLowerDown": 0.4},
    "anger": {"browDown": 1.0, "eyeSquint": 0.5, "mouthPress": 0.7, "noseSneer": 0.5, "mouthFrown": 0.4},
    "shout": {"browDown": 0.9, "jawOpen": 0.8, "mouthUpperUp": 0.7, "mouthLowerDown": 0.8, "noseSneer": 0.7},
    "disgust": {"noseSneer": 1.0, "browDown": 0.6, "mouthUpperUp": 0.8, "eyeSquint": 0.6, "mouthFrown": 0.4},
    "grimace": {"mouthStretch": 0.9, "eyeSquint": 0.8, "browDown": 0.6, "mouthUpperUp": 0.5, "mouthLowerDown": 0.6},
    "sadness": {"browInnerUp": 0.9, "mouthFrown": 0.9, "mouthShrugLower": 0.6, "browDown": 0.2},
    "crying": {"browInnerUp": 0.8, "mouthFrown": 0.9, "eyeSquint": 0.8, "jawOpen": 0.3, "mouthStretch": 0.6},
    "contempt": {"mouthSmileLeft": 0.6, "mouthDimpleLeft": 0.7, "browDown": 0.2},
    "thinking": {"browDown": 0.5, "mouthPucker": 0.4, "mouthLeft": 0.3, "eyeSquint": 0.3},
    "tired": {"eyeBlink": 0.55, "mouthFrown": 0.2},
}
SOUNDS: tuple[dict[str, float], ...] = (
    {"jawOpen": 0.45, "mouthLowerDown": 0.2},
    {"jawOpen": 0.25, "mouthFunnel": 0.6},
    {"jawOpen": 0.12, "mouthPucker": 0.8},
    {"jawOpen": 0.15, "mouthStretch": 0.35, "mouthUpperUp": 0.15},
    {"mouthPress": 0.5, "mouthRollLower": 0.4, "mouthRollUpper": 0.3},
    {"jawOpen": 0.08, "mouthRollLower": 0.5, "mouthUpperUp": 0.25},
    {"jawOpen": 0.2, "mouthLowerDown": 0.35, "mouthUpperUp": 0.2},
)


class Drawn(NamedTuple):
    """`expressed` is what the face shows, `besides` what is added to it; both float32 (52,)."""

    expressed: Float32Array
    besides: Float32Array

    @property
    def seen(self) -> Float32Array:
        """Both together, 0..1."""
        return np.clip(self.expressed + self.besides, 0, 1)


def blend_shapes(amounts: dict[str, float]) -> Float32Array:
    """Named amounts as a vector (52,); a name without a side means both sides."""
    out = np.zeros(len(BLENDSHAPES), np.float32)
    for name, amount in amounts.items():
        sides = (name,) if name in BLENDSHAPES else (f"{name}Left", f"{name}Right")
        for side in sides:
            out[BLENDSHAPES.index(side)] = amount
    return out


_PROTOTYPES = np.stack([blend_shapes(amounts) for amounts in PROTOTYPES.values()])
_SOUNDS = np.stack([blend_shapes(amounts) for amounts in SOUNDS])
_LEFT = np.array([name.endswith("Left") for name in BLENDSHAPES])
_RIGHT = np.array([name.endswith("Right") for name in BLENDSHAPES])
_BLINK = blend_shapes({"eyeBlink": 1.0})
_SPREAD = blend_shapes(dict.fromkeys(("browDown", "browInnerUp", "mouthSmile", "mouthFrown", "jawOpen"), 1.0))


def draw_expression(rng: np.random.Generator, seen: Float32Array) -> Float32Array:
    """An expression: one or two faces of the data mixed, or a prototype at some strength, a little lopsided.

    Args:
        rng: decides.
        seen: float32 (N, 52), what the landmarker read of the data's faces.
    """
    if rng.random() < 0.5:
        one, two = seen[rng.integers(len(seen), size=2)]
        share = rng.random() ** 2
        drawn = ((1 - share) * one + share * two) * rng.uniform(0.7, 1.4)
    else:
        drawn = _PROTOTYPES[rng.integers(len(_PROTOTYPES))] * rng.uniform(0.15, 1.1)
        drawn = drawn + seen[rng.integers(len(seen))] * rng.uniform(0, 0.4)
    if rng.random() < 0.3:
        drawn = drawn * np.where(_LEFT, rng.uniform(0.5, 1), np.where(_RIGHT, rng.uniform(0.5, 1), 1))
    drawn = drawn + _SPREAD * rng.normal(0, 0.08, len(drawn)) * (rng.random(len(drawn)) < 0.3)
    return np.clip(drawn, 0, 1).astype(np.float32)


def draw_sound(rng: np.random.Generator) -> Float32Array:
    """The mouth at one moment of speech."""
    one, two = _SOUNDS[rng.integers(len(_SOUNDS), size=2)]
    share = rng.random()
    return np.asarray(((1 - share) * one + share * two) * rng.uniform(0.4, 1.2), np.float32)


def blink(amount: float) -> Float32Array:
    """Both eyes closed by an amount 0..1."""
    return _BLINK * np.float32(amount)


def draw_moment(rng: np.random.Generator, seen: Float32Array) -> Drawn:
    """One moment: an expression, in a quarter of cases speaking, in a tenth blinking; arguments as above."""
    expressed = draw_expression(rng, seen)
    besides = np.zeros_like(expressed)
    chance = rng.random()
    if chance < 0.25:
        expressed = expressed * np.float32(rng.uniform(0.2, 0.8))  # one speaks in calm as in excitement
        besides = besides + draw_sound(rng)
    elif chance < 0.35:
        besides = besides + blink(float(rng.uniform(0.3, 1)))
    return Drawn(expressed, besides.astype(np.float32))
