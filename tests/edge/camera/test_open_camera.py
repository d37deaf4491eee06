from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.camera import open_camera
from edge.camera.live import LiveCamera
from edge.camera.reopening import CameraWatch
from edge.camera.replay import Replay
from edge.camera.transform import TransformedCamera
from edge.clock import FileClock
from edge.config import CameraConfig, Config, ZoneConfig
from edge.demo.scene import Scene
from edge.errors import CameraError


def test_the_backend_is_the_configured_one(make_video):
    replay = CameraConfig(backend="replay", path=str(make_video()))
    assert isinstance(open_camera(Config(camera=replay), FileClock()), Replay)
    assert isinstance(open_camera(Config(camera=CameraConfig(backend="scene")), FileClock()), Scene)


def test_frames_come_turned_flipped_and_without_the_zones(make_video):
    camera = CameraConfig(backend="replay", path=str(make_video(frames=20)), pace="fast", rotate=90, flip=True)
    till = ZoneConfig(name="till", exclude=[(0.0, 0.0), (1.0, 0.0), (1.0, 0.25), (0.0, 0.25)])
    with open_camera(Config(camera=camera, zones=[till]), FileClock()) as opened:
        assert isinstance(opened, TransformedCamera)
        frame = list(opened.frames())[-1]
    assert frame.pixels.shape == (96, 64, 3)
    assert not frame.pixels[:24].any()
    assert frame.pixels[26:].any(axis=2).all()
    # The red square was top left; turned it is top right, mirrored top left again, and half of it is blacked out.
    assert frame.pixels[28, 4, 0] > 200
    assert np.ptp(frame.pixels[28, 60]) < 20


def test_a_missing_device_is_an_error_at_once(tmp_path):
    config = Config(camera=CameraConfig(backend="v4l2", device=str(tmp_path / "video3")))
    with pytest.raises(CameraError, match="video3: no such device"):
        open_camera(config, FileClock())


def test_live_backends_are_read_by_a_thread(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "edge.camera.v4l2.V4l2Source.__init__",
        lambda self, config, clock, wanted: setattr(self, "name", config.device) or asked.append(wanted),
    )
    monkeypatch.setattr("edge.camera.v4l2.V4l2Source.close", lambda self: None)
    with open_camera(Config(camera=CameraConfig(backend="v4l2")), FileClock()) as camera:
        assert isinstance(camera, LiveCamera)
    watch = CameraWatch(wanted=lambda captured_ns: captured_ns > 5)
    open_camera(Config(camera=CameraConfig(backend="v4l2")), FileClock(), watch).close()
    assert asked[0] is None  # every frame
    assert [asked[1](captured_ns) for captured_ns in (5, 6)] == [False, True]


def test_a_backend_is_imported_only_when_it_is_asked_for():
    program = (
        "import sys, edge.camera\n"
        "print([name for name in sys.modules if name.startswith('edge.camera.') or name == 'picamera2'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "[]\n"
