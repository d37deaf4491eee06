"""`affect-edge run` on a V4L2 camera that fails in every way: it goes on, and says so once each."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.demo.scene import Scene

PATIENCE_S = 60.0
CONFIG = """
[camera]
backend = "v4l2"
device = "{device}"
width = 320
height = 240
fps = 15
[mqtt]
port = 9
[deployment]
purpose = "exhibition-feedback"
notice = "at the door"
jurisdiction = "DE"
legal_basis = "legitimate-interest"
controller = "Museum"
contact = "privacy@museum.example"
retention_days = 90
notice_version = "1"
notice_date = 2026-11-01
"""


@pytest.fixture
def faces() -> list[np.ndarray]:
    scene = Scene(320, 240)
    return [scene.draw(10 + number / 15) for number in range(45)]


class Device:
    """The process, and what it has said so far."""

    def __init__(self, camera: Any, repo: Path, folder: Path, more: str = "") -> None:
        config = folder / "config.toml"
        config.write_text(CONFIG.format(device=camera.device) + more)
        self._log = folder / "log"
        environment = camera.environment | {"STATE_DIRECTORY": str(folder)}
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge", "run", "--config", config], cwd=repo, env=environment, stderr=log
            )

    def said(self) -> str:
        return self._log.read_text()

    def until(self, words: str, *, count: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.said().count(words) < count:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, f"never said {words!r}: {self.said()}"
            time.sleep(0.1)

    def stays_up(self, seconds: float) -> None:
        with pytest.raises(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def start(v4l2_stand_in, faces, repo: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts a run on a camera that `prepare` has seen before."""
    running = []

    def begin(prepare: Callable[[Any], object], more: str = "") -> tuple[Any, Device]:
        camera = v4l2_stand_in(faces)
        prepare(camera)
        running.append(Device(camera, repo, tmp_path, more))
        return camera, running[-1]

    yield begin
    for device in running:
        if device.process.poll() is None:
            device.process.kill()
            device.process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("fourcc", ["YUYV", "MJPG"])
def test_a_run_outlives_whatever_its_camera_does(start, faces, fourcc):
    camera, running = start(lambda camera: camera.show(faces, fourcc, fps=15))
    running.until("watching")
    for mode in ("empty", "short", "flagged", "hole", "eio"):
        camera.do(mode)
        running.stays_up(1.0)
        camera.do("fine")
        running.stays_up(0.5)
    camera.unplug()
    running.until("the camera is gone")
    camera.plug_in()
    camera.do("fine")
    running.until("gives frames again")
    camera.do("frozen")
    running.until("so it is frozen")
    camera.do("fine")
    running.until("gives frames again", count=2)
    assert running.stop() == 0
    assert "Corrupt JPEG" not in running.said()
    assert "Traceback" not in running.said()
    assert len(running.said().splitlines()) < 30, running.said()


@pytest.mark.slow
def test_a_run_without_its_camera_ends_with_exit_code_6(start):
    camera, running = start(lambda camera: camera.unplug())
    assert running.process.wait(PATIENCE_S) == 6
    assert f"{camera.device}: no such device; plug the camera in" in running.said()


@pytest.mark.slow
def test_a_run_outside_its_hours_leaves_the_camera_alone(start):
    another_day = time.strftime("%a", time.gmtime(time.time() + 3 * 86_400)).lower()
    hours = f'[hours]\nopen = ["{another_day} 09:00-10:00"]\n'
    _, running = start(lambda camera: camera.unplug(), hours)  # to open it would be an error
    running.until("watching")
    running.stays_up(2.0)
    assert running.stop() == 0
    assert "no such device" not in running.said()
