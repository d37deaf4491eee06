"""What is kept of each visit: how it came, how far it moved, who was beside it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge.affect.presence import Presence, VisitRecord
from edge.affect.visits import Visits
from edge.clock import NS
from edge.values import Detection, Track

FRAME = (1920, 1080)
Where = Callable[[float], tuple[float, float, float]]  # seconds -> x, y, size


def track(track_id: int, x: float, y: float, size: float) -> Track:
    half = size / 2
    detection = Detection(
        box_px=(x - half, y - half, x + half, y + half), score=0.9, landmarks_px=np.zeros((5, 2), np.float32)
    )
    return Track(id=track_id, detection=detection, missed=0)


def watch(seconds: float, *faces: Where) -> list[VisitRecord]:
    presence, visits = Presence(step_s=0.1), Visits(reentry_s=10)
    for step in range(round(seconds * 10)):
        tracks = [track(n, *face(step / 10)) for n, face in enumerate(faces, start=1)]
        now_ns = step * NS // 10
        presence.observe(visits.observe(tracks, now_ns), tracks, now_ns, FRAME)
    return presence.close()


def test_who_comes_in_over_the_edge_arrived_there() -> None:
    (record,) = watch(5, lambda t: (30 + 150 * t, 500, 80))
    assert record.arrival == "edge"


def test_who_stands_at_the_edge_has_not_arrived() -> None:
    (record,) = watch(20, lambda t: (40 + 10 * np.sin(t), 500, 80))
    assert record.arrival is None


def test_who_comes_nearer_arrived_from_afar() -> None:
    (record,) = watch(6, lambda t: (900, 500, 1663 * 0.18 / (12 - 1.2 * t)))
    assert record.arrival == "afar"


def test_who_turns_up_in_mid_picture_did_not_arrive() -> None:
    (record,) = watch(5, lambda t: (900 + 20 * t, 500, 80))
    assert record.arrival is None
    assert record.moved > 0.5


def test_the_noise_of_a_detector_does_not_move_a_poster() -> None:
    rng = np.random.default_rng(1)
    (record,) = watch(200, lambda _: (900 + rng.normal(0, 2), 500 + rng.normal(0, 2), 80 * (1 + rng.normal(0, 0.04))))
    assert record.drift is not None
    assert record.drift < 0.01
    (record,) = watch(40, lambda _: (900 + rng.normal(0, 2), 500 + rng.normal(0, 2), 80))
    assert record.drift is None
    assert record.moved < 0.1


def test_a_poster_stays_one_when_the_camera_is_knocked_once() -> None:
    (record,) = watch(200, lambda t: (900 + 30 * (t > 100), 500, 80))
    assert record.drift == 0.0


def test_who_sits_and_shifts_now_and_then_moves() -> None:
    rng = np.random.default_rng(2)
    places = np.repeat(900 + np.cumsum(rng.normal(0, 4, 20)), 200)
    (record,) = watch(300, lambda t: (float(places[int(t * 10)]), 500, 80))
    assert record.drift is not None
    assert record.drift > 0.02


def test_two_in_view_together_for_half_a_second_are_beside_each_other() -> None:
    one, other = watch(0.6, lambda _: (300, 500, 80), lambda _: (600, 500, 80))
    assert one.beside == {other.number}
    one, other = watch(0.4, lambda _: (300, 500, 80), lambda _: (600, 500, 80))
    assert one.beside == frozenset()


def test_a_face_found_twice_is_not_beside_itself() -> None:
    one, other = watch(3, lambda _: (300, 500, 80), lambda _: (370, 500, 78))
    assert one.beside == other.beside == frozenset()


def test_scores_are_of_their_window_and_the_beginning_of_the_visit_is_remembered() -> None:
    presence, visits = Presence(step_s=0.1), Visits(reentry_s=10)
    records = []
    for step in range(40):
        tracks = [track(1, 500, 500, 80)]
        now_ns = step * NS // 10
        found = visits.observe(tracks, now_ns)
        presence.observe(found, tracks, now_ns, FRAME)
        presence.score(found[1].number, 0.5 if step < 20 else -0.5, 0.25)
        if step in (19, 39):
            records += presence.close()
    assert [record.valence for record in records] == [0.5, -0.5]
    assert [record.seconds for record in records] == [2.0, 2.0]
    assert {record.began_ns for record in records} == {0}
