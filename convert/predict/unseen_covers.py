"""Covers that no training draws: made here by other means, with other shapes and textures, to measure on only.

Training's things are painted with polygons and strokes (`convert.augment.occluders`). These are computed from
distances to shapes, and none of training's code is in them. Change nothing here once a model was measured with it:
figures of different generators do not compare. Places are in units of the crop's side.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import UInt8Array

_Field = NDArray[np.float32]
_MOUTH, _EYES = (0.5, 0.65), (0.5, 0.317)


class _Scene:
    """A crop being covered: each shape lays a colour over what is there, as bright as the face is."""

    def __init__(self, crop: UInt8Array, center: tuple[float, float], turn: float) -> None:
        self.size = crop.shape[0]
        self._pixels = crop.astype(np.float32)
        self.light = float(np.clip(crop.mean() / 120, 0.35, 1.15))
        at = (np.arange(self.size, dtype=np.float32) + np.float32(0.5)) / self.size
        dx, dy = np.meshgrid(at - np.float32(center[0]), at - np.float32(center[1]))
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        self.x, self.y = cos * dx + sin * dy, cos * dy - sin * dx

    def lay(self, distance: _Field, rgb: _Field) -> None:
        """Covers where the distance to a shape's edge, in units of the side, is negative; `rgb` 0-255, (…, 3)."""
        share = np.clip(np.float32(0.5) - distance * self.size, 0, 1)[..., None]
        self._pixels += share * (np.clip(rgb * self.light, 0, 255) - self._pixels)

    def box(self, half_w: float, half_h: float, radius: float = 0.0) -> _Field:
        """Signed distance to a box with round corners about the middle."""
        qx, qy = np.abs(self.x) - (half_w - radius), np.abs(self.y) - (half_h - radius)
        outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
        return np.asarray(outside + np.minimum(np.maximum(qx, qy), 0) - radius, np.float32)

    def capsule(self, a: tuple[float, float], b: tuple[float, float], ra: float, rb: float) -> _Field:
        """Signed distance to a line from `a` to `b` that is `ra` thick at one end and `rb` at the other."""
        ax, ay = self.x - a[0], self.y - a[1]
        bx, by = b[0] - a[0], b[1] - a[1]
        along = np.clip((ax * bx + ay * by) / max(bx * bx + by * by, 1e-9), 0, 1)
        return np.asarray(np.hypot(ax - along * bx, ay - along * by) - (ra + (rb - ra) * along), np.float32)

    def finish(self) -> UInt8Array:
        return np.clip(np.rint(self._pixels), 0, 255).astype(np.uint8)


def paper_cup(crop: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """A cup at the mouth, with lid and sleeve, lit from one side."""
    scene = _Scene(crop, (0.5 + rng.normal(0, 0.04), 0.74 + rng.normal(0, 0.02)), rng.uniform(-0.35, 0.35))
    top, bottom, wide, narrow = -0.16, 0.24, 0.17, 0.12
    half = wide + (narrow - wide) * (scene.y - top) / (bottom - top)
    body = np.maximum(np.abs(scene.x) - half, np.maximum(top - scene.y, scene.y - bottom))
    side = float(rng.choice([-1.0, 1.0]))
    round_off = np.sqrt(np.clip(1 - (scene.x / np.maximum(half, 0.05)) ** 2, 0, 1))
    light = np.asarray(0.5 + 0.4 * round_off + 0.25 * side * scene.x / wide, np.float32)[..., None]
    scene.lay(body.astype(np.float32), light * np.array(rng.uniform(60, 245, 3), np.float32))
    sleeve = np.maximum(body, np.abs(scene.y - 0.06) - 0.085)
    ribs = (np.float32(0.9) + np.float32(0.1) * np.sign(np.sin(scene.x * 260)))[..., None]
    scene.lay(sleeve.astype(np.float32), light * ribs * np.array((150, 112, 76), np.float32))
    lid = np.maximum(np.abs(scene.x) - wide - 0.015, np.abs(scene.y - top) - 0.03)
    scene.lay(lid.astype(np.float32), light * np.array(rng.choice([35, 235]), np.float32) * np.ones(3, np.float32))
    return scene.finish()


def noise_patch(crop: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """A round patch over the mouth with the statistics of photographs: noise whose power falls with frequency."""
    scene = _Scene(crop, (_MOUTH[0] + rng.normal(0, 0.02), _MOUTH[1] + rng.normal(0, 0.02)), 0.0)
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128)[None]) + 1 / 128
    layers = [np.fft.irfft2(np.fft.rfft2(rng.standard_normal((128, 128))) / frequency) for _ in range(3)]
    grey = layers[0]
    field = np.stack([0.75 * grey + 0.45 * layer for layer in layers], axis=2)
    field = rng.uniform(80, 170, 3) + 48 * (field - field.mean(axis=(0, 1))) / field.std()
    texture = cv2.resize(field.astype(np.float32), (scene.size, scene.size), interpolation=cv2.INTER_LINEAR)
    scene.lay(np.asarray((np.hypot(scene.x / 1.6, scene.y) - 0.155) * 1.0, np.float32), np.asarray(texture, np.float32))
    return scene.finish()


def jointed_hand(crop: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """A hand of tapering limbs, shaded by their roundness, across the mouth from the lower left or right."""
    side = float(rng.choice([-1.0, 1.0]))
    scene = _Scene(crop, (0.5 + rng.normal(0, 0.03), 0.66 + rng.normal(0, 0.025)), side * rng.uniform(0.25, 1.0))
    cheeks = crop[int(0.42 * scene.size) : int(0.56 * scene.size) + 1, int(0.3 * scene.size) : int(0.7 * scene.size)]
    skin = np.median(cheeks.reshape(-1, 3), axis=0) / scene.light * rng.uniform(0.8, 1.1)

    def limb(a: tuple[float, float], b: tuple[float, float], ra: float, rb: float) -> None:
        away = scene.capsule(a, b, ra, rb)
        depth = np.clip(-away / max(ra, rb), 0, 1)
        shade = np.asarray(0.5 + 0.55 * np.sqrt(depth) + 0.25 * (a[0] - scene.x), np.float32)
        scene.lay(away, np.clip(shade, 0.3, 1.15)[..., None] * skin.astype(np.float32))

    limb((0.0, 0.75), (0.0, 0.3), 0.13, 0.1)
    limb((0.0, 0.3), (0.0, 0.12), 0.12, 0.155)
    for finger, length in enumerate((0.17, 0.22, 0.2, 0.15)):
        root = (-0.125 + 0.083 * finger, 0.06)
        lean = 0.35 * (root[0]) + rng.normal(0, 0.02)
        joint = (root[0] + lean * 0.5, root[1] - length * 0.55)
        limb(root, joint, 0.047, 0.042)
        limb(joint, (joint[0] + lean * 0.5 + rng.normal(0, 0.012), joint[1] - length * 0.5), 0.042, 0.032)
    limb((side * 0.1, 0.26), (side * 0.23, 0.08), 0.055, 0.038)
    return scene.finish()


def goggles(crop: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Ski goggles: a strap, a frame and one mirrored pane over both eyes."""
    scene = _Scene(crop, (_EYES[0] + rng.normal(0, 0.01), _EYES[1] + 0.01), rng.normal(0, 0.04))
    strap = np.array(rng.uniform(20, 220, 3), np.float32)
    scene.lay(np.asarray(np.abs(scene.y) - 0.05, np.float32), strap * np.ones((*scene.x.shape, 1), np.float32))
    scene.lay(scene.box(0.36, 0.15, 0.1), np.full((*scene.x.shape, 3), rng.uniform(20, 60), np.float32))
    far, near = rng.uniform(30, 250, (2, 3)).astype(np.float32)
    mirror = np.clip((scene.y + 0.12) / 0.24 + 0.12 * np.sin(scene.x * 14), 0, 1)[..., None]
    scene.lay(scene.box(0.33, 0.12, 0.08), np.asarray(far + mirror * (near - far), np.float32))
    return scene.finish()


UNSEEN = {
    "cup": paper_cup,
    "noise patch": noise_patch,
    "jointed hand": jointed_hand,
    "goggles": goggles,
}
