"""Which tracks are one visit: by place, size, motion and time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edge.affect.visits import Visits
from edge.clock import NS
from edge.values import Detection, Track

FRAME = (640, 480)
SIZE = 40.0
NOWHERE = np.zeros((5, 2), np.float32)


def track(number: int, x: float, y: float = 200.0, speed: float = 0.0) -> Track:
    half = SIZE / 2
    place = Detection(box_px=(x - half, y - half, x + half, y + half), score=0.9, landmarks_px=NOWHERE)
    return Track(id=number, detection=place, missed=0, speed=(speed, 0.0))


def count(frames: Sequence[tuple[float, list[Track]]]) -> int:
    """Visits begun in frames at these seconds."""
    visits = Visits(reentry_s=10)
    for at_s, tracks in frames:
        visits.observe(tracks, round(at_s * NS), FRAME)
    return visits.begun


@pytest.mark.parametrize(("wall_px", "speed"), [(300, 220.0), (450, 220.0), (450, 110.0)])
def test_three_people_behind_a_wall_are_three_visits(wall_px: int, speed: float) -> None:
    frames, half = [], wall_px / 2
    for step in range(160):
        at_s, here = step / 10, []
        for person in range(3):
            x = -20 + speed * (at_s - 1.2 * person)
            if 0 < x < 640 and abs(x - 320) > half:
                here.append(track(10 * person + (x > 320), x, 160 + 25 * person, speed))
        frames.append((at_s, here))
    assert count(frames) == 3


@pytest.mark.parametrize(("slower", "visits"), [(0.0, 1), (0.6, 1), (1.6, 2)], ids=["stopped", "slowed", "overtook"])
def test_who_was_lost_while_walking_goes_on_anywhere_on_the_way_but_not_beyond(slower: float, visits: int) -> None:
    way = 200.0 * 1.5
    assert count([(0, [track(1, 150, speed=200)]), (1.5, [track(2, 150 + slower * way, speed=100)])]) == visits


def test_two_who_cross_behind_a_wall_keep_their_visits() -> None:
    visits = Visits(reentry_s=10)
    visits.observe([track(1, 200, speed=150), track(2, 440, speed=-150)], 0, FRAME)
    after = visits.observe([track(3, 430, speed=150), track(4, 210, speed=-150)], round(1.5 * NS), FRAME)
    assert (after[3].number, after[4].number) == (1, 2)


@pytest.mark.parametrize("gap_s", [0.3, 1, 5])
def test_next_one_to_come_in_where_somebody_left_the_picture_is_somebody_else(gap_s: float) -> None:
    assert count([(0, [track(1, 610, speed=180)]), (gap_s, [track(2, 615, speed=-170)])]) == 2


def test_who_stands_at_the_border_and_looks_away_is_one_visit() -> None:
    assert count([(0, [track(1, 615, speed=10)]), (6, [track(2, 612)])]) == 1


def test_of_two_new_tracks_the_better_fit_goes_on_and_the_other_is_new() -> None:
    visits = Visits(reentry_s=10)
    visits.observe([track(1, 300)], 0, FRAME)
    after = visits.observe([track(2, 330), track(3, 302)], NS, FRAME)
    assert (after[3].number, after[2].number) == (1, 2)


def test_tracks_of_one_visit_that_appear_together_are_two() -> None:
    visits = Visits(reentry_s=10)
    for step, number in enumerate((1, 2, 3)):
        visits.observe([track(number, 300)], step * NS, FRAME)
    assert visits.begun == 1
    both = visits.observe([track(1, 300), track(2, 310)], 3 * NS, FRAME)
    assert both[1].number != both[2].number
