from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from edge.camera import open_camera
from edge.camera.drawn import SceneCamera
from edge.camera.live import LiveCamera
from edge.camera.replay import Replay
from edge.clock import FileClock
from edge.config import CameraConfig, Config, HoursConfig, ZoneConfig
from edge.contract import CameraEvents
from edge.deployment import Deployment
from edge.errors import CameraError, DeploymentError

FILLED = Deployment(
    purpose="exhibition-feedback", jurisdiction="DE", legal_basis="legitimate-interest", controller="Museum",
    contact="privacy@museum.example", retention_days=90, notice="at the door", notice_version="1",
    notice_date=date(2026, 11, 1),
)  # fmt: skip


@pytest.fixture
def sealed(monkeypatch) -> list[str]:
    """What happened to this process's memory; nothing does, or no test after this one could write a core file."""
    calls: list[str] = []
    monkeypatch.setattr("edge.camera.seal_memory", lambda: calls.append("sealed"))
    return calls


def test_the_backend_is_the_configured_one(make_video, sealed):
    replay = CameraConfig(backend="replay", path=str(make_video()))
    assert isinstance(open_camera(Config(camera=replay), FileClock()), Replay)
    assert isinstance(open_camera(Config(camera=CameraConfig(backend="scene")), FileClock()), SceneCamera)
    assert sealed == []


def test_frames_come_turned_flipped_and_without_the_zones(make_video):
    camera = CameraConfig(backend="replay", path=str(make_video(frames=20)), pace="fast", rotate=90, flip=True)
    till = ZoneConfig(name="till", exclude=[(0.0, 0.0), (1.0, 0.0), (1.0, 0.25), (0.0, 0.25)])
    with open_camera(Config(camera=camera, zones=[till]), FileClock()) as opened:
        frame = list(opened)[-1]
    assert frame.pixels.shape == (96, 64, 3)
    assert not frame.pixels[:24].any()
    assert frame.pixels[26:].any(axis=2).all()
    # The red square was top left; turned it is top right, mirrored top left again, and half of it is blacked out.
    assert frame.pixels[28, 4, 0] > 200
    assert np.ptp(frame.pixels[28, 60]) < 20


@pytest.mark.parametrize("backend", ["v4l2", "picamera2"])
def test_a_live_camera_is_not_opened_before_the_deployment_is_filled(backend, monkeypatch, sealed):
    monkeypatch.setattr("edge.camera.v4l2.V4l2Source.__init__", lambda *_: pytest.fail("opened"))
    with pytest.raises(DeploymentError, match=r"deployment\.purpose"):
        open_camera(Config(camera=CameraConfig(backend=backend)), FileClock())
    assert sealed == []


def test_memory_is_sealed_before_a_live_camera_is_opened(monkeypatch, sealed):
    def opened(*_: object) -> None:
        sealed.append("opened")

    monkeypatch.setattr("edge.camera.v4l2.V4l2Source.__init__", opened)
    monkeypatch.setattr("edge.camera.v4l2.V4l2Source.close", lambda self: None)
    config = Config(camera=CameraConfig(backend="v4l2"), deployment=FILLED)
    with open_camera(config, FileClock()) as camera:
        assert isinstance(camera, LiveCamera)
    assert sealed == ["sealed", "opened"]


def test_outside_its_hours_a_live_camera_is_not_opened(monkeypatch, sealed):
    monkeypatch.setattr("edge.camera.v4l2.V4l2Source.__init__", lambda *_: pytest.fail("opened"))
    hours = HoursConfig(open=["daily 00:00-24:00"])
    config = Config(camera=CameraConfig(backend="v4l2"), deployment=FILLED, hours=hours)
    with open_camera(config, FileClock()) as camera:  # whose clock is never synchronized
        assert next(iter(camera)).reason == "closed"


def test_a_missing_device_is_an_error_at_once(tmp_path, sealed):
    config = Config(camera=CameraConfig(backend="v4l2", device=str(tmp_path / "video3")), deployment=FILLED)
    with pytest.raises(CameraError, match="video3: no such device"):
        open_camera(config, FileClock())


def test_every_camera_tells_of_its_faults_completely(make_video):
    for camera in (CameraConfig(backend="replay", path=str(make_video())), CameraConfig(backend="scene")):
        opened = open_camera(Config(camera=camera), FileClock())
        assert opened.events == dict.fromkeys(CameraEvents.__annotations__, 0)
        assert (opened.dropped, opened.failed, opened.skipped) == (0, 0, 0)


def test_a_backend_is_imported_only_when_it_is_asked_for():
    program = (
        "import sys, edge.camera\n"
        "print([name for name in sys.modules if name.startswith('edge.camera.') or name in ('picamera2', 'cv2')])"
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
