"""Plays a scene through the device's own tracker, visits and release rule."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np

from benchmarks.privacy.scenes import Scene
from benchmarks.privacy.world import STEP_S, Face, Random, detect
from edge.affect.presence import Presence
from edge.affect.release import Decision, Rule, judge
from edge.affect.residents import Resident
from edge.affect.summary import summarize
from edge.affect.visits import Visits
from edge.clock import NS
from edge.face.tracker import Tracker, seen
from edge.values import Detection, Track

WINDOW_S = 900
RUN_WINDOWS = 8  # consecutive windows of one place
CROWD_MEAN, CROWD_SD = 0.05, 0.25  # valence of people
_STEP_SD = 0.10  # of one person, from step to step
_WARMUP = 5  # steps, as the default bundle has them
_NO_LANDMARKS = np.zeros((5, 2), np.float32)
_Sums = dict[int, list[float]]  # by person: scored steps, sum of valence


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """One window: the decision, the mean valence that leaves, each person's true weight in it, and own mean."""

    released: bool
    people: int
    proven: int
    heaviest: float
    mean: float | None
    weights: dict[int, float]
    valence: dict[int, float]


def play_run(
    scene: Scene, name: str, run: int, rule: Rule, *, windows: int = RUN_WINDOWS, window_s: int = WINDOW_S
) -> list[Played]:
    """Plays consecutive windows of one place; `name` and `run` are the seed."""
    steps, seed = round(window_s / STEP_S), zlib.crc32(name.encode())
    device, played = _Device(rule, (scene.camera.width, scene.camera.height)), []
    for number in range(windows):
        rng = np.random.default_rng([seed, run, number])
        shows = scene.make(rng, np.random.default_rng([seed, run]), window_s)
        found = detect(shows, scene.camera, steps, rng)
        levels = {show.person: float(np.clip(rng.normal(CROWD_MEAN, CROWD_SD), -0.95, 0.95)) for show in shows}
        played.append(device.window(found, levels, number * steps, rng))
    return played


class _Device:
    """The parts of the device between the detector and the outbox."""

    def __init__(self, rule: Rule, frame_px: tuple[int, int]) -> None:
        self._rule, self._frame_px = rule, frame_px
        self._tracker, self._visits, self._presence = Tracker(), Visits(reentry_s=10.0), Presence(step_s=STEP_S)
        self._residents: tuple[Resident, ...] = ()
        self._steps: dict[int, int] = {}

    def window(self, found: list[list[Face]], levels: dict[int, float], first: int, rng: Random) -> Played:
        truth: dict[int, _Sums] = {}  # by visit
        noise = rng.normal(0, _STEP_SD, len(found) + 64)
        tracks: list[Track] = []
        for step, faces in enumerate(found):
            if not (faces or tracks):
                continue
            now_ns = round((first + step) * STEP_S * NS)
            detections = [_detection(face) for face in faces]
            whose = {id(detection): face for detection, face in zip(detections, faces, strict=True)}
            tracks = self._tracker.update(detections, now_ns)
            in_view = seen(tracks)
            visits = self._visits.observe(in_view, now_ns, self._frame_px)
            self._presence.observe(visits, in_view, now_ns, self._frame_px)
            for track in in_view:
                face, number = whose[id(track.detection)], visits[track.id].number
                self._steps[track.id] = self._steps.get(track.id, 0) + face.good
                if face.good and self._steps[track.id] >= _WARMUP:
                    valence = levels.get(face.person, 0.0) + noise[step + track.id % 64]
                    self._presence.score(number, valence, 0.0)
                    sums = truth.setdefault(number, {}).setdefault(face.person, [0.0, 0.0])
                    sums[0] += 1
                    sums[1] += valence
        decision = judge(
            self._presence.close(), self._rule, width_px=self._frame_px[0], began_ns=round(first * STEP_S * NS),
            residents=self._residents,
        )  # fmt: skip
        self._residents = decision.residents
        return _compare(decision, truth)


def _compare(decision: Decision, truth: dict[int, _Sums]) -> Played:
    """What was decided, beside each person's true weight and own mean."""
    weights: dict[int, float] = {}
    for possible in decision.people:
        parts = [(person, steps) for visit in possible.visits for person, (steps, _) in truth[visit].items()]
        whole = len(decision.people) * sum(steps for _, steps in parts)
        for person, steps in parts:
            weights[person] = weights.get(person, 0.0) + steps / whole
    own: _Sums = {}
    for people in truth.values():
        for person, sums in people.items():
            own[person] = [a + b for a, b in zip(own.get(person, (0.0, 0.0)), sums, strict=True)]
    return Played(
        released=decision.released,
        people=len(decision.people),
        proven=decision.proven,
        heaviest=round(decision.heaviest, 4),
        mean=summarize([person.valence for person in decision.people]).mean if decision.released else None,
        weights={person: round(float(weight), 4) for person, weight in weights.items()},
        valence={person: round(float(valence / steps), 4) for person, (steps, valence) in own.items()},
    )


def _detection(face: Face) -> Detection:
    x, y, half = face.x, face.y, face.size / 2
    return Detection(box_px=(x - half, y - half, x + half, y + half), score=0.9, landmarks_px=_NO_LANDMARKS)
