"""The schedule by itself; how it copes with overload is in test_overload.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import NS, grid_step
from edge.face.schedule import Plan, Schedule, Spent, one_frame_a_step
from edge.values import Detection, Track

PERIOD_NS = NS // 30
MS = 1_000_000


def tracks(*ids: int) -> list[Track]:
    detection = Detection(box_px=(0, 0, 60, 60), score=0.9, landmarks_px=np.zeros((5, 2), np.float32))
    return [Track(id=track_id, detection=detection, missed=0) for track_id in ids]


def step_of(now_ns: int) -> int:
    return grid_step(now_ns, NS // 10)


def work(
    schedule: Schedule, now_ns: int, faces: list[Track], *, search_ms: float = 0, face_ms: float = 0
) -> tuple[Plan, list[int]]:
    """One frame: its plan, and who was scored in it."""
    plan = schedule.plan(now_ns)
    if not plan.work:
        return plan, []
    due = [track.id for track in plan.due(faces)]
    search_ns = round(search_ms * MS) if plan.search else 0
    total_ns = search_ns + round(len(due) * face_ms * MS)
    spent = Spent(search_ns=search_ns, total_ns=total_ns, faces=len(faces), scored=due)
    schedule.done(plan, spent, now_ns + total_ns)
    return plan, due


@pytest.mark.parametrize("fps", [5, 10, 12, 15, 20, 25, 30, 60])
def test_first_frame_of_each_step_is_searched_and_scored_and_the_others_are_left_alone(fps: int) -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0, frame_s=1 / fps)
    times = [round(index * NS / fps) for index in range(4 * fps)]
    worked = [work(schedule, now_ns, tracks(3, 7)) for now_ns in times]
    steps = [step_of(now_ns) for now_ns in times]
    first = [step not in steps[:index] for index, step in enumerate(steps)]
    assert [(plan.work, plan.search, due) for plan, due in worked] == [
        (True, True, [3, 7]) if new else (False, False, []) for new in first
    ]
    assert sum(first) in (40, 41) if fps >= 10 else all(first)


@given(periods_ms=st.lists(st.integers(1, 400), min_size=5, max_size=60))
def test_whatever_the_camera_s_jitter_it_decodes_the_frames_that_are_worked_on(periods_ms: list[int]) -> None:
    schedule, wanted = Schedule(step_s=0.1, reset_s=1.0), one_frame_a_step(0.1)
    now_ns, last_ns = 0, None
    for period_ms in periods_ms:
        now_ns += period_ms * MS
        plan, due = work(schedule, now_ns, tracks(1, 2))
        assert plan.work == plan.search == (due == [1, 2]) == wanted(now_ns, last_ns)
        if plan.work:
            last_ns = now_ns


def test_a_camera_that_is_faster_than_it_was_asked_to_be_is_searched_in_every_step() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0, frame_s=1 / 5)
    assert all(work(schedule, index * NS // 10, tracks(1))[0].search for index in range(20))


def test_planning_changes_nothing_so_a_frame_that_failed_is_made_up_for_by_the_next() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0)
    work(schedule, 0, [])
    assert schedule.plan(2 * PERIOD_NS).search  # and the detector raises
    assert work(schedule, 3 * PERIOD_NS, tracks(1))[1] == [1]
    assert not schedule.plan(4 * PERIOD_NS).work


def test_where_time_stands_still_nothing_is_ever_left_out() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0)
    crowd = tracks(*range(1, 101))
    for step in range(50):
        plan, due = work(schedule, step * NS // 10, crowd, search_ms=500, face_ms=50)
        assert (plan.search, due) == (True, list(range(1, 101)))
    assert (schedule.load.level, schedule.load.demand, schedule.load.skipped) == ("normal", None, 0)


def test_a_crowd_in_the_first_frames_is_tried_one_by_one_until_its_cost_is_known() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0, live=True)
    scored = [work(schedule, step * NS // 10, tracks(1, 2, 3), face_ms=5)[1] for step in range(4)]
    assert [len(due) for due in scored] == [1, 1, 1, 3]
    assert schedule.load.skipped == 6


def test_who_waited_longest_is_next() -> None:
    plan = Plan(step=9, room=2, scored={1: 8, 2: 5, 3: 7})
    assert [track.id for track in plan.due(tracks(1, 2, 3, 4))] == [2, 4]
    assert [track.id for track in plan.due(tracks(1, 2, 3))] == [2, 3]
    assert plan.due([]) == []


def test_only_the_oldest_take_turns_where_not_all_can_be_served_in_time() -> None:
    plan = Plan(step=9, room=2, served=3, scored={})
    assert [track.id for track in plan.due(tracks(4, 5, 6, 7))] == [4, 5]


def levels(costs: list[tuple[float, float, int]]) -> tuple[list[str], list[bool], Schedule]:
    """Frames of given costs: milliseconds of a search, of a face, and how many faces; ten a second."""
    schedule = Schedule(step_s=0.1, reset_s=1.0, live=True)
    told, searched = [], []
    for step, (search_ms, face_ms, faces) in enumerate(costs):
        plan, _ = work(schedule, step * NS // 10, tracks(*range(1, faces + 1)), search_ms=search_ms, face_ms=face_ms)
        searched.append(plan.search)
        told.append(schedule.load.level)
    return told, searched, schedule


def test_first_level_searches_half_as_often_and_second_rotates_faces() -> None:
    told, searched, _ = levels([(50, 4, 10)] * 30)
    assert told[-1] == "detector"
    assert searched[-10:] in ([True, False] * 5, [False, True] * 5)
    told, searched, schedule = levels([(50, 10, 10)] * 30)
    assert told[-1] == "faces"
    assert searched[-10:] in ([True, False] * 5, [False, True] * 5)
    assert schedule.load.demand == pytest.approx(1.5)


def test_a_search_that_takes_long_leaves_half_of_the_time_for_faces() -> None:
    _, searched, _ = levels([(190, 5, 10)] * 60)
    assert sum(searched[20:60]) == 10  # every four steps, though it takes two of them


@pytest.mark.parametrize(
    ("every", "busy", "expected"), [(3, 0, [0, 3, 6, 9]), (1, 0, [*range(10)]), (3, 70, [0, 6, 12])]
)
def test_whole_picture_is_searched_at_every_nth_search(every: int, busy: float, expected: list[int]) -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0, search_every=every, live=True)
    if busy:
        for step in range(12):
            work(schedule, step * NS // 10, tracks(1), search_ms=busy, face_ms=20)
    begun = 12 if busy else 0
    plans = [work(schedule, (begun + step) * NS // 10, tracks(1), search_ms=busy, face_ms=20)[0] for step in range(20)]
    wide = [step for step, plan in enumerate(plans) if plan.wide]
    assert np.diff(wide).tolist()[: len(expected) - 1] == np.diff(expected).tolist()
    assert all(plan.search for plan in plans if plan.wide)


def test_lower_level_comes_back_after_five_seconds_in_which_it_would_have_done() -> None:
    told, _, _ = levels([(50, 4, 10)] * 30 + [(20, 2, 10)] * 70)
    assert told[29] == "detector"
    back = told.index("normal", 30)
    assert 50 <= back - 30 <= 60
    assert set(told[back:]) == {"normal"}


def test_nothing_is_kept_of_faces_that_are_gone() -> None:
    schedule = Schedule(step_s=0.1, reset_s=1.0)
    for step in range(200):
        work(schedule, step * NS // 10, tracks(*range(3 * step + 1, 3 * step + 4)))
    assert len(schedule._scored) <= 3 * 12


@given(
    detect_ms=st.integers(1, 150),
    face_ms=st.integers(1, 60),
    crowds=st.lists(st.integers(0, 20), min_size=40, max_size=80),
)
def test_whatever_the_costs_no_frame_is_given_more_than_it_has_time_for(
    detect_ms: int, face_ms: int, crowds: list[int]
) -> None:
    """A frame may cost a search and one face; beyond that, the budget."""
    schedule, now_ns = Schedule(step_s=0.1, reset_s=1.0, frame_s=1 / 30, live=True), 0
    worked: list[int] = []  # faces in view, frame by frame
    for faces in crowds:
        crowd = tracks(*range(1, faces + 1))
        plan, due = work(schedule, now_ns, crowd, search_ms=detect_ms, face_ms=face_ms)
        spent_ns = (detect_ms * plan.search + face_ms * len(due)) * MS
        if plan.work:
            worked.append(faces)
            if len(worked) > 8:
                # The level of a frame follows from the faces in view in the one before.
                calm = worked[-2] >= faces
                assert not calm or spent_ns <= (80 + detect_ms + face_ms) * MS
        now_ns += max(spent_ns, PERIOD_NS)
