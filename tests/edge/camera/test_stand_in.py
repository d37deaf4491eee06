"""The V4L2 camera against the interface of the kernel: a stand-in that plays what drivers do, good and bad.

Its camera runs in a process of its own, which tells of each event in one line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

PATIENCE_S = 20.0
WIDTH, HEIGHT = 96, 64
PROGRAM = """
import json, signal, sys
from edge.camera import live, open_camera
from edge.clock import SystemClock
from edge.config import load_config
from edge.values import Frame
from pathlib import Path
live.STALL_S, live.FROZEN_S, live._FIRST_DELAY_S, live._MAX_DELAY_S, live._TICK_S = 1.5, 1.5, 0.2, 0.2, 0.3
with open_camera(load_config(Path(sys.argv[1])), SystemClock()) as camera:
    signal.signal(signal.SIGTERM, lambda *_: camera.close())
    for event in camera:
        told = {"frame": isinstance(event, Frame), "failed": camera.failed, **camera.events}
        if isinstance(event, Frame):
            told |= {"size": event.pixels.shape[1::-1], "middle": event.pixels[32, 48].tolist()}
        else:
            told |= {"reason": event.reason}
        print(json.dumps(told), flush=True)
"""
CONFIG = """
[camera]
backend = "v4l2"
device = "{device}"
width = 96
height = 64
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


def pictures(width: int = WIDTH, height: int = HEIGHT) -> list[np.ndarray]:
    """A dozen soft pictures, alike but not the same."""
    random = np.random.default_rng(4)
    base = random.integers(40, 200, (6, 8, 3), np.uint8)
    soft = cv2.resize(base, (width, height), interpolation=cv2.INTER_CUBIC)
    return [cv2.add(soft, random.integers(0, 6, soft.shape, np.uint8)) for _ in range(12)]


class Watched:
    """The process, with what it told last."""

    def __init__(self, camera: Any, repo: Path, folder: Path) -> None:
        config = folder / "config.toml"
        config.write_text(CONFIG.format(device=camera.device))
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, config],
            cwd=repo, env=camera.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.told: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append(json.loads(line))

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Waits for an event that comes from now on."""
        seen = len(self.told)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            for event in self.told[seen:]:
                if condition(event):
                    return event
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < deadline, f"waited in vain; the last events: {self.told[-3:]}"
            time.sleep(0.02)

    def stop(self) -> tuple[int, str]:
        self.process.terminate()
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


@pytest.fixture
def watched(v4l2_stand_in, repo: Path, tmp_path: Path) -> Iterator[Callable[..., tuple[Any, Watched]]]:
    processes = []

    def start(*formats: str) -> tuple[Any, Watched]:
        camera = v4l2_stand_in(pictures())
        camera.show(pictures(), *formats)
        processes.append(Watched(camera, repo, tmp_path))
        return camera, processes[-1]

    yield start
    for one in processes:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def frame(event: dict[str, Any]) -> bool:
    return bool(event["frame"])


@pytest.mark.slow
@pytest.mark.parametrize("fourcc", ["YUYV", "MJPG"])
def test_a_camera_in_every_kind_of_trouble_is_seen_through(watched, fourcc):
    camera, seen = watched(fourcc)
    first = seen.until(frame)
    assert first["size"] == [WIDTH, HEIGHT]
    assert np.abs(np.array(first["middle"]) - pictures()[0][32, 48]).max() < 25

    for mode in ("empty", "short", "flagged") + (("hole",) if fourcc == "MJPG" else ()):
        camera.do(mode)
        event = seen.until(lambda event: event.get("reason") == "gone")
        camera.do("fine")
        back = seen.until(frame)
        assert back["failed"] > event["failed"] - 60  # a frame or none, but never a damaged one that counts as good
        assert back["failed"] > first["failed"]
        first = back
    assert (first["gone"], first["stalled"]) == (0, 0)  # a second of damaged frames is no reason to open it anew

    camera.do("eio")
    seen.until(lambda event: event.get("reason") == "gone" and event["stalled"] == 1)
    camera.do("fine")
    assert seen.until(frame)["reopened"] >= 1

    camera.do("stall")
    seen.until(lambda event: event.get("reason") == "gone" and event["stalled"] == 2)
    camera.do("fine")
    seen.until(frame)

    camera.do("frozen")
    seen.until(lambda event: event.get("reason") == "frozen" and event["frozen"] >= 1)
    camera.do("fine")
    before = seen.until(frame)

    camera.unplug()
    seen.until(lambda event: event.get("reason") == "gone" and event["failed_opens"] > before["failed_opens"] + 1)
    camera.show(pictures(128, 96), fourcc)
    camera.do("fine")
    camera.plug_in()
    after = seen.until(frame)
    assert (after["gone"], after["resized"], after["size"]) == (1, 1, [128, 96])

    code, said = seen.stop()
    assert code == 0
    assert "Corrupt JPEG" not in said
    assert len(said.splitlines()) < 30, said


@pytest.mark.slow
def test_a_single_bad_buffer_costs_one_frame(watched):
    camera, seen = watched("MJPG")
    before = seen.until(frame)
    camera.do("empty")
    time.sleep(0.05)
    camera.do("fine")
    after = seen.until(lambda event: frame(event) and event["failed"] > 0)
    assert before["failed"] == 0
    assert after["failed"] <= 4
    assert seen.stop()[0] == 0


@pytest.mark.slow
def test_a_camera_that_is_not_there_at_the_start_ends_with_its_name(watched, v4l2_stand_in, repo, tmp_path):
    camera = v4l2_stand_in(pictures())
    camera.unplug()
    seen = Watched(camera, repo, tmp_path)
    _, said = seen.process.communicate(timeout=PATIENCE_S)
    assert "no such device" in said
    assert camera.device in said
