"""Aiming: what is said of faces is what the gate judges by, and nothing of the picture is shown."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from rich.console import Console

from edge.affect.network import load_model
from edge.cli.watch import Screen
from edge.clock import NS, FileClock
from edge.config import Config, FaceConfig
from edge.device import Device, build_device
from edge.face.search import Sighting
from edge.values import Detection, Face, Frame, Look, Quality, Rejection, Tick, Track

LANDMARKS = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.6], [0.4, 0.8], [0.6, 0.8]], np.float32)
LIMITS = FaceConfig()


def detection(x: float, y: float, side: float) -> Detection:
    landmarks = (np.array([x, y]) + LANDMARKS * side).astype(np.float32)
    return Detection(box_px=(x, y, x + side, y + side), score=0.9, landmarks_px=landmarks)


@pytest.fixture
def device(new_sink: Any, new_camera: Any) -> Device:
    model = load_model(Config().model, Config().engine)
    return build_device(Config(), camera=new_camera([]), model=model, sink=new_sink(), clock=FileClock())


def test_the_light_that_is_shown_is_the_one_that_the_gate_judges(device: Any) -> None:
    """A dark face before a bright wall: the mean of the whole crop would say 100 and more."""
    picture = np.full((480, 640, 3), 250, np.uint8)
    picture[160:300, 160:300] = np.random.default_rng(3).integers(0, 14, (140, 140, 3), np.uint8)

    class Placed:
        def find(self, pixels: np.ndarray, expected: Any, *, wide: bool) -> Sighting:
            return Sighting([detection(160, 150, 140)], range(len(expected)))

    device.search = Placed()
    for step in range(2):
        look = device.step(Frame(pixels=picture, captured_ns=step * NS // 10, index=step))
    (face,) = look.faces
    assert face.quality.rejection == "dark"
    assert face.quality.light < LIMITS.min_light
    screen = Screen(LIMITS, "scene")
    screen.add(look)
    assert f" {face.quality.light:.0f} " in drawn(screen)
    assert f"px 140, light {face.quality.light:.0f};" in screen.line()


def drawn(screen: Screen) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False)
    console.print(screen.draw())
    return console.file.getvalue()


def face(x: float, y: float, rejection: Rejection | None = None, size: float = 50, number: int = 1) -> Face:
    quality = Quality(size_px=size, yaw_deg=0, light=100, sharpness=0.2, rejection=rejection)
    track = Track(id=number, detection=detection(x - size / 2, y - size / 2, size), missed=0)
    return Face(track=track, quality=quality)


def look(*faces: Face) -> Look:
    return Look(index=0, captured_ns=0, size_px=(640, 480), worked=True, faces=faces)


def test_dots_lie_where_faces_are_and_say_whether_they_count() -> None:
    screen = Screen(LIMITS, "scene")
    screen.add(look(face(0, 0), face(640, 480, "blurred", size=40)))
    text = drawn(screen)
    rows = [line for line in text.splitlines() if line.startswith("│")]
    assert rows[0].startswith("│●1")
    assert rows[-1].rstrip().endswith("○2│")
    assert "clean and focus the lens" in text
    assert "50 % good enough; not: 1 blurred" in text


def test_faces_are_listed_largest_first() -> None:
    screen = Screen(LIMITS, "scene")
    screen.add(look(face(100, 100, size=30), face(300, 100, size=90)))
    assert screen.line().startswith("faces 2, px 90 30")


def test_what_was_not_measured_is_not_shown() -> None:
    screen = Screen(LIMITS, "scene")
    small = Quality(size_px=20, yaw_deg=0, rejection="small")
    waiting = face(300, 100, size=40)
    screen.add(
        look(
            Face(track=waiting.track),
            Face(track=face(100, 100, size=20).track, quality=small),
        )
    )
    rows = [line.split() for line in drawn(screen).splitlines() if line.strip().startswith(("1", "2"))]
    assert rows[0][:4] == ["1", "40", "-", "-"]
    assert rows[1][:4] == ["2", "20", "-", "-"]
    assert "has time for" in drawn(screen)


def test_good_face_is_not_hidden_by_a_bad_one_behind_it() -> None:
    screen = Screen(LIMITS, "scene")
    screen.add(look(face(320, 240), face(320, 240, "turned")))
    assert "●" in drawn(screen).split("face")[0]


def test_screen_says_how_far_away_a_face_is_still_scored() -> None:
    screen = Screen(LIMITS, "scene")
    screen.add(look(face(320, 240)))
    assert "scored from 24 px: up to 1.8 m with a lens of 102°, 3.5 m with a lens of 66°" in drawn(screen)


def test_screen_fits_a_terminal_of_80_by_24_whatever_is_in_view() -> None:
    screen = Screen(LIMITS, "scene")
    reasons = [None, *get_args(Rejection), None, None, None]
    screen.add(look(*(face(70 * n, 475, reason, size=90 - n) for n, reason in enumerate(reasons))))
    console = Console(file=io.StringIO(), width=80, highlight=False)
    console.print(screen.draw())
    lines = console.file.getvalue().splitlines()
    assert len(lines) < 24
    assert all(f"{mark}{number}" in console.file.getvalue() for number, mark in enumerate("●○○○○", 1))


def test_empty_view_and_line_without_a_terminal() -> None:
    screen = Screen(LIMITS, "scene")
    assert screen.line() == "no picture yet"
    assert "no face in view" in drawn(screen)
    screen.add(look(face(320, 240)))
    assert screen.line() == "faces 1, px 50, light 100; last 1 looks: at most 1 at once, 100 % good enough"


def test_a_camera_without_a_picture_says_why() -> None:
    screen = Screen(LIMITS, "scene")
    screen.add(look(face(320, 240)))
    screen.add(Tick(at_ns=0, reason="gone"))
    assert screen.line() == "no picture: gone"
    assert "scene: no picture, gone" in drawn(screen)
    screen.add(look())
    assert screen.line().startswith("faces 0, px -, light -")


def test_command_tells_a_line_a_second_and_ends(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[camera]\nbackend = "scene"\n')
    command = [sys.executable, "-m", "edge", "watch", "--config", str(tmp_path / "config.toml"), "--seconds", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("faces ") >= 1
    assert "px" in done.stdout


def test_live_camera_is_not_watched_before_the_deployment_is_filled(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    command = [sys.executable, "-m", "edge", "watch", "--config", str(tmp_path / "config.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "deployment.purpose" in done.stderr
