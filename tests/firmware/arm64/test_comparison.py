"""The comparison of two machines: equal is equal, and each thing that may differ is noticed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_config.arm64.comparison import TOLERANCE, Comparison, compare

Rows = list[dict[str, Any]]


def window(number: int, **changes: Any) -> dict[str, Any]:
    made = {
        "start": f"1970-01-01T00:00:{number}0Z",
        "end": f"1970-01-01T00:00:{number + 1}0Z",
        "partial": False,
        "visits": 3,
        "peak_simultaneous": 2,
        "unscored_visits": 1,
        "suppressed": None,
        "model": {"name": "default", "version": 2, "sha256": "ab"},
        "valence": {"mean": 0.1, "std": 0.05},
        "arousal": {"mean": -0.1, "std": 0.05},
    }
    return made | changes


def steps(count: int = 20) -> Rows:
    return [
        {"frame": n // 2, "track": n % 2, "valence": 0.01 * n, "arousal": -0.01 * n, "warm": n > 4}
        for n in range(count)
    ]


def held(
    windows: Rows, scores: Rows, other_windows: Rows | None = None, other_scores: Rows | None = None
) -> Comparison:
    there = (windows if other_windows is None else other_windows, scores if other_scores is None else other_scores)
    return compare("a clip", "00", windows=(windows, there[0]), steps=(scores, there[1]))


def test_the_same_is_the_same_and_counted() -> None:
    quiet = window(1, visits=1, suppressed="few_people", valence=None, arousal=None)
    found = held([window(0), quiet], steps())
    assert found.different == []
    assert (found.windows, found.scored_windows, found.visits, found.faces, found.steps) == (2, 1, 4, 2, 20)
    assert found.step_max == found.step_mean == found.window_max == {"valence": 0.0, "arousal": 0.0}


def _fewer_visits(windows: Rows, scores: Rows) -> None:
    windows[0]["visits"] = 2


def _no_scores(windows: Rows, scores: Rows) -> None:
    windows[0] |= {"suppressed": "few_people", "valence": None, "arousal": None}


def _window_gone(windows: Rows, scores: Rows) -> None:
    windows.pop()


def _step_gone(windows: Rows, scores: Rows) -> None:
    scores.pop()


def _step_more(windows: Rows, scores: Rows) -> None:
    scores.append(scores[-1] | {"frame": 99})


def _other_face(windows: Rows, scores: Rows) -> None:
    scores.append(scores[-1] | {"track": 9})


def _warm_earlier(windows: Rows, scores: Rows) -> None:
    scores[0]["warm"] = True


def _score_off(windows: Rows, scores: Rows) -> None:
    for row in scores:
        row["arousal"] += TOLERANCE + 0.001


def _mean_off(windows: Rows, scores: Rows) -> None:
    windows[1]["valence"] = {"mean": 0.13, "std": 0.05}


def _spread_off(windows: Rows, scores: Rows) -> None:
    windows[1]["arousal"] = {"mean": -0.1, "std": 0.08}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_fewer_visits, "window 1: visits is 3 here, 2 on arm64"),
        (_no_scores, "window 1: suppressed is None here, 'few_people' on arm64"),
        (_window_gone, "windows: 2 here, 1 on arm64"),
        (_step_gone, "steps: 1 of 20 only here"),
        (_step_more, "steps: 1 of 21 only on arm64"),
        (_other_face, "faces: 2 here, 3 on arm64"),
        (_warm_earlier, "steps: 1 warm on one machine only"),
        (_score_off, "mean of the steps: arousal differs by 0.0210"),
        (_mean_off, "window: valence differs by 0.0300"),
        (_spread_off, "window: arousal differs by 0.0300"),
    ],
)
def test_each_difference_is_noticed(change: Callable[[Rows, Rows], None], said: str) -> None:
    windows, scores = [window(0), window(1)], steps()
    other_windows, other_scores = copy.deepcopy(windows), copy.deepcopy(scores)
    change(other_windows, other_scores)
    assert said in held(windows, scores, other_windows, other_scores).different


def test_faces_that_are_numbered_the_other_way_round_are_the_same_faces() -> None:
    def score(row: dict[str, Any], sign: float) -> dict[str, Any]:
        return row | {"valence": sign * 0.3 * (1 - 2 * row["track"])}

    scores = [score(row, 1.0) for row in steps()]
    turned = [row | {"track": 1 - row["track"]} for row in scores]
    assert held([window(0)], scores, other_scores=turned).different == []
    wrong = [row | {"valence": 0.3} for row in turned]
    assert "mean of the steps: valence differs by 0.3000" in held([window(0)], scores, other_scores=wrong).different


def test_two_machines_that_made_nothing_are_not_the_same() -> None:
    assert held([], []).different == ["windows: none at all", "steps: none at all"]


@settings(deadline=None)
@given(st.floats(-0.05, 0.05), st.sampled_from(["valence", "arousal"]))
def test_what_is_told_is_the_size_of_the_change(change: float, axis: str) -> None:
    scores = steps()
    other = copy.deepcopy(scores)
    other[3][axis] += change
    found = held([window(0)], scores, other_scores=other)
    assert found.step_max[axis] == pytest.approx(abs(change), abs=6e-5)
    assert found.different == []  # one step may swing


def test_rounding_alone_is_within_the_tolerance_of_a_window() -> None:
    # 0.13 − 0.11 is a hair more than 0.02 in binary.
    one, other = window(0, valence={"mean": 0.11, "std": 0.05}), window(0, valence={"mean": 0.13, "std": 0.05})
    assert held([one], steps(), [other]).different == []
