"""The schedule by itself; how it copes with overload is in test_overload.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import NS
from edge.schedule import Schedule
from edge.types import Detection, Track

PERIOD_NS = NS // 30


def tracks(*ids: int) -> list[Track]:
    detection = Detection(box_px=(0, 0, 60, 60), score=0.9, landmarks_px=np.zeros((6, 2), np.float32))
    return [Track(id=track_id, detection=detection, age=5, missed=0) for track_id in ids]


def look(schedule: Schedule, now_ns: int, faces: list[Track]) -> tuple[bool, list[int]]:
    """One frame: whether it was searched, and who was looked at."""
    schedule.begin(now_ns)
    searched = schedule.searches(now_ns)
    if searched:
        schedule.searched(now_ns)
    chosen = schedule.choose(faces, (now_ns + NS // 20) // (NS // 10))
    schedule.scored(len(chosen))
    schedule.end()
    return searched, [track.id for track in chosen]


@pytest.mark.parametrize("every", [1, 2, 3, 10])
def test_faces_are_searched_for_in_every_nth_frame_from_the_first_on(every: int) -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0, detect_every=every)
    searched = [look(schedule, index * PERIOD_NS, [])[0] for index in range(60)]
    assert searched == [index % every == 0 for index in range(60)]


def test_a_search_that_failed_is_made_up_in_the_next_frame() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0, detect_every=3)
    schedule.begin(0)
    assert schedule.searches(0)  # and the detector raises
    assert look(schedule, PERIOD_NS, [])[0]


def test_each_face_is_looked_at_once_a_step_in_the_order_of_its_id() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0)
    assert look(schedule, 0, tracks(3, 7)) == (True, [3, 7])
    assert look(schedule, PERIOD_NS, tracks(3, 7, 9)) == (True, [9])
    assert look(schedule, 2 * PERIOD_NS, tracks(3, 7, 9)) == (True, [3, 7, 9])


def test_where_time_stands_still_nothing_is_ever_left_out() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0)
    crowd = tracks(*range(1, 101))
    for step in range(50):
        assert look(schedule, step * NS // 10, crowd) == (True, list(range(1, 101)))
    assert (schedule.load.level, schedule.load.demand, schedule.load.skipped) == ("normal", None, 0)


def test_who_left_is_forgotten_and_told() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0)
    look(schedule, 0, tracks(1, 2, 3))
    assert sorted(schedule.forget({2})) == [1, 3]
    assert schedule.forget({2}) == []
    assert schedule.tracks == 1


@given(
    detect_ms=st.integers(1, 150),
    face_ms=st.integers(1, 60),
    crowds=st.lists(st.integers(0, 20), min_size=40, max_size=80),
)
def test_whatever_the_costs_no_frame_is_given_more_than_it_has_time_for(
    detect_ms: int, face_ms: int, crowds: list[int]
) -> None:
    """A frame may cost a search and one face; beyond that, the budget. And nobody is looked at twice in a step."""
    now = [0]
    schedule = Schedule(step_s=0.1, reset_s=1.0, frame_s=1 / 30, now_ns=lambda: now[0])
    looked: set[tuple[int, int]] = set()
    for index, faces in enumerate(crowds):
        begun = captured = now[0]
        schedule.begin(captured)
        if schedule.searches(captured):
            now[0] += detect_ms * 1_000_000
            schedule.searched(captured)
        slot = (captured + NS // 20) // (NS // 10)
        chosen = schedule.choose(tracks(*range(1, faces + 1)), slot)
        assert not looked & {(track.id, slot) for track in chosen}
        looked |= {(track.id, slot) for track in chosen}
        now[0] += len(chosen) * face_ms * 1_000_000
        schedule.scored(len(chosen))
        schedule.end()
        if index > 3:  # the level of a frame follows from the faces in view in the one before
            calm = crowds[index - 1] >= faces
            assert not calm or now[0] - begun <= (80 + detect_ms + face_ms) * 1_000_000
        now[0] = max(now[0], begun + PERIOD_NS)
