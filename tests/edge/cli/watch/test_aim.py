"""Aiming: what is said of faces is what the gate will say, and nothing of the picture is shown."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from edge.cli.watch.screen import Screen
from edge.cli.watch.sight import Aimer, FaceSight, Sight
from edge.config import FaceConfig
from edge.face.quality import Rejection, quality_gate
from edge.model.bundle import default_bundle, load_bundle
from edge.values import Detection, Frame

LANDMARKS = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.6], [0.5, 0.8], [0.0, 0.4], [1.0, 0.4]])
LIMITS = FaceConfig()


class Placed:
    """A detector that finds what it was told."""

    def __init__(self, *boxes: tuple[float, float, float]) -> None:
        self.boxes = boxes

    def detect(self, pixels: np.ndarray) -> list[Detection]:
        return [
            Detection(
                box_px=(x, y, x + side, y + side),
                score=0.9,
                landmarks_px=(np.array([x, y]) + LANDMARKS * side).astype(np.float32),
            )
            for x, y, side in self.boxes
        ]


def look(pixels: np.ndarray, *boxes: tuple[float, float, float]) -> Sight:
    shape = load_bundle(default_bundle()).manifest.crop
    return Aimer(Placed(*boxes), quality_gate(LIMITS), shape).look(Frame(pixels=pixels, captured_ns=0, index=0))


def noise() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 255, (480, 640, 3), np.uint8)


def test_faces_come_largest_first_with_place_size_and_the_gate_s_verdict() -> None:
    sight = look(noise(), (560, 400, 20), (100, 100, 120))
    first, second = sight.faces
    assert (first.x, first.y, first.size_px) == (pytest.approx(160 / 640), pytest.approx(160 / 480), 120)
    assert first.rejection is None
    assert second.rejection is Rejection.SMALL


def test_darkness_is_said_of_picture_and_face() -> None:
    sight = look(np.full((480, 640, 3), 6, np.uint8), (100, 100, 120))
    assert sight.light == pytest.approx(6)
    assert sight.faces[0].rejection is Rejection.DARK


def drawn(screen: Screen) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False)
    console.print(screen.draw())
    return console.file.getvalue()


def face(x: float, y: float, rejection: Rejection | None = None) -> FaceSight:
    return FaceSight(x=x, y=y, size_px=50, light=100, sharpness=0.2, rejection=rejection)


def test_dots_lie_where_faces_are_and_say_whether_they_count() -> None:
    screen = Screen(LIMITS, "scene")
    screen.add(Sight(light=90, faces=(face(0.0, 0.0), face(1.0, 1.0, Rejection.BLURRED))))
    text = drawn(screen)
    rows = [line for line in text.splitlines() if line.startswith("│")]
    assert rows[0].startswith("│●1")
    assert rows[-1].rstrip().endswith("○2│")
    assert "clean and focus the lens" in text
    assert "50 % good enough; not: 1 blurred" in text


def test_good_face_is_not_hidden_by_a_bad_one_behind_it() -> None:
    screen = Screen(LIMITS, "scene")
    screen.add(Sight(light=90, faces=(face(0.5, 0.5), face(0.5, 0.5, Rejection.TURNED))))
    assert "●" in drawn(screen).split("face")[0]


def test_screen_fits_a_terminal_of_80_by_24_whatever_is_in_view() -> None:
    screen = Screen(LIMITS, "scene")
    reasons = [None, *Rejection, None, None, None]
    faces = tuple(face(number / 9, 0.99, reason) for number, reason in enumerate(reasons))
    screen.add(Sight(light=90, faces=faces))
    console = Console(file=io.StringIO(), width=80, highlight=False)
    console.print(screen.draw())
    lines = console.file.getvalue().splitlines()
    assert len(lines) < 24
    assert all(f"{mark}{number}" in console.file.getvalue() for number, mark in enumerate("●○○○○", 1))


def test_empty_view_and_line_without_a_terminal() -> None:
    screen = Screen(LIMITS, "scene")
    assert screen.line() == "no frame yet"
    assert "no face in view" in drawn(screen)
    screen.add(Sight(light=90, faces=(face(0.5, 0.5),)))
    assert screen.line() == "faces 1, px 50, light 90; last 1 frames: at most 1 at once, 100 % good enough"


def test_command_tells_a_line_a_second_and_ends(tmp_path: Path, detector_asset: Path) -> None:
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
