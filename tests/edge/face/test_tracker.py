"""Following faces by place and size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.face.tracker import Tracker, seen
from edge.values import Detection

FPS30_NS = 33_333_333
TENTH_NS = 100_000_000


def face(x: float, y: float = 100.0, size: float = 60.0, score: float = 0.9) -> Detection:
    half = size / 2
    return Detection(
        box_px=(x - half, y - half, x + half, y + half), score=score, landmarks_px=np.zeros((5, 2), np.float32)
    )


def follow(tracker: Tracker, frames: list[list[Detection]], step_ns: int = FPS30_NS) -> list[list[int]]:
    """Ids seen in each frame."""
    return [[t.id for t in seen(tracker.update(faces, i * step_ns))] for i, faces in enumerate(frames)]


@pytest.mark.parametrize(("fps", "frames"), [(60, 3), (30, 2), (15, 1), (10, 1), (5, 1), (1, 1)])
def test_face_gets_an_id_after_two_sightings_that_are_not_of_one_moment(fps: int, frames: int) -> None:
    seen_ids = follow(Tracker(), [[face(100)]] * (frames + 2), step_ns=1_000_000_000 // fps)
    assert seen_ids == [[]] * frames + [[1], [1]]


def test_flicker_of_the_detector_gets_no_id() -> None:
    frames = [[face(100)], [], [], [face(300)], [face(300)], [], [], []]
    assert follow(Tracker(), frames) == [[]] * len(frames)


@pytest.mark.parametrize(("score", "sightings"), [(0.95, 2), (0.76, 3), (0.66, 6)])
def test_face_that_the_detector_doubts_is_seen_more_often_before_it_gets_an_id(score: float, sightings: int) -> None:
    ids = follow(Tracker(), [[face(100, score=score)]] * (sightings + 1), step_ns=TENTH_NS)
    assert ids == [[]] * (sightings - 1) + [[1]] * 2


def test_face_found_twice_gets_one_id() -> None:
    frames = [[face(100)]] * 5 + [[face(100), face(130, score=0.7)]] * 10
    assert {i for row in follow(Tracker(), frames, TENTH_NS) for i in row} == {1}


def test_face_that_is_gone_does_not_take_over_its_neighbour() -> None:
    frames = [[face(100 + k % 2)] for k in range(20)] + [[face(150)]] * 3
    assert follow(Tracker(), frames, TENTH_NS)[-1] == [2]


def test_walking_face_is_found_again_behind_a_wall_and_a_standing_one_not_so_far_away() -> None:
    walking = [[face(40 + 25 * k)] for k in range(12)]
    assert follow(Tracker(), [*walking, *[[]] * 10, [face(40 + 25 * 22)]], TENTH_NS)[-1] == [1]
    standing = [[face(315)]] * 12
    assert follow(Tracker(), [*standing, *[[]] * 10, *[[face(40 + 25 * 22)]] * 2], TENTH_NS)[-1] == [2]


def test_two_faces_hidden_by_each_other_come_out_with_their_own_ids() -> None:
    tracker = Tracker()
    for step in range(30):
        left, right = 100 + 15 * step, 500 - 15 * step
        near = abs(left - right) < 40  # one hides the other
        tracks = tracker.update([face(left)] if near else [face(left), face(right, 110)], step * TENTH_NS)
        if step == 5:
            first = {track.id: track.speed[0] > 0 for track in tracks}
    assert {track.id: track.speed[0] > 0 for track in seen(tracks)} == first


def test_track_survives_two_missed_frames() -> None:
    frames = [[face(100)]] * 5 + [[], []] + [[face(104)]]
    assert follow(Tracker(), frames)[-1] == [1]


def test_missed_track_is_still_reported_with_its_count() -> None:
    tracker = Tracker()
    follow(tracker, [[face(100)]] * 5)
    (track,) = tracker.update([], 5 * FPS30_NS)
    assert (track.id, track.missed) == (1, 1)


def test_id_is_not_reused_after_the_track_ended() -> None:
    tracker = Tracker(max_missed_s=0.5)
    frames = [[face(100)]] * 5 + [[]] * 30 + [[face(100)]] * 5
    assert follow(tracker, frames)[-1] == [2]


def test_two_faces_that_pass_each_other_keep_their_ids() -> None:
    frames = [[face(100 + 6 * i, 100, 60), face(400 - 6 * i, 145, 60)] for i in range(50)]
    tracker = Tracker()
    first = last = None
    for i, faces in enumerate(frames):
        tracks = seen(tracker.update(faces, i * FPS30_NS))
        if i == 5:
            first = {t.id: t.detection.center_px[1] for t in tracks}
        last = {t.id: t.detection.center_px[1] for t in tracks}
    assert first == last


def test_walking_face_at_twelve_frames_a_second_stays_one_track() -> None:
    ids = follow(Tracker(), [[face(50 + 28 * i)] for i in range(15)], step_ns=83_333_333)
    assert {i for row in ids for i in row} == {1}


def test_face_of_another_size_at_the_same_place_is_another_track() -> None:
    ids = follow(Tracker(), [[face(100, size=40)]] * 5 + [[face(100, size=140)]] * 5)
    assert ids[-1] == [2]


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 640), st.floats(0, 480), st.floats(10, 200)), max_size=6),
        min_size=1,
        max_size=40,
    )
)
def test_ids_only_ascend_and_never_repeat_in_a_frame(frames: list[list[tuple[float, float, float]]]) -> None:
    tracker = Tracker()
    highest = 0
    ended: set[int] = set()
    before: set[int] = set()
    for i, faces in enumerate(frames):
        ids = [t.id for t in tracker.update([face(*f) for f in faces], i * FPS30_NS * 5)]
        assert len(ids) == len(set(ids))
        assert not ended & set(ids)
        for new in set(ids) - before:
            assert new > highest
        highest = max([highest, *ids])
        ended |= before - set(ids)
        before = set(ids)


def moving(steps: int, speed_px: float = 4.0) -> Tracker:
    """A tracker that has seen a face go right at that speed a frame."""
    tracker = Tracker()
    follow(tracker, [[face(100 + speed_px * i)] for i in range(steps)])
    return tracker


def test_face_in_a_frame_without_a_search_is_where_its_motion_carries_it() -> None:
    tracker = moving(10)
    (before,) = tracker.coast(9 * FPS30_NS + 1)
    (track,) = tracker.coast(11 * FPS30_NS)
    assert (track.id, track.missed) == (1, 0)
    truth = 100 + 4 * 11
    assert abs(track.detection.center_px[0] - truth) < 3
    assert track.detection.center_px[1] == pytest.approx(100)
    assert track.detection.size_px == pytest.approx(60)
    shift = track.detection.center_px[0] - before.detection.center_px[0]
    moved = track.detection.landmarks_px - before.detection.landmarks_px
    assert np.allclose(moved, [[shift, 0]] * 5, atol=1e-3)


def test_coasting_changes_nothing_that_the_next_search_builds_on() -> None:
    searched, coasted = moving(10), moving(10)
    for index in range(10, 13):
        coasted.coast(index * FPS30_NS)
    (one,), (other,) = (tracker.update([face(152)], 13 * FPS30_NS) for tracker in (searched, coasted))
    assert one.id == other.id == 1
    assert one.detection.box_px == other.detection.box_px


def test_face_that_was_lost_stays_lost_while_nobody_searches_and_its_track_ends_in_time() -> None:
    tracker = moving(10)
    tracker.update([], 10 * FPS30_NS)
    (track,) = tracker.coast(11 * FPS30_NS)
    assert track.missed == 1
    assert tracker.coast(10 * FPS30_NS + 2_000_000_000) == []


def test_face_in_the_making_gets_no_id_from_frames_without_a_search() -> None:
    tracker = Tracker()
    tracker.update([face(100)], 0)
    assert tracker.coast(5 * FPS30_NS) == []
    (track,) = tracker.update([face(100)], 6 * FPS30_NS)
    assert track.id == 1
