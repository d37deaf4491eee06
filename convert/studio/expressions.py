"""Expressions to act out: kinds of faces, what the data's faces do, single muscles in balance, speech and blinks.

All are float32 (52,) in MediaPipe's blendshapes, 0..1. A moment has two parts: what the face expresses, and what
happens to it besides (a blink, a spoken sound): only the first is what valence and arousal are about.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convert.teacher.landmarker import BLENDSHAPES
from edge.values import Float32Array

Amounts = dict[str, "float | tuple[float, float]"]


class Kind(NamedTuple):
    """A kind of face.

    Attributes:
        share: of all moments.
        amounts: blendshapes, each fixed or drawn evenly from (low, high); a name without a side means both sides.
        strength: (low, high) by which all amounts are multiplied.
        speaks: how often a face of this kind is caught speaking.
        blinks: how often in a blink.
        aside: how often it shows on one side more than on the other.
    """

    share: float
    amounts: Amounts
    strength: tuple[float, float] = (0.6, 1.1)
    speaks: float = 0.7
    blinks: float = 0.04
    aside: float = 0.3


# After the action units of Ekman & Friesen's FACS (1978) as they are usually listed for each expression. What raters
# found wrong most often on real faces has the larger shares: calm, drowsy, talking, half smiles, squeezed eyes.
# fmt: off
KINDS: dict[str, Kind] = {
    "calm": Kind(7, {"browInnerUp": (0, 0.15), "mouthPress": (0, 0.2), "eyeLookIn": (0, 0.1)}),
    "looking down": Kind(4, {"eyeLookDown": (0.4, 1.0), "browDown": (0, 0.2)}, (0.8, 1.0), blinks=0.0),
    "looking aside": Kind(2, {"eyeLookInLeft": (0.3, 1.0), "eyeLookOutRight": (0.3, 1.0)}),
    "parted lips": Kind(4, {"jawOpen": (0.05, 0.25), "mouthLowerDown": (0, 0.3)}, (0.8, 1.1), speaks=0.0),
    "blinking": Kind(4, {"browInnerUp": (0, 0.2), "mouthSmile": (0, 0.2)}, speaks=0.4, blinks=1.0),
    "drowsy": Kind(9, {
        "eyeBlink": (0.35, 0.85), "mouthFrown": (0, 0.3), "jawOpen": (0, 0.12), "browInnerUp": (0, 0.35),
        "eyeLookDown": (0, 0.4)}, (0.9, 1.05), speaks=0.08, blinks=0.0, aside=0.15),
    "asleep": Kind(2, {"eyeBlink": (0.95, 1.0), "jawOpen": (0, 0.2), "mouthFrown": (0, 0.25)}, (1, 1), 0, 0, 0.1),
    "yawning": Kind(1, {"jawOpen": (0.7, 1), "eyeBlink": (0.5, 1), "browDown": (0, 0.4)}, (0.9, 1.0), 0, 0, 0.0),
    "half smile": Kind(7, {"mouthSmile": (0.12, 0.45), "mouthDimple": (0, 0.4), "cheekSquint": (0, 0.2)}, aside=0.6),
    "smile": Kind(6, {
        "mouthSmile": (0.5, 0.9), "cheekSquint": (0.1, 0.6), "eyeSquint": (0, 0.5), "mouthUpperUp": (0, 0.35),
        "mouthLowerDown": (0, 0.3)}),
    "laughing": Kind(5, {
        "mouthSmile": (0.7, 1), "cheekSquint": (0.4, 1), "eyeSquint": (0.3, 0.9), "jawOpen": (0.2, 0.65),
        "mouthUpperUp": (0.1, 0.4), "mouthLowerDown": (0, 0.5)}, (0.75, 1.0), 0.0),
    "cheering": Kind(3, {
        "mouthSmile": (0.5, 1), "jawOpen": (0.4, 0.9), "browOuterUp": (0.2, 0.8), "browInnerUp": (0.2, 0.7),
        "mouthUpperUp": (0, 0.4)}, (0.75, 1.0), 0.0),
    "squeezed grin": Kind(4, {
        "eyeBlink": (0.5, 0.9), "eyeSquint": (0.7, 1), "cheekSquint": (0.6, 1), "mouthSmile": (0.35, 1),
        "mouthUpperUp": (0.1, 0.5), "mouthLowerDown": (0.1, 0.7), "jawOpen": (0, 0.3), "browDown": (0.1, 0.6)},
        (0.85, 1.0), 0.0, 0.0),
    "surprise": Kind(5, {
        "jawOpen": (0.25, 0.9), "browInnerUp": (0.5, 1), "browOuterUp": (0.5, 1), "eyeWide": (0.3, 1)}, speaks=0.4),
    "alert": Kind(3, {"browInnerUp": (0.1, 0.6), "browOuterUp": (0.1, 0.7), "eyeWide": (0.3, 1)}),
    "fear": Kind(5, {
        "browInnerUp": (0.5, 1), "browOuterUp": (0, 0.5), "eyeWide": (0.5, 1), "mouthStretch": (0.3, 1),
        "jawOpen": (0, 0.5), "mouthLowerDown": (0.1, 0.6)}, speaks=0.4),
    "worry": Kind(3, {"browInnerUp": (0.3, 0.9), "browDown": (0, 0.4), "mouthPress": (0, 0.6), "mouthFrown": (0, 0.5)}),
    "anger": Kind(4, {
        "browDown": (0.5, 1), "eyeSquint": (0.1, 0.7), "eyeWide": (0, 0.5), "mouthPress": (0, 1), "noseSneer": (0, 0.7),
        "mouthFrown": (0, 0.7), "jawOpen": (0, 0.1)}),
    "shouting": Kind(2, {
        "browDown": (0.4, 1), "jawOpen": (0.5, 1), "mouthUpperUp": (0.2, 0.8), "mouthLowerDown": (0.3, 0.9),
        "noseSneer": (0.2, 0.8), "mouthStretch": (0, 0.6)}, (0.8, 1.0), 0.0),
    "frown": Kind(4, {"browDown": (0.4, 1), "eyeSquint": (0, 0.5), "mouthPucker": (0, 0.3)}),
    "disgust": Kind(5, {
        "noseSneer": (0.5, 1), "browDown": (0.2, 0.8), "mouthUpperUp": (0.3, 0.9), "eyeSquint": (0.2, 0.8),
        "mouthFrown": (0, 0.7), "mouthShrugLower": (0, 0.7)}, speaks=0.4),
    "contempt": Kind(2, {"mouthSmileLeft": (0.2, 0.7), "mouthDimpleLeft": (0.3, 1), "browDown": (0, 0.4)}, aside=0.0),
    "grimace": Kind(4, {
        "mouthStretch": (0.5, 1), "eyeSquint": (0.5, 1), "eyeBlink": (0, 0.6), "browDown": (0.2, 0.9),
        "mouthUpperUp": (0.1, 0.6), "mouthLowerDown": (0.3, 0.9), "noseSneer": (0, 0.6)}, speaks=0.0),
    "clenched teeth": Kind(3, {
        "mouthStretch": (0.2, 0.7), "mouthUpperUp": (0.2, 0.6), "mouthLowerDown": (0.6, 1), "mouthFunnel": (0.1, 0.3),
        "browDown": (0.1, 1), "eyeSquint": (0, 0.8)}, (0.8, 1.05), 0.0),
    "sadness": Kind(4, {
        "browInnerUp": (0.4, 1), "mouthFrown": (0.4, 1), "mouthShrugLower": (0.1, 0.8), "eyeBlink": (0, 0.4),
        "browDown": (0, 0.3)}, speaks=0.5),
    "crying": Kind(2, {
        "browInnerUp": (0.4, 1), "mouthFrown": (0.4, 1), "eyeSquint": (0.4, 1), "eyeBlink": (0.2, 0.9),
        "jawOpen": (0, 0.4), "mouthStretch": (0.2, 0.8)}, speaks=0.0),
    "sobbing": Kind(3, {
        "eyeBlink": (0.7, 1), "eyeSquint": (0.2, 1), "browDown": (0.2, 0.9), "browInnerUp": (0.2, 1),
        "cheekSquint": (0.2, 0.9), "noseSneer": (0, 0.6), "mouthPress": (0.2, 1), "mouthFrown": (0, 0.8),
        "mouthStretch": (0, 0.6), "mouthShrugLower": (0.1, 0.8), "mouthRollLower": (0, 0.6)}, (0.8, 1.0), 0.0, 0.0),
    "fighting tears": Kind(2, {
        "browInnerUp": (0.4, 1), "browDown": (0, 0.6), "eyeBlink": (0, 0.4), "mouthPress": (0.3, 1),
        "mouthShrugLower": (0.2, 0.9), "mouthRollLower": (0, 0.7), "mouthFrown": (0, 0.5)}, speaks=0.0),
    "pain": Kind(3, {
        "eyeBlink": (0.5, 1), "eyeSquint": (0.5, 1), "browDown": (0.5, 1), "cheekSquint": (0.3, 1),
        "noseSneer": (0.1, 0.8), "mouthStretch": (0, 0.8), "mouthUpperUp": (0, 0.6), "mouthLowerDown": (0, 0.6),
        "mouthPress": (0, 0.8), "jawOpen": (0, 0.4)}, (0.8, 1.0), 0.0, 0.0),
    "smile with closed eyes": Kind(3, {
        "eyeBlink": (0.7, 1), "mouthSmile": (0.3, 0.9), "cheekSquint": (0, 0.7), "browInnerUp": (0, 0.3),
        "mouthUpperUp": (0, 0.4), "jawOpen": (0, 0.2)}, speaks=0.1, blinks=0.0),
    "thinking": Kind(2, {
        "browDown": (0.1, 0.6), "mouthPucker": (0, 0.6), "mouthLeft": (0, 0.4), "eyeSquint": (0, 0.4),
        "eyeLookUp": (0, 0.8)}),
    "puffed cheeks": Kind(1, {"cheekPuff": (0.5, 1), "mouthPucker": (0, 0.5)}, speaks=0.0),
    "tongue out": Kind(2, {"jawOpen": (0.15, 0.4), "eyeSquint": (0, 0.7), "mouthSmile": (0, 0.6)}, speaks=0.0),
}
# fmt: on
_FROM_DATA, _BALANCED = 14, 24  # shares of mixed faces of the data, and of single muscles
# Muscles that the studio can show, one of each row at most: together their draws cover each one's whole range.
_MUSCLES = (
    ("jawOpen", "mouthFunnel", "mouthPucker", "mouthPress", "mouthShrugLower", "mouthShrugUpper", "cheekPuff"),
    ("eyeBlink", "eyeSquint", "eyeWide", "eyeLookDown", "eyeLookUp"),
    ("browDown", "browInnerUp", "browOuterUp"),
    ("mouthSmile", "mouthFrown", "mouthStretch", "mouthUpperUp", "mouthLowerDown", "mouthLeft", "mouthRight"),
    ("cheekSquint", "noseSneer", "mouthDimple", "mouthRollLower", "mouthRollUpper"),
)
SOUNDS: tuple[dict[str, float], ...] = (
    {"jawOpen": 0.7, "mouthLowerDown": 0.3},
    {"jawOpen": 0.45, "mouthLowerDown": 0.25, "mouthUpperUp": 0.15},
    {"jawOpen": 0.35, "mouthFunnel": 0.6},
    {"jawOpen": 0.15, "mouthPucker": 0.8},
    {"jawOpen": 0.2, "mouthStretch": 0.35, "mouthUpperUp": 0.2},
    {"mouthPress": 0.5, "mouthRollLower": 0.4, "mouthRollUpper": 0.3},
    {"jawOpen": 0.08, "mouthRollLower": 0.5, "mouthUpperUp": 0.25},
    {"jawOpen": 0.25, "mouthLowerDown": 0.4, "mouthUpperUp": 0.2},
)


class Moment(NamedTuple):
    """One moment of a face.

    Attributes:
        kind: of `KINDS`, `mixed` (faces of the data) or `muscles`.
        expressed: float32 (52,), what the face shows.
        besides: float32 (52,), what speech and a blink add to it.
        speaks: whether it is speaking.
        tongue: how far it is put out, 0..1.
    """

    kind: str
    expressed: Float32Array
    besides: Float32Array
    speaks: bool = False
    tongue: float = 0.0

    @property
    def shown(self) -> Float32Array:
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


_SOUNDS = np.stack([blend_shapes(amounts) for amounts in SOUNDS])
_LEFT, _RIGHT = (np.array([name.endswith(side) for name in BLENDSHAPES]) for side in ("Left", "Right"))
_BLINK = blend_shapes({"eyeBlink": 1.0})
_SWAP = [
    BLENDSHAPES.index(name.replace("Left", "\0").replace("Right", "Left").replace("\0", "Right"))
    for name in BLENDSHAPES
]
_SHARES = np.array([*(kind.share for kind in KINDS.values()), _FROM_DATA, _BALANCED], float)


def draw_moment(rng: np.random.Generator, seen: Float32Array, kind: str = "") -> Moment:
    """One moment.

    Args:
        rng: decides.
        seen: float32 (N, 52), what the landmarker read of the data's faces.
        kind: by default drawn by the kinds' shares.
    """
    kind = kind or str(rng.choice([*KINDS, "mixed", "muscles"], p=_SHARES / _SHARES.sum()))
    known = KINDS.get(kind, Kind(0, {}))
    expressed = draw_expression(rng, seen, kind)
    besides = np.zeros_like(expressed)
    speaks = bool(rng.random() < known.speaks)
    if speaks:
        besides = draw_sound(rng)
        room = np.float32(1) - np.float32(rng.uniform(0.1, 0.7)) * (np.maximum(besides, 0.5 * (besides > 0)) > 0)
        expressed = np.asarray(expressed * room, np.float32)  # what speaks has less of the mouth left to express with
    if rng.random() < known.blinks:
        besides = np.maximum(besides, blink(float(rng.uniform(0.4, 1))))
    tongue = float(rng.uniform(0.3, 1)) if kind == "tongue out" else 0.0
    return Moment(kind, expressed, besides, speaks, tongue)


def draw_expression(rng: np.random.Generator, seen: Float32Array, kind: str = "") -> Float32Array:
    """What a face of a kind expresses, float32 (52,); arguments as of `draw_moment`."""
    kind = kind or str(rng.choice([*KINDS, "mixed", "muscles"], p=_SHARES / _SHARES.sum()))
    if kind == "mixed":
        one, two = seen[rng.integers(len(seen), size=2)]
        share = rng.random() ** 2
        drawn = ((1 - share) * one + share * two) * rng.uniform(0.7, 1.3)
    elif kind == "muscles":
        rows = rng.choice(len(_MUSCLES), size=int(rng.integers(1, 5)), replace=False)
        drawn = blend_shapes({str(rng.choice(_MUSCLES[row])): float(rng.uniform(0.02, 1) ** 0.7) for row in rows})
    else:
        known = KINDS[kind]
        amounts = {name: a if isinstance(a, float) else float(rng.uniform(*a)) for name, a in known.amounts.items()}
        drawn = blend_shapes(amounts) * rng.uniform(*known.strength)
        drawn = drawn + seen[rng.integers(len(seen))] * (rng.uniform(0, 0.2) * (rng.random() < 0.5))
    if rng.random() < KINDS.get(kind, Kind(0, {})).aside:
        drawn = drawn * np.where(_LEFT, rng.uniform(0.4, 1), np.where(_RIGHT, rng.uniform(0.4, 1), 1))
    if rng.random() < 0.5:
        drawn = drawn[_SWAP]
    return np.clip(drawn, 0, 1).astype(np.float32)


def draw_sound(rng: np.random.Generator) -> Float32Array:
    """The mouth at one moment of speech."""
    one, two = _SOUNDS[rng.integers(len(_SOUNDS), size=2)]
    share = 0.5 * rng.random()
    return np.asarray(((1 - share) * one + share * two) * rng.uniform(0.5, 1.3), np.float32)


def blink(amount: float) -> Float32Array:
    """Both eyes closed by an amount 0..1."""
    return _BLINK * np.float32(amount)
