"""The schedule by itself; how it copes with overload is in test_overload.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import NS
from edge.face.search import Schedule
from edge.values import Detection, Track

PERIOD_NS = NS // 30


def tracks(*ids: int) -> list[Track]:
    detection = Detection(box_px=(0, 0, 60, 60), score=0.9, landmarks_px=np.zeros((6, 2), np.float32))
    return [Track(id=track_id, detection=detection, age=5, missed=0) for track_id in ids]


def step_of(now_ns: int) -> int:
    """The grid step that an instant is nearest to."""
    return (now_ns + NS // 20) // (NS // 10)


def look(
    schedule: Schedule, now_ns: int, faces: list[Track], *, unsettled: bool = False
) -> tuple[bool, list[int] | None]:
    """One frame: whether it was searched, and who was looked at; None where it was left alone."""
    schedule.begin(now_ns, step_of(now_ns))
    searched = schedule.searches(now_ns, unsettled=unsettled)
    if schedule.rests:
        assert not searched
        return False, None
    if searched:
        schedule.searched(now_ns)
    chosen = schedule.choose(faces)
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
    schedule.begin(0, 0)
    assert schedule.searches(0)  # and the detector raises
    assert look(schedule, PERIOD_NS, [])[0]


@pytest.mark.parametrize("fps", [5, 10, 12, 15, 20, 25, 30, 60])
def test_faces_are_searched_for_in_the_first_frame_of_each_step_and_the_others_are_left_alone(fps: int) -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0, frame_s=1 / fps)
    times = [round(index * NS / fps) for index in range(4 * fps)]
    looks = [look(schedule, now_ns, tracks(3, 7)) for now_ns in times]
    steps = [step_of(now_ns) for now_ns in times]
    first = [step not in steps[:index] for index, step in enumerate(steps)]
    assert looks == [(True, [3, 7]) if new else (False, None) for new in first]
    assert sum(first) in (40, 41) if fps >= 10 else all(first)


@given(
    periods_ms=st.lists(st.integers(1, 400), min_size=5, max_size=60),
    unsettled=st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_whatever_the_camera_s_jitter_a_score_comes_from_a_search_in_its_own_frame(
    periods_ms: list[int], unsettled: list[bool]
) -> None:
    schedule, now_ns, searched = Schedule(step_s=0.1, reset_s=1.0), 0, []
    for period_ms, again in zip(periods_ms, unsettled, strict=False):
        now_ns += period_ms * 1_000_000
        search, looked = look(schedule, now_ns, tracks(1, 2), unsettled=again)
        assert search == (looked is not None) == (again or step_of(now_ns) not in searched)
        assert looked in ([1, 2], [], None)
        assert (looked == [1, 2]) == (step_of(now_ns) not in searched)
        searched += [step_of(now_ns)]


def test_a_search_that_failed_is_made_up_on_the_grid_too() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0)
    look(schedule, 0, [])
    schedule.begin(2 * PERIOD_NS, 1)
    assert schedule.searches(2 * PERIOD_NS)  # and the detector raises
    assert look(schedule, 3 * PERIOD_NS, []) == (True, [])
    assert look(schedule, 4 * PERIOD_NS, []) == (False, None)


def test_somebody_who_was_lost_is_searched_for_again_and_looked_at_in_the_same_step() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0)
    look(schedule, 0, tracks(1, 2))
    assert look(schedule, 2 * PERIOD_NS, tracks(2)) == (True, [2])
    assert look(schedule, 3 * PERIOD_NS, tracks(1, 2), unsettled=True) == (True, [1])
    assert look(schedule, 4 * PERIOD_NS, tracks(1, 2)) == (False, None)


def test_faces_put_off_for_lack_of_time_keep_the_next_frame_from_being_left_alone() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0, now_ns=lambda: 0)
    # Until it is known what a face costs, one a frame is tried.
    assert look(schedule, 0, tracks(1, 2)) == (True, [1])
    assert look(schedule, PERIOD_NS, tracks(1, 2)) == (False, [2])
    assert look(schedule, PERIOD_NS + 1, tracks(1, 2)) == (False, None)


def test_each_face_is_looked_at_once_a_step_in_the_order_of_its_id() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0, detect_every=1)
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
    worked_on: list[int] = []  # faces in view, frame by frame
    searches = 0
    for faces in crowds:
        begun = captured = now[0]
        slot = step_of(captured)
        schedule.begin(captured, slot)
        if schedule.searches(captured):
            now[0] += detect_ms * 1_000_000
            schedule.searched(captured)
            searches += 1
        if schedule.rests:
            now[0] = begun + PERIOD_NS
            continue
        chosen = schedule.choose(tracks(*range(1, faces + 1)))
        assert not looked & {(track.id, slot) for track in chosen}
        looked |= {(track.id, slot) for track in chosen}
        now[0] += len(chosen) * face_ms * 1_000_000
        schedule.scored(len(chosen))
        schedule.end()
        worked_on.append(faces)
        if searches > 3:  # the level of a frame follows from the faces in view in the one before
            calm = worked_on[-2] >= faces
            assert not calm or now[0] - begun <= (80 + detect_ms + face_ms) * 1_000_000
        now[0] = max(now[0], begun + PERIOD_NS)
