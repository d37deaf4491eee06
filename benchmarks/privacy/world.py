"""The simulated world: who is where, and what a face detector makes of it on the device's time grid.

Places are metres: x to the right of the camera's axis, z away from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Random = np.random.Generator
Key = tuple[float, float, float, float]  # seconds after the start, x, z, degrees that the face is turned away
STEP_S = 0.1
_FACE_M = 0.18  # side of the detector's box
_MIN_PX, _MAX_YAW = 24.0, 55.0  # as the device's quality gate has them


class Camera(NamedTuple):
    """A camera: picture size and focal length in pixels, height over an average face in metres; and the size in pixels
    at which its detector finds half of the faces.
    """

    width: int
    height: int
    focal: float
    above: float
    half_px: float


KIOSK = Camera(640, 480, 554, 0.1, 37)  # the default detector
HALL = Camera(1920, 1080, 1663, 0.4, 24)  # YuNet on the whole picture


class Show(NamedTuple):
    """One stretch of time that somebody spends before the camera: who (posters are below 0), from when, and where, with
    straight lines between the keys; metres over an average height; and whether it is a picture.
    """

    person: int
    start_s: float
    keys: Sequence[Key]
    tall: float = 0.0
    fixed: bool = False

    @property
    def end_s(self) -> float:
        return self.start_s + self.keys[-1][0]


class Face(NamedTuple):
    """A detection: centre and size in pixels, whose face it is, and whether the quality gate would score it."""

    x: float
    y: float
    size: float
    person: int
    good: bool


def walk(points: Sequence[tuple[float, float]], speed: float, turned: float = 0.0, pause_s: float = 0.0) -> list[Key]:
    """Keys of a walk along points (x, z), metres a second; with a pause at the second one, to look at the camera."""
    keys, now = [(0.0, *points[0], turned)], 0.0
    for number, (before, point) in enumerate(pairwise(points)):
        now += float(np.hypot(point[0] - before[0], point[1] - before[1])) / speed
        keys.append((now, *point, turned))
        if pause_s and number == 0:
            keys += [(now + 0.5, *point, 0.0), (now + pause_s, *point, 0.0)]
            now += pause_s
    return keys


def detect(shows: Sequence[Show], camera: Camera, steps: int, rng: Random) -> list[list[Face]]:
    """What the detector finds, step by step: noise in place and size, misses that come in bursts, doubles, and
    patterns that look like a face for a moment.
    """
    found: list[list[Face]] = [[] for _ in range(steps)]
    for show in shows:
        first = round(show.start_s / STEP_S)
        at = np.arange(min(int(show.keys[-1][0] / STEP_S), steps - first)) * STEP_S
        if not len(at):
            continue
        times, *places = np.array(show.keys, np.float64).T
        x, z, yaw = (np.interp(at, times, values) for values in places)
        if not show.fixed:
            x, z = (values + _slow(rng, len(at), 0.04, 0.98) for values in (x, z))
            yaw = yaw + 0.7 * np.degrees(np.arctan2(abs(x), z)) + _slow(rng, len(at), 11, 0.95)
        z = np.maximum(z, 0.4)
        size = camera.focal * _FACE_M / z
        u = camera.width / 2 + camera.focal * x / z
        v = camera.height / 2 + camera.focal * (camera.above - show.tall) / z
        inside = (u > 0) & (u < camera.width) & (v > 0) & (v < camera.height)
        odds = (size - camera.half_px) / (0.12 * camera.half_px)  # their logarithm
        chance = 0.97 / (1 + np.exp(-odds)) * np.clip((80 - abs(yaw)) / 25, 1e-6, 1)
        hit = inside & (_slow(rng, len(at), 1.7, 0.7) < np.log(chance / (1 - chance)))  # nearly a logistic variable
        size *= 1 + _slow(rng, len(at), 0.04, 0.4)
        u, v = (values + size * _slow(rng, len(at), 0.025, 0.4) for values in (u, v))
        good = (size >= _MIN_PX) & (abs(yaw) <= _MAX_YAW)
        for k in np.flatnonzero(hit).tolist():
            found[first + k].append(Face(float(u[k]), float(v[k]), float(size[k]), show.person, bool(good[k])))
    for k in np.flatnonzero(rng.random(steps) < 0.0004).tolist():
        ghost = Face(rng.uniform(0, camera.width), rng.uniform(0, camera.height), rng.uniform(24, 80), -99, True)
        for faces in found[k : k + int(rng.geometric(0.25))]:
            faces.append(ghost)
    return [_overlap(faces, rng) if faces else faces for faces in found]


def _overlap(faces: list[Face], rng: Random) -> list[Face]:
    """Leaves out who is hidden behind another, and now and then finds a face twice."""
    kept = [
        face for face in faces
        if not any(other.size > 1.15 * face.size and abs(other.x - face.x) < 0.6 * other.size
                   and abs(other.y - face.y) < 0.8 * other.size for other in faces)
    ]  # fmt: skip
    if kept and rng.random() < 0.002:
        kept.append(kept[0]._replace(x=kept[0].x + rng.uniform(0.4, 0.9) * kept[0].size))
    return kept


def _slow(rng: Random, steps: int, sd: float, keep: float) -> Floats:
    """Noise around 0 of which `keep` stays from step to step (AR 1)."""
    drive, value = (rng.normal(0, sd, steps) * np.sqrt(1 - keep**2)).tolist(), float(rng.normal(0, sd))
    for k, push in enumerate(drive):
        drive[k] = value = keep * value + push
    return np.array(drive)
