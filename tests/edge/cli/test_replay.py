"""`affect-edge replay` as a person meets it: what it reads stays as it is, and its words are about a video."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

CONSENT = ("--consent", "nobody: drawn stripes")


def replay(*arguments: str | Path, **streams: object) -> subprocess.CompletedProcess[str]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    command = [sys.executable, "-m", "edge", "replay", *map(str, arguments)]
    return subprocess.run(command, text=True, timeout=120, check=False, **streams)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of moving stripes: a video without a face."""
    path = tmp_path / "stripes.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15, (320, 240))
    for index in range(30):
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[:, (index * 4) % 320 :: 40] = 200
        writer.write(picture)
    writer.release()
    return path


def test_video_is_not_written_over_by_its_scores(clip: Path) -> None:
    before = clip.read_bytes()
    link = clip.with_name("link.avi")
    link.symlink_to(clip)
    for scores in (clip, link):
        done = replay(clip, "--scores", scores, *CONSENT)
        assert (done.returncode, done.stdout) == (2, "")
        assert "is read and would be overwritten" in done.stderr
    assert clip.read_bytes() == before


def test_configuration_and_what_it_names_are_not_written_over(clip: Path) -> None:
    config, key = clip.with_name("config.toml"), clip.with_name("maker.pem")
    config.write_text("[model]\npublic_key = 'maker.pem'\n")
    key.write_text("key")
    for scores in (config, key):
        assert "is read" in replay(clip, "--config", config, "--scores", scores, *CONSENT).stderr
    assert key.read_text() == "key"


def test_scores_are_their_owner_s_alone(clip: Path) -> None:
    scores = clip.with_name("scores.jsonl")
    scores.touch(0o644)
    assert replay(clip, "--scores", scores, *CONSENT).returncode == 0
    assert scores.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("consent", [[], ["--consent", " "], ["--consent", "?"], ["--consent", "n/a"]])
def test_scores_of_a_video_need_words_on_who_agreed(clip: Path, consent: list[str]) -> None:
    scores = clip.with_name("scores.jsonl")
    done = replay(clip, "--scores", scores, *consent)
    assert (done.returncode, done.stdout) == (2, "")
    assert "does not say who agreed" in done.stderr
    assert not scores.exists()


def test_first_line_of_the_scores_says_who_agreed(clip: Path) -> None:
    scores = clip.with_name("scores.jsonl")
    assert replay(clip, "--scores", scores, "--consent", 'Jürgen & Mia, "form 7"').returncode == 0
    head = json.loads(scores.read_text().splitlines()[0])
    assert head == {"schema": "affect-edge scores 1", "consent": 'Jürgen & Mia, "form 7"', "video": "stripes.avi"}


def test_opening_hours_are_not_applied_to_a_video_and_that_is_said(clip: Path) -> None:
    config = clip.with_name("config.toml")
    config.write_text("[hours]\nopen = ['sat 09:00-10:00']\n")
    done = replay(clip, "--config", config)
    assert "[hours] is not used" in done.stderr.splitlines()[0]
    assert json.loads(done.stdout)["suppressed"] != "closed"


def test_times_of_1970_are_explained(clip: Path) -> None:
    assert "its first frame is at 1970-01-01T00:00:00Z" in replay(clip).stderr


def test_missing_video_is_told_in_words_of_this_command(tmp_path: Path) -> None:
    done = replay(tmp_path / "none.mp4")
    assert done.returncode == 6
    assert "none.mp4: cannot be read" in done.stderr
    assert "camera.path" not in done.stderr


def test_video_without_a_frame_that_can_be_decoded_is_no_success(clip: Path) -> None:
    data = bytearray(clip.read_bytes())
    for chunk in re.finditer(rb"00dc(....)", bytes(data[: data.index(b"idx1")]), re.DOTALL):
        data[chunk.end() : chunk.end() + int.from_bytes(chunk[1], "little")] = bytes(int.from_bytes(chunk[1], "little"))
    clip.write_bytes(data)
    done = replay(clip)
    assert done.returncode == 6, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("shared", "drawn"), [(True, False), (False, True)])
def test_bar_is_drawn_only_where_it_cannot_mix_with_the_windows(clip: Path, shared: bool, drawn: bool) -> None:
    keyboard, terminal = pty.openpty()
    try:
        with (clip.parent / "windows.jsonl").open("w") as file:
            stdout = subprocess.PIPE if shared else file
            replay(clip, stdout=stdout, stderr=terminal, env={**os.environ, "TERM": "xterm"})
        os.close(terminal)
        shown = os.read(keyboard, 65536)
    finally:
        os.close(keyboard)
    assert (b"\x1b[" in shown) is drawn
    assert b"30 frames" in shown
