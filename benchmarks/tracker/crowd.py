"""Drawn crowds: who is where in the picture, who hides whom, and what a face detector makes of it.

Places are metres: x to the right of the camera's axis, z away from it, `low` below standing height. The detector's
noise was measured on the shared clips with the shipped detector at ten frames a second (`NOISE`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.privacy.world import Camera
from benchmarks.tracker.judge import Box

Floats = NDArray[np.float64]
Random = np.random.Generator
STEP_S = 0.1
KIOSK = Camera(640, 480, 554, 0.1, 16)
HALL = Camera(1920, 1080, 1663, 0.4, 16)
_FACE_M = 0.18  # side of a face's box
_BODY_M = 0.24  # half of the shoulders' width


class Key(NamedTuple):
    """Where a person is at a time, with smoothed straight lines between keys."""

    at_s: float  # after the stay's beginning
    x: float
    z: float
    low: float = 0.0
    yaw: float = 0.0  # degrees that the face is turned away from the camera


class Stay(NamedTuple):
    """One stay of one person."""

    number: int
    start_s: float
    keys: Sequence[Key]
    tall: float  # metres over an average height


class Wall(NamedTuple):
    """Hides whoever is behind it: a stripe of the picture, pixels."""

    left: float
    right: float


class Noise(NamedTuple):
    """What a detector does wrong."""

    jitter: float = 0.014  # of the centre, face sizes
    growth: float = 0.015  # of the logarithm of the size
    outliers: float = 0.03  # share of boxes with five times that
    missed: float = 0.015  # share of clear faces, in bursts
    false: float = 0.008  # patterns that look like a face for a moment, a frame
    double: float = 0.002  # faces found twice
    threshold: float = 0.6


NOISE = Noise()


class Crowd(NamedTuple):
    """A scene."""

    stays: Sequence[Stay]
    camera: Camera
    seconds: float
    walls: Sequence[Wall] = ()


class Seen(NamedTuple):
    """One frame: its time in seconds, the visible faces by stay, and the detections as boxes and scores."""

    at_s: float
    truth: dict[int, Box]
    boxes: list[Box]
    scores: list[float]


class _Path(NamedTuple):
    """A stay in the picture, one entry a frame: centre, size, distance, how far it is turned, and the score's noise."""

    stay: Stay
    first: int
    u: Floats
    v: Floats
    size: Floats
    z: Floats
    yaw: Floats
    drift: Floats


def detect(crowd: Crowd, rng: Random, noise: Noise = NOISE) -> list[Seen]:
    """What a detector finds in the frames of a crowd, `STEP_S` apart, with the truth beside it."""
    steps = round(crowd.seconds / STEP_S)
    times = (np.arange(steps) + 1) * STEP_S + rng.uniform(-0.015, 0.015, steps)  # a camera of 30 frames a second
    paths = [_project(stay, crowd.camera, times, rng) for stay in crowd.stays]
    ghosts = _ghosts(crowd.camera, paths, steps, noise, rng)
    return [_look(crowd, paths, ghosts[k], k, float(times[k]), noise, rng) for k in range(steps)]


def _project(stay: Stay, camera: Camera, times: Floats, rng: Random) -> _Path:
    keys = np.array(stay.keys, np.float64)
    first, last = np.searchsorted(times, (stay.start_s, stay.start_s + keys[-1, 0]))
    at = times[first:last] - stay.start_s
    smooth = np.linspace(-0.25, 0.25, 5)
    x, z, low, yaw = (
        np.mean([np.interp(at + shift, keys[:, 0], values) for shift in smooth], axis=0) for values in keys[:, 1:].T
    )
    walking = np.hypot(np.gradient(x, at), np.gradient(z, at)) if len(at) > 1 else np.zeros(len(at))
    bob = 0.02 * np.clip(walking, 0, 1) * np.sin(2 * np.pi * 1.9 * at + rng.uniform(0, 6))
    x, z = (values + _slow(rng, len(at), 0.04, 0.97) for values in (x, z))
    low = low + bob + _slow(rng, len(at), 0.015, 0.95)
    yaw = np.abs(yaw + _slow(rng, len(at), 12, 0.93))
    z = np.maximum(z, 0.4)
    scale = camera.focal / z
    u = camera.width / 2 + scale * x
    v = camera.height / 2 + scale * (camera.above - stay.tall + low)
    drift = _slow(rng, len(at), 1.0, 0.5)
    return _Path(stay, int(first), u, v, scale * _FACE_M, z, yaw, drift)


def _look(
    crowd: Crowd, paths: Sequence[_Path], ghosts: Sequence[tuple[Box, float]], k: int, at_s: float, noise: Noise,
    rng: Random,
) -> Seen:  # fmt: skip
    camera, truth, found = crowd.camera, dict[int, Box](), list[tuple[float, Box]]()
    here = sorted(
        (path.z[k - path.first], number) for number, path in enumerate(paths) if 0 <= k - path.first < len(path.z)
    )
    covers: list[Box] = [(wall.left, -1e4, wall.right, 1e4) for wall in crowd.walls]
    for _, number in here:  # nearest first
        path = paths[number]
        i = k - path.first
        u, v, size, yaw = float(path.u[i]), float(path.v[i]), float(path.size[i]), float(path.yaw[i])
        box = _square(u, v, size)
        outside = (max(-box[0], 0.0) + max(box[2] - camera.width, 0.0) + max(-box[1], 0.0)
                   + max(box[3] - camera.height, 0.0)) / size  # fmt: skip
        hidden = min(sum(_covered(box, cover) for cover in covers) + outside, 1.0)
        body = _BODY_M / _FACE_M * size
        covers += [
            (u - 0.5 * size, v - 0.8 * size, u + 0.5 * size, v + 0.7 * size),
            (u - body, v + 0.7 * size, u + body, 1e4),
        ]
        score = (0.9 - 0.35 / (1 + np.exp((size - camera.half_px) / (0.1 * camera.half_px))) - 0.6 * hidden
                 - 0.3 * max(yaw - 35, 0) / 30)  # fmt: skip
        if score >= noise.threshold:
            truth[path.stay.number] = box
        score += 0.035 * float(path.drift[i])
        if score >= noise.threshold and _uniform_of(path.drift[i]) >= noise.missed:
            wide = (5 if rng.random() < noise.outliers else 1) * (1 + 4 * hidden) * size
            u, v = u + rng.normal(0, noise.jitter * wide), v + rng.normal(0, noise.jitter * wide)
            side = size * float(np.exp(rng.normal(0, noise.growth * wide / size)))
            found.append((min(score, 0.98), _square(u, v, side)))
            if rng.random() < noise.double:
                shift = rng.choice([-1, 1]) * rng.uniform(0.45, 0.9) * size
                found.append((0.62, _square(u + shift, v, size)))
    found = _suppress(found) + [(score, box) for box, score in ghosts]
    return Seen(at_s, truth, [box for _, box in found], [round(float(score), 3) for score, _ in found])


def _ghosts(
    camera: Camera, paths: Sequence[_Path], steps: int, noise: Noise, rng: Random
) -> list[list[tuple[Box, float]]]:
    """Patterns that look like a face for a moment: half at a few fixed places, half on somebody's clothes."""
    found: list[list[tuple[Box, float]]] = [[] for _ in range(steps)]
    fixed = [(rng.uniform(0, camera.width), rng.uniform(0, camera.height), rng.uniform(18, 60)) for _ in range(3)]
    for k in np.flatnonzero(rng.random(steps) < noise.false).tolist():
        worn = paths[int(rng.integers(len(paths)))] if rng.random() < 0.5 else None
        place, score = fixed[int(rng.integers(3))], rng.uniform(noise.threshold, noise.threshold + 0.15)
        for later in range(k, min(k + int(rng.geometric(0.4)), steps)):
            u, v, size = place
            if worn is not None:
                i = later - worn.first
                if not 0 <= i < len(worn.z):
                    break
                u, v, size = worn.u[i], worn.v[i] + 1.6 * worn.size[i], 0.8 * worn.size[i]
            found[later].append((_square(rng.normal(u, 0.03 * size), rng.normal(v, 0.03 * size), size), score))
    return found


def _suppress(found: Sequence[tuple[float, Box]]) -> list[tuple[float, Box]]:
    """Of boxes that overlap much, the best, as detectors do."""
    kept: list[tuple[float, Box]] = []
    for score, box in sorted(found, reverse=True):
        if all(_covered(box, other) < 0.46 for _, other in kept):  # an overlap of 0.3 for boxes of one size
            kept.append((score, box))
    return kept


def _square(u: float, v: float, size: float) -> Box:
    return float(u - size / 2), float(v - size / 2), float(u + size / 2), float(v + size / 2)


def _covered(box: Box, cover: Box) -> float:
    """The share of a box that another one covers."""
    width = min(box[2], cover[2]) - max(box[0], cover[0])
    height = min(box[3], cover[3]) - max(box[1], cover[1])
    return max(width, 0.0) * max(height, 0.0) / max((box[2] - box[0]) * (box[3] - box[1]), 1e-9)


def _uniform_of(normal: float) -> float:
    """The quantile of a standard normal value, nearly."""
    return float(1 / (1 + np.exp(-1.702 * normal)))


def _slow(rng: Random, steps: int, sd: float, keep: float) -> Floats:
    """Noise around 0 of which `keep` stays from step to step (AR 1)."""
    drive, value = (rng.normal(0, sd, steps) * np.sqrt(1 - keep**2)).tolist(), float(rng.normal(0, sd))
    for k, push in enumerate(drive):
        drive[k] = value = keep * value + push
    return np.array(drive)
