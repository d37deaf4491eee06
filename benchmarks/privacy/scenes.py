"""Who comes, scene by scene: each gives everybody's stretches in one window."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.privacy.world import HALL, KIOSK, Camera, Random, Show, walk

Make = Callable[[Random, Random, int], list[Show]]  # random numbers of this window and of this run, seconds


def _looks(rng: Random, person: int, seconds: int, look_s: float, away_s: float, x: float, z: float,
           roam: float) -> list[Show]:  # fmt: skip
    """Looks at the camera from one place with pauses, in which the person moves by up to `roam` metres."""
    shows, now = [], rng.exponential(away_s)
    while now < seconds:
        shows.append(Show(person, now, [(0, x, z, 0), (max(rng.exponential(look_s), 0.5), x, z, 0)]))
        now = shows[-1].end_s + rng.exponential(away_s)
        x = min(max(x + rng.uniform(-roam, roam), -0.45 * z), 0.45 * z)
    return shows


def _walkers(rng: Random, first: int, count: int, seconds: int, away: tuple[float, float] = (20, 60)) -> list[Show]:
    """Somebody who walks about, leaves and returns, again and again, or several who do so together."""
    shows: list[Show] = []
    now, tall = rng.uniform(0, away[1]), rng.normal(0, 0.08)
    while now < seconds:
        kind, side, z, speed = rng.choice(["cross", "afar", "browse"]), rng.choice([-1, 1]), rng.uniform(2, 5), 0.0
        speed, turned, look_s = rng.uniform(0.8, 1.3), rng.uniform(0, 45), rng.uniform(3, 10)
        out, lane, spot = side * rng.choice([-1, 1]), rng.uniform(-1.2, 1.2), rng.uniform(-0.3, 0.3)
        for number in range(count):
            gap, edge = 0.65 * number, 0.62 * z
            points, pause_s = [(-side * edge, z + gap), (spot * z, z + gap), (out * edge, z + gap)], 0.0
            if kind == "afar":
                points, turned = [(lane + gap, 13.0), (0.6 * lane + gap, 1.1)], 0.0
            elif kind == "browse":
                points, turned, pause_s = [(x + gap, z) for x, _ in points], 25.0, look_s
            shows.append(Show(first + number, now, walk(points, speed, turned, pause_s), tall + 0.05 * number))
        now = shows[-1].end_s + rng.uniform(*away)
    return shows


def _passers(rng: Random, people: int, seconds: int, pairs: float = 0.5) -> list[Show]:
    """So many different people who come in from afar and pass, one by one or in pairs."""
    shows: list[Show] = []
    while len(shows) < people:
        together = 2 if rng.random() < pairs and len(shows) + 1 < people else 1
        start_s, speed, lane = rng.uniform(0, seconds - 14), max(rng.normal(1.25, 0.15), 0.8), rng.uniform(-1.2, 1.2)
        for number in range(together):
            x = lane + number * rng.uniform(0.55, 0.8)
            keys = walk([(x, 13.0), (0.8 * x, 1.1)], speed)
            shows.append(Show(100 + len(shows), start_s + rng.uniform(0, 0.5), keys, rng.normal(0, 0.08)))
    return shows


def _shelf(rng: Random, run: Random, seconds: int) -> list[Show]:
    return _looks(rng, 1, seconds, 4, 12, 0.0, rng.uniform(0.7, 1.5), run.choice([0.0, 0.3, 1.0]))


def _posters(rng: Random, run: Random, seconds: int) -> list[Show]:
    depths = run.uniform(1.5, 6, 3)
    places = [(run.uniform(-0.45, 0.45) * z, z) for z in depths]
    shows = [Show(-1 - n, 0, [(0, x, z, 0), (seconds, x, z, 0)], 0.1, True) for n, (x, z) in enumerate(places)]
    return shows + _walkers(rng, 1, 1, seconds)


def _staff(rng: Random, run: Random, seconds: int) -> list[Show]:
    shows, roaming, z = _walkers(rng, 1, 1, seconds), run.random() < 0.5, run.uniform(2, 4)
    for person, x in ((50, -0.8), (51, 0.8)):
        walks = _walkers(rng, person, 1, seconds, (10, 40)) if roaming else []
        shows += walks or _looks(rng, person, seconds, 6, 8, x, z, 0.4)
    return shows


def _queue(rng: Random, _run: Random, seconds: int) -> list[Show]:
    shows: list[Show] = []
    now = rng.uniform(0, 20)
    for person in range(100, 100 + 12 * seconds // 900):
        side, z = rng.choice([-1, 1]), rng.uniform(0.7, 1.0)
        points = [(side * 0.62 * z, z + 0.2), (0.0, z), (-side * 0.62 * z, z)]
        shows.append(Show(person, now, walk(points, 0.7, 20, rng.uniform(25, 60)), rng.normal(0, 0.05)))
        now = shows[-1].end_s + rng.uniform(5, 20)
    return shows


class Scene(NamedTuple):
    """Who comes, the camera that looks at them, and what to call it on the page."""

    make: Make
    camera: Camera
    says: str


def _entrance(people: int, pairs: float = 0.5) -> Make:
    return lambda rng, _run, seconds: _passers(rng, people, seconds, pairs)


def _friends(count: int, others: int = 0, pairs: float = 0.5) -> Make:
    return lambda rng, _run, seconds: _walkers(rng, 1, count, seconds) + _passers(rng, others, seconds, pairs)


SCENES = {
    "shelf": Scene(_shelf, KIOSK, "one person at a shelf: looks of 4 s, 12 s away; still, along it, or stepping about"),
    "walk": Scene(_friends(1), HALL, "one person who walks about, leaves and returns every 20 to 60 s"),
    "posters": Scene(_posters, HALL, "the same person and three posters"),
    "staff": Scene(_staff, HALL, "two members of staff, at a counter or walking, and one visitor who returns"),
    "entrance": Scene(_entrance(40), HALL, "an entrance: 40 different people, singly and in pairs, from afar"),
    "queue": Scene(_queue, KIOSK, "a kiosk: 12 different people one after another, 5 to 20 s between them"),
    "friends": Scene(_friends(2), HALL, "two friends who walk about together, leave and return"),
    "three-friends": Scene(_friends(3), HALL, "three friends who do so"),
    "four-friends": Scene(_friends(4), HALL, "four friends who do so"),
    "returner": Scene(_friends(1, 40), HALL, "the entrance, and one more who returns every 20 to 60 s"),
    "few-pairs": Scene(_friends(1, 16, 1.0), HALL, "eight pairs from afar, and one more who returns so"),
    "entrance-20": Scene(_entrance(20), HALL, "an entrance with 20 people"),
    "entrance-80": Scene(_entrance(80), HALL, "an entrance with 80 people"),
    "singles": Scene(_entrance(40, 0.0), HALL, "an entrance with 40 people, nobody in company"),
}
