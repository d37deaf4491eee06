"""Holding fewer searches against one in every frame: what was missed, what was made up, and who changed their id."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.cadence.against import hold_against
from benchmarks.cadence.play import KnownFaces, Played, Sighting
from convert.errors import DataError
from edge.values import AffectScore, Detection

STEPS = 150


def sighting(slot: int, track_id: int, x: float, valence: float = 0.2) -> Sighting:
    score = AffectScore(
        track_id=track_id, captured_ns=slot * 100_000_000, valence=valence, arousal=-0.1, warm=slot >= 10
    )
    return Sighting(slot, track_id, (x, 100, x + 60, 160), score)


def played(*, without: set[int] = frozenset(), second: int = 2, valence: float = 0.2) -> Played:  # type: ignore[assignment]
    """Two people for 15 s; the one on the right is missing in some steps, and may be called otherwise from 5 s on."""
    sightings = []
    for slot in range(STEPS):
        sightings.append(sighting(slot, 1, 100, valence))
        if slot not in without:
            sightings.append(sighting(slot, second if slot >= 50 else 2, 400, valence))
    return Played(seconds=15.0, searches=150, sightings=sightings)


def test_same_run_meets_everything_and_differs_in_nothing() -> None:
    found = hold_against(played(), played())
    assert (found.steps, found.met, found.extra, found.tracks, found.switches) == (300, 300, 0, 0, 0)
    assert found.means == ((0.0, 0.0), (0.0, 0.0))  # of two intervals of 10 s


def test_face_missing_for_a_while_is_not_met_and_for_one_step_it_is() -> None:
    assert hold_against(played(without={70}), played()).met == 300
    assert hold_against(played(without={70, 71, 72, 73}), played()).met == 298
    assert hold_against(played(), played(without={70, 71, 72, 73})).extra == 2


def test_changed_id_is_a_switch_and_one_more() -> None:
    found = hold_against(played(second=7), played())
    assert (found.switches, found.tracks, found.met) == (1, 1, 300)


def test_means_that_lie_apart_are_told() -> None:
    (first, _), (second, arousal) = hold_against(played(valence=0.25), played()).means
    assert (first, second, arousal) == pytest.approx((0.05, 0.05, 0.0))


def test_each_frame_is_searched_once_however_often_it_is_asked_for() -> None:
    calls = []

    class Counting:
        def detect(self, pixels: np.ndarray) -> list[Detection]:
            calls.append(1)
            return []

    known = KnownFaces(Counting())
    for known.index in (0, 1, 0, 1):
        assert known.detect(np.zeros((4, 4, 3), np.uint8)) == []
    assert (len(calls), known.searches) == (2, 4)


def test_command_tells_what_a_clip_says(clips: Path, tmp_path: Path, detector_asset: Path) -> None:
    clip = clips / "asl" / "eat.mkv"
    if not clip.is_file():
        pytest.skip(f"{clip.name} is not on this machine")
    shutil.copy(clip, tmp_path)
    done = CliRunner().invoke(app, ["cadence", str(tmp_path), "--steps", "1", "--keep", "1"])
    assert done.exit_code == 0, done.output
    assert "100.0%" in done.output


def test_folder_without_a_video_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["cadence", str(tmp_path)])
    assert isinstance(done.exception, DataError)
