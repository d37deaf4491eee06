"""What the examination says of a camera, good or with one planted fault each."""

from __future__ import annotations

import numpy as np
import pytest

from edge.cli.doctor.camera import check_camera
from edge.cli.doctor.finding import Level
from edge.clock import FileClock
from edge.config import CameraConfig, Config
from edge.errors import CameraError

CONFIG = Config(camera=CameraConfig(backend="scene"))


@pytest.fixture
def examined(planted):
    def examine(config: Config = CONFIG, **faults: object):
        clock = FileClock(now_ns=10**10)
        camera = planted(clock, **faults)
        findings = check_camera(config, clock, opener=lambda *_: camera, look_s=60)
        assert camera.closed
        return findings

    return examine


def test_good_camera_passes_every_check_with_its_numbers(examined, found) -> None:
    findings = examined()
    assert {finding.level for finding in findings} == {Level.PASS}
    assert found(findings, "camera mode").said == "640 x 480 at 30.0 frames a second"
    assert "brightness 130 of 255" in found(findings, "light").said


@pytest.mark.parametrize(
    ("fault", "check", "level", "said", "fix"),
    [
        (
            {"fps": 12.0},
            "camera mode",
            Level.WARN,
            "at 12.0 frames a second, asked for 640 x 480 at 30",
            "camera.width",
        ),
        ({"size": (320, 240)}, "camera mode", Level.WARN, "320 x 240", "camera.width"),
        ({"age_s": 2.0}, "fresh frames", Level.WARN, "2.00 s old", "does not keep up"),
        ({"pixels": np.full((480, 640, 3), 128, np.uint8)}, "fresh frames", Level.FAIL, "same to the bit", "unplug"),
        ({"pixels": np.full((480, 640, 3), 9, np.uint8)}, "light", Level.WARN, "brightness 9 of", "more light"),
        ({"pixels": np.full((480, 640, 3), 250, np.uint8)}, "light", Level.WARN, "brightness 250 of", "too bright"),
        ({"pixels": np.full((480, 640, 3), 128, np.uint8)}, "sharpness", Level.WARN, "detail 0", "focus"),
    ],
)
def test_planted_fault_is_named_with_its_fix(examined, found, fault, check, level, said, fix) -> None:
    finding = found(examined(**fault), check)
    assert finding.level is level
    assert said in finding.said
    assert fix in finding.fix


def test_darkness_says_nothing_of_sharpness(examined, found) -> None:
    findings = examined(pixels=np.full((480, 640, 3), 9, np.uint8))
    assert found(findings, "sharpness").level is Level.SKIP


def test_turned_camera_is_not_called_wrong(examined, found) -> None:
    turned = Config(camera=CameraConfig(backend="scene", rotate=90))
    assert found(examined(turned, size=(480, 640)), "camera mode").level is Level.PASS


def test_camera_that_cannot_be_opened_or_gives_nothing_fails(found) -> None:
    def refuse(*_: object):
        raise CameraError("/dev/video0: busy; find who uses it with `fuser -v /dev/video0`")

    finding = found(check_camera(CONFIG, FileClock(), opener=refuse), "camera")
    assert (finding.level, finding.said) == (Level.FAIL, "/dev/video0: busy")
    assert finding.fix.startswith("find who uses it")


def test_camera_without_a_frame_fails(planted, found) -> None:
    camera = planted(FileClock())
    camera.frames = lambda: iter(())
    finding = found(check_camera(CONFIG, FileClock(), opener=lambda *_: camera), "camera")
    assert finding.level is Level.FAIL
    assert "no frame" in finding.said
