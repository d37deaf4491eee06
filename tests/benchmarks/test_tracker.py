"""The judge of tracks and visits, the labels, and what the record says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.record import read_record
from benchmarks.tracker.clips import LABELS, label_frames, read_labels
from benchmarks.tracker.command import CHECKOUT, play_all
from benchmarks.tracker.crowd import KIOSK, detect
from benchmarks.tracker.judge import Box, judge_tracks, judge_visits, split_stays
from benchmarks.tracker.record import Tracker, judge_runs, render_page
from benchmarks.tracker.scenes import SCENES, draw_scene
from convert.errors import DataError


def box(x: float, y: float = 0.0) -> Box:
    return x, y, x + 40, y + 40


def crossing() -> tuple[list[dict[int, Box]], list[dict[int, Box]]]:
    """Four people who move at random, followed with misses, switches, new ids and false tracks."""
    rng = np.random.default_rng(7)
    places, speeds = rng.uniform(0, 200, (4, 2)), rng.normal(0, 4, (4, 2))
    ids, fresh = {person: person for person in range(4)}, 10
    truth, found = [], []
    for _ in range(60):
        places += speeds
        there = {p: box(*places[p]) for p in range(4) if rng.random() < 0.95}
        here: dict[int, Box] = {}
        for person in there:
            if rng.random() < 0.05:
                ids[person], fresh = fresh, fresh + 1
            if rng.random() < 0.03:
                a, b = rng.choice(4, 2, replace=False)
                ids[a], ids[b] = ids[b], ids[a]
            if rng.random() < 0.9 and ids[person] not in here:
                here[ids[person]] = box(*(places[person] + rng.normal(0, 5, 2)))
        truth.append(there)
        found.append(here)
    return truth, found


def test_figures_equal_those_of_trackeval() -> None:
    """Of TrackEval 1.3.0 on the same boxes: HOTA, DetA, AssA, IDF1, IDSW."""
    expected = (0.3819947, 0.5991807, 0.2453926, 0.5034965, 16)
    assert judge_tracks(*crossing())[:5] == pytest.approx(expected, abs=1e-6)


def test_perfect_tracks_score_one_and_a_lost_id_costs_association_alone() -> None:
    truth = [{1: box(3 * k), 2: box(300 - k)} for k in range(20)]
    assert judge_tracks(truth, truth)[:5] == pytest.approx((1, 1, 1, 1, 0))
    broken = [{1 if k < 10 else 9: there[1], 2: there[2]} for k, there in enumerate(truth)]
    judged = judge_tracks(truth, broken)
    assert (judged.detection, judged.switches) == (pytest.approx(1), 1)
    assert judged.association == pytest.approx(0.75)


def test_visits_are_counted_doubled_missed_false_and_mixed() -> None:
    truth = [{1: box(0), 2: box(100), 3: box(200)} for _ in range(20)]
    # 1 has two visits; 2 none, since the visit of 3 began with it; one visit is nobody's.
    found = [{5 if k < 8 else 6: box(0), 7: box(100 if k < 6 else 200), 8: box(400)} for k in range(20)]
    counting = judge_visits(truth, found)
    assert counting == (3, 4, 2, 1, 1, 1, 1)


def test_who_was_not_visible_for_long_stays_anew() -> None:
    truth: list[dict[int, Box]] = [{4: box(0)}, {}, {4: box(0)}, {4: box(0)}]
    assert [set(boxes) for boxes in split_stays(truth, [0, 1, 8, 19], 10)] == [{4000}, set(), {4000}, {4001}]


def test_every_label_file_is_read_and_has_people() -> None:
    for path in LABELS.glob("*.csv"):
        frames = label_frames(read_labels(path))
        assert any(frame.truth for frame in frames), path.name
        steps = np.diff([frame.at_s for frame in frames])
        assert 0.04 < steps.min() <= steps.max() < 0.2, path.name


def test_broken_label_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    path.write_text("frame,at_s,person,x,y,w,h,score\n0,0.0,1,2,3,4,5,0.9\n1,0.1,one,2,3,4,5,0.9\n")
    with pytest.raises(DataError, match=r"line 3 is not `frame"):
        read_labels(path)


def test_detector_finds_nobody_behind_a_wall_and_the_truth_neither() -> None:
    crowd, rng = draw_scene("pillar-8", 3)
    frames, (wall,) = detect(crowd, rng), crowd.walls
    inside = [
        person
        for frame in frames
        for person, (x1, _, x2, _) in frame.truth.items()
        if wall.left < x1 and x2 < wall.right
    ]
    assert inside == []
    assert sum(len(frame.truth) for frame in frames) > 100


@pytest.mark.parametrize("name", ["cross-8", "pillar-8"])
def test_visits_are_counted_within_a_tenth_of_people(name: str) -> None:
    """On seeds of no choice and not the record's."""
    runs = [detect(*draw_scene(name, seed)) for seed in range(500, 508)]
    counting = judge_runs(runs, play_all(runs, (KIOSK.width, KIOSK.height), CHECKOUT)).counting
    assert abs(counting.visits - counting.people) <= 0.1 * counting.people
    assert counting.missed + counting.double <= 0.05 * counting.people


@pytest.fixture(scope="module")
def record() -> Tracker:
    return read_record(CHECKOUT / "docs" / "tracker.json", Tracker)


def test_page_is_rendered_from_the_record(record: Tracker) -> None:
    assert render_page(record) == (CHECKOUT / "docs" / "tracker.md").read_text()


def test_record_counts_crowds_within_a_tenth_and_clips_exactly(record: Tracker) -> None:
    assert set(record.scenes) == set(SCENES)
    for name, results in record.scenes.items():
        counting = results[0].counting
        if name.split("-")[0] in ("cross", "pillar", "hall"):
            assert abs(counting.visits - counting.people) <= 0.1 * counting.people, name
    for name, results in record.clips.items():
        assert results[0].counting.visits == results[0].counting.people, name
    assert all(spent[0] <= 100 for faces, spent in record.faces_us.items() if int(faces) <= 8)
