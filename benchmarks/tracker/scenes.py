"""Who comes and goes, scene by scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.tracker.crowd import HALL, KIOSK, Crowd, Key, Random, Stay, Wall

_EDGE = 0.62  # x over z just outside the picture of KIOSK, with a face's width
_AWAY = 150.0  # degrees: the back of a head


class Scene(NamedTuple):
    """A scene and how many people stay in it.

    Attributes:
        says: what happens, for the page.
        make: from random numbers and the number of people.
        people: how many, at least.
    """

    says: str
    make: Callable[[Random, int], Crowd]
    people: int


def _tall(rng: Random) -> float:
    return float(rng.normal(0, 0.08))


def _cross(rng: Random, number: int, start_s: float, *, edge: float = _EDGE, stop_s: float = 0.0,
           near: float = 1.8, far: float = 4.5) -> Stay:  # fmt: skip
    """Walks from one side to the other, perhaps with a stop, and looks more or less towards the camera."""
    z, side, speed = rng.uniform(near, far), rng.choice([-1, 1]), rng.uniform(0.6, 1.5)
    yaw, end_z = rng.uniform(0, 35), 0.0
    end_z = min(max(z + rng.uniform(-0.8, 0.8), near), far)
    x0, x1, middle = -side * edge * z, side * edge * end_z, rng.uniform(-0.25, 0.25) * z
    keys, now = [Key(0, x0, z, 0, yaw)], 0.0
    if stop_s:
        now = abs(middle - x0) / speed
        keys += [Key(now, middle, z, 0, yaw), Key(now + stop_s, middle, z, 0, 0)]
        now, x0 = now + stop_s, middle
    keys.append(Key(now + max(abs(x1 - x0), 0.3) / speed, x1, end_z, 0, yaw))
    return Stay(number, start_s, keys, _tall(rng))


def cross(rng: Random, people: int) -> Crowd:
    """People cross the picture both ways."""
    seconds = 12 + 1.6 * people
    stays = [_cross(rng, n, rng.uniform(0, seconds - 9)) for n in range(people)]
    return Crowd(stays, KIOSK, seconds)


def pillar(rng: Random, people: int) -> Crowd:
    """The same behind a wall in the picture's middle."""
    crowd = cross(rng, people)
    width = rng.uniform(0.25, 0.45) * KIOSK.width
    left = rng.uniform(0.3, 0.7) * (KIOSK.width - width)
    return crowd._replace(walls=[Wall(left, left + width)])


def approach(rng: Random, people: int) -> Crowd:
    """People come nearer from afar, alone, in pairs and in threes."""
    seconds, stays = 14 + 2.0 * people, list[Stay]()
    while len(stays) < people:
        start_s, speed, lane = rng.uniform(0, seconds - 13), rng.uniform(0.8, 1.4), rng.uniform(-1.0, 1.0)
        for member in range(min(int(rng.integers(1, 4)), people - len(stays))):
            x, z = lane + 0.6 * member, 9.0 + rng.uniform(0, 1)
            keys = [Key(0, x, z, 0, 10), Key((z - 0.9) / speed, 0.7 * x, 0.9, 0, 0)]
            stays.append(Stay(len(stays), start_s + rng.uniform(0, 0.8), keys, _tall(rng)))
    return Crowd(stays, KIOSK, seconds)


def _glances(rng: Random, start_s: float, end_s: float, x: float, z: float, low: float = 0.0) -> list[Key]:
    """Stays at a place and looks away now and then for up to 8 s."""
    keys, now = [Key(start_s, x, z, low, 0)], start_s
    while (now := now + rng.uniform(2, 8)) < end_s - 9:
        away = rng.uniform(0.5, 8)
        turn = [(now, 0.0), (now + 0.4, _AWAY), (now + 0.4 + away, _AWAY), (now + 0.8 + away, 0.0)]
        keys += [Key(at, x, z, low, yaw) for at, yaw in turn[:2]]
        x, z = x + rng.normal(0, 0.06), z + rng.normal(0, 0.06)
        keys += [Key(at, x, z, low, yaw) for at, yaw in turn[2:]]
        now += 0.8 + away
    keys.append(Key(end_s, x, z, low, 0))
    return keys


def sit(rng: Random, people: int) -> Crowd:
    """People come in, sit down in two rows, look about, get up and leave."""
    seconds, stays = 45.0, list[Stay]()
    for n in range(people):
        row, column = n % 2, n // 2
        z = 2.6 + 0.9 * row
        x = (column - (people - 1) / 4) * 0.75 + 0.35 * row
        side, speed = rng.choice([-1, 1]), rng.uniform(0.7, 1.2)
        arrive = abs(x + side * _EDGE * z) / speed
        down, up = arrive + 0.5, arrive + 0.5 + rng.uniform(12, 22)
        keys = [Key(0, -side * _EDGE * z, z, 0, 25), Key(arrive, x, z, 0, 10), Key(down, x, z, 0, 0)]
        keys += _glances(rng, down + 1.2, up, x, z, 0.42)
        keys += [
            Key(up + 1.2, x, z, 0, 0),
            Key(up + 1.2 + abs(side * _EDGE * z - x) / speed, side * _EDGE * z, z, 0, 30),
        ]
        stays.append(Stay(n, rng.uniform(0, 12), keys, _tall(rng)))
    return Crowd(stays, KIOSK, seconds)


def look(rng: Random, people: int) -> Crowd:
    """Two thirds stand and look away now and then; the others pass behind them."""
    seconds, stays = 45.0, list[Stay]()
    standing = max(people * 2 // 3, 1)
    for n in range(standing):
        z = 1.7 + 0.9 * (n % 2)
        x = (n - (standing - 1) / 2) * min(0.55, 1.7 / standing) * (1 + 0.2 * (n % 2))
        stays.append(Stay(n, rng.uniform(0, 3), _glances(rng, 0, rng.uniform(30, 42), x, z), _tall(rng)))
    stays += [_cross(rng, n, rng.uniform(0, 36), near=3.2, far=4.5) for n in range(standing, people)]
    return Crowd(stays, KIOSK, seconds)


def spot(rng: Random, people: int) -> Crowd:
    """One after another at one spot; some come and go through the picture, some turn up and turn away there."""
    stays, now, z = list[Stay](), 1.0, rng.uniform(1.2, 2.5)
    for n in range(people):
        x, stay = rng.normal(0, 0.08), rng.uniform(4, 9)
        edge, walk_s = _EDGE * z * rng.choice([-1, 1]), 1.4 * z / 1.2
        keys, at = [], 0.0
        if rng.random() < 0.5:
            keys, at = [Key(0, edge, z, 0, 25)], walk_s
        else:
            keys, at = [Key(0, x, z, 0, _AWAY)], 0.5
        keys += [Key(at, x, z, 0, 0), Key(at + stay, x, z, 0, 0)]
        at += stay
        if rng.random() < 0.5:
            keys.append(Key(at + walk_s, -edge, z, 0, 25))
            at += walk_s
        else:
            keys.append(Key(at + 0.5, x, z, 0, _AWAY))
            at += 0.5
        stays.append(Stay(n, now, keys, _tall(rng)))
        now += at + rng.uniform(1.5, 8)
    return Crowd(stays, KIOSK, now + 2)


def back(rng: Random, people: int) -> Crowd:
    """Each crosses the picture, and comes back 12 to 25 s later: two stays."""
    stays = list[Stay]()
    for n in range(people):
        one = _cross(rng, 2 * n, rng.uniform(0, 10), stop_s=rng.uniform(2, 5))
        again = _cross(rng, 2 * n + 1, one.start_s + one.keys[-1].at_s + rng.uniform(12, 25), stop_s=2.0)
        stays += [one, again._replace(tall=one.tall)]
    return Crowd(stays, KIOSK, 60)


def hall(rng: Random, people: int) -> Crowd:
    """A shop's entrance from 1080p: people cross, approach, stop, and look away, behind a narrow pillar."""
    seconds, stays = 30 + 2.0 * people, list[Stay]()
    for n in range(people):
        kind, start_s = rng.random(), rng.uniform(0, seconds - 18)
        if kind < 0.5:
            stays.append(_cross(rng, n, start_s, near=3, far=7, stop_s=rng.choice([0.0, 0.0, 4.0])))
        elif kind < 0.8:
            x = rng.uniform(-1, 1)
            stays.append(
                Stay(n, start_s, [Key(0, x, 9, 0, 10), Key(8 / rng.uniform(0.8, 1.3), 0.6 * x, 1.6)], _tall(rng))
            )
        else:
            keys = _glances(rng, 0, 16, rng.uniform(-1.2, 1.2), rng.uniform(2.5, 4.5))
            stays.append(Stay(n, start_s, keys, _tall(rng)))
    middle = rng.uniform(0.3, 0.7) * HALL.width
    return Crowd(stays, HALL, seconds, [Wall(middle - 120, middle + 120)])


SCENES = {
    **{f"cross-{n}": Scene(f"{n} people cross", cross, n) for n in (3, 8, 15)},
    **{f"pillar-{n}": Scene(f"{n} cross behind a wall of 160 to 290 px", pillar, n) for n in (3, 8, 15)},
    **{f"hall-{n}": Scene(f"{n} in a shop's entrance, 1080p, with a pillar", hall, n) for n in (3, 8, 15)},
    "approach-8": Scene("8 come nearer, alone and in groups", approach, 8),
    "sit-8": Scene("8 come in, sit down in two rows, look about, leave", sit, 8),
    "look-8": Scene("5 stand and look away for up to 8 s, 3 pass behind", look, 8),
    "spot-5": Scene("5 one after another at one spot", spot, 5),
    "back-5": Scene("5 who leave and come back after 12 to 25 s", back, 5),
}


def draw_scene(name: str, seed: int) -> tuple[Crowd, Random]:
    """The crowd of a scene, and the random numbers for its detector."""
    rng = np.random.default_rng([seed, *name.encode()])
    return SCENES[name].make(rng, SCENES[name].people), rng
