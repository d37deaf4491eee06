from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.videos.measure import Result, Scores, measure_all
from benchmarks.videos.page import render
from benchmarks.videos.recipes import RECIPES

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg (apt-get install ffmpeg)")


def recipe(name: str):
    return next(one for one in RECIPES if one.name == name)


def test_every_file_has_its_own_name_and_a_twin_that_is_made_too():
    names = [one.name for one in RECIPES]
    assert len(set(names)) == len(names) >= 60
    assert {one.twin for one in RECIPES} <= set(names)


@needs_ffmpeg
@pytest.mark.slow
def test_files_are_made_replayed_and_the_refused_ones_converted_as_told(tmp_path: Path):
    chosen = [recipe(name) for name in ("sar-2-1.mp4", "mirrored.mp4", "tff.mp4", "cut.mp4")]
    wide, mirrored, fields, cut = measure_all(chosen, tmp_path, scored=False)
    for shown in (wide, mirrored):
        assert shown.held
        assert (shown.frames, shown.refused) == (180, "")
        assert shown.picture_off < 4
    if fields.refused:  # by OpenCV 5.0
        assert fields.cured.picture_off < 8
    assert fields.held
    assert cut.held
    assert "an MP4 file without its index" in cut.refused


@needs_ffmpeg
def test_a_file_that_is_shown_wrongly_is_told_from_its_twin(tmp_path: Path):
    (result,) = measure_all([replace(recipe("mirrored.mp4"), after=None)], tmp_path, scored=False)
    assert not result.held
    assert result.picture_off > 8


@needs_ffmpeg
def test_the_page_says_what_is_wrong():
    good, bad = Scores(steps=9, valence=0.1, arousal=0.2), Scores(steps=9, valence=0.3, arousal=0.2)
    page = render(
        [
            Result(recipe=recipe("h264.mov"), frames=180, picture_off=1.0, scores=good, twin=good, held=True),
            Result(recipe=recipe("h264.mkv"), frames=180, picture_off=1.0, scores=bad, twin=good, held=False),
            Result(recipe=recipe("av1.mp4"), refused="/tmp/x/av1.mp4: no; convert it: ffmpeg -i /tmp/x/av1.mp4 y.mp4"),
        ]
    )
    assert "| `h264.mov` | H.264, MOV | 180 | 1.0 | +0.100 | +0.200 | `plain.mp4` | as its twin |" in page
    assert "| **wrong** |" in page
    assert "- `av1.mp4`: av1.mp4: no; convert it: ffmpeg -i av1.mp4 y.mp4" in page
