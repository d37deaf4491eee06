"""Mode `dp`: hours and days leave once, with noise, and nothing else about people does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edge.affect.private import PrivateMode
from edge.affect.window import Windower
from edge.clock import NS, FileClock
from edge.config import WindowConfig
from edge.contract import Model, Origin, Window, decode, encode
from edge.values import AffectScore, Detection, Track

HOUR_S = 3600
DAY = 1_793_487_600  # midnight in Berlin, 2026-11-01
ORIGIN = Origin(
    site="hall",
    device="door",
    tz="Europe/Berlin",
    tags={},
    model=Model(name="default", version=5, sha256="0" * 64),
    policy="0" * 32,
)


@dataclass
class Synced(FileClock):
    right: bool = True

    def synced(self) -> bool:
        return self.right


class Place:
    """A device at a place; each hour so many people come nearer for three seconds."""

    def __init__(self, folder: Path, since_s: int = DAY, epsilon: float = 8.0) -> None:
        self.clock = Synced(origin_ns=since_s * NS)
        self.clock.boot_id = str(id(self))
        private = PrivateMode(epsilon, folder / "privacy.db", self.clock, ORIGIN.tz)
        self.windows: list[Window] = []
        self.windower = Windower(
            WindowConfig(window_s=HOUR_S), self.clock, ORIGIN, lambda: ("0123abcd", 1 + len(self.windows)),
            step_s=0.1, reset_s=60, private=private,
        )  # fmt: skip
        self.now_ns, self.next_id = 0, 1

    def advance(self) -> None:
        for window, _ in self.windower.advance(self.now_ns):
            self.windows.append(window)

    def hours(self, count: int, people: int = 40) -> list[Window]:
        for _ in range(count):
            end_ns = self.now_ns + HOUR_S * NS
            for step in range(30):
                faces = [
                    self.face(self.next_id + number, 95.0 * number + 60, 20 + 2 * step) for number in range(people)
                ]
                self.look(faces)
                self.now_ns += NS // 10
            self.next_id += people
            while self.now_ns < end_ns:
                self.look([])
                self.now_ns += 60 * NS
            self.now_ns = end_ns
        self.advance()
        found, self.windows[:] = list(self.windows), []
        return found

    def look(self, faces: list[Track]) -> None:
        self.advance()
        scores = [
            AffectScore(track_id=face.id, captured_ns=self.now_ns, valence=0.2, arousal=-0.1, warm=True)
            for face in faces
        ]
        self.windower.observe(faces, scores, self.now_ns, (4000, 1000))

    def face(self, number: int, x: float, size: float) -> Track:
        box = (x - size / 2, 500 - size / 2, x + size / 2, 500 + size / 2)
        return Track(
            id=number, missed=0,
            detection=Detection(box_px=box, score=0.9, landmarks_px=np.zeros((5, 2), np.float32)),
        )  # fmt: skip


def first_day(folder: Path) -> None:
    """A ledger that is a day old."""
    Place(folder, since_s=DAY - 24 * HOUR_S).hours(1)


def test_an_hour_leaves_with_noise_and_without_any_exact_number(tmp_path: Path) -> None:
    first_day(tmp_path)
    (hour,) = Place(tmp_path).hours(1)
    assert hour.suppressed is None
    assert hour.epsilon == 8.0
    assert hour.valence is not None
    assert hour.valence.mean == pytest.approx(0.2, abs=0.3)
    assert hour.people is not None
    assert 10 <= hour.people < 100
    exact = (hour.visits, hour.visits_begun, hour.peak_simultaneous, hour.scored_s, hour.unscored_visits)
    assert exact == (None,) * 5
    assert hour.valence.std is hour.quadrants is None
    assert decode(encode(hour), Window) == hour


def test_the_noise_differs_from_hour_to_hour(tmp_path: Path) -> None:
    first_day(tmp_path)
    hours = Place(tmp_path, epsilon=0.5).hours(12)
    assert len({(hour.people, hour.valence and hour.valence.mean) for hour in hours}) > 6


def test_a_day_leaves_after_its_last_hour(tmp_path: Path) -> None:
    first_day(tmp_path)
    windows = Place(tmp_path).hours(25)
    days = [window for window in windows if (window.end - window.start).total_seconds() > HOUR_S]
    assert len(windows) == 26
    (day,) = days
    assert (day.start.timestamp(), day.end.timestamp()) == (DAY, DAY + 24 * HOUR_S)
    assert windows.index(day) == 24
    assert day.people == pytest.approx(24 * 40, abs=100)
    assert day.valence is not None
    assert day.valence.mean == pytest.approx(0.2, abs=0.05)


def test_what_was_paid_for_is_not_released_again_after_a_restart_or_a_clock_set_back(tmp_path: Path) -> None:
    first_day(tmp_path)
    assert [window.suppressed for window in Place(tmp_path).hours(3)] == [None] * 3
    again = Place(tmp_path, since_s=DAY + HOUR_S).hours(3)
    assert [window.suppressed for window in again] == ["budget", "budget", None]
    before = Place(tmp_path, since_s=DAY - 24 * HOUR_S).hours(2)
    assert {window.suppressed for window in before} == {"budget"}


def test_nothing_is_released_while_the_clock_is_not_synchronized(tmp_path: Path) -> None:
    first_day(tmp_path)
    place = Place(tmp_path)
    place.clock.right = False
    (hour,) = place.hours(1)
    assert (hour.suppressed, hour.visits, hour.people) == ("budget", None, None)


def test_a_ledger_that_is_a_link_is_not_followed_and_nothing_is_released(tmp_path: Path) -> None:
    (tmp_path / "privacy.db").symlink_to(tmp_path / "elsewhere.db")
    (hour,) = Place(tmp_path).hours(1)
    assert hour.suppressed == "budget"
    assert not (tmp_path / "elsewhere.db").exists()


def test_nothing_is_released_when_the_ledger_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "privacy.db").mkdir()
    (hour,) = Place(tmp_path).hours(1)
    assert hour.suppressed == "budget"
