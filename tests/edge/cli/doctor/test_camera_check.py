"""What the examination says of a camera, good or with one planted fault each."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.cli.doctor.camera import check_camera
from edge.cli.doctor.finding import Level
from edge.clock import FileClock
from edge.config import CameraConfig, Config, FaceConfig
from edge.demo.scene import Scene
from edge.errors import CameraError, DeploymentError
from edge.face.search import Search
from edge.values import Tick

CONFIG = Config(camera=CameraConfig(backend="scene"))


@pytest.fixture
def examined(planted):
    def examine(config: Config = CONFIG, detector=None, **faults: object):
        clock = FileClock(now_ns=10**10)
        camera = planted(clock, **faults)
        findings = list(check_camera(config, clock, detector, opener=lambda *_: camera, look_s=60))
        assert camera.closed
        return findings

    return examine


@pytest.fixture
def people() -> np.ndarray:
    """A picture of the drawn scene with several faces."""
    return Scene(640, 480).draw(9.0)


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
        raise CameraError("/dev/video0: busy; in use", "find who uses it with `fuser -v /dev/video0`; stop it")

    finding = found(check_camera(CONFIG, FileClock(), None, opener=refuse), "camera")
    assert (finding.level, finding.said) == (Level.FAIL, "/dev/video0: busy; in use")
    assert finding.fix == "find who uses it with `fuser -v /dev/video0`; stop it"


def test_camera_is_not_opened_before_the_deployment_is_filled(found) -> None:
    def refuse(*_: object):
        raise DeploymentError("deployment.purpose: not filled")

    assert found(check_camera(CONFIG, FileClock(), None, opener=refuse), "camera").level is Level.SKIP


@pytest.mark.parametrize(("reason", "level"), [("closed", Level.SKIP), ("gone", Level.FAIL), ("starting", Level.FAIL)])
def test_camera_without_a_frame_is_told_by_its_reason(planted, found, reason, level) -> None:
    camera = planted(FileClock(), ticks=[Tick(at_ns=0, reason=reason)])
    finding = found(check_camera(CONFIG, FileClock(), None, opener=lambda *_: camera, patience_s=0.05), "camera")
    assert finding.level is level
    assert finding.fix


def test_faces_in_view_are_measured_and_their_colours_pass(examined, found, people) -> None:
    findings = examined(detector=Search(), pixels=people)
    size = found(findings, "faces")
    assert size.level is Level.PASS
    assert "they are found from about 24 px" in size.said
    assert found(findings, "colours").level is Level.PASS


def test_red_and_blue_exchanged_are_noticed(examined, found, people) -> None:
    exchanged = np.ascontiguousarray(people[..., ::-1])
    finding = found(examined(detector=Search(), pixels=exchanged), "colours")
    assert finding.level is Level.WARN
    assert "BGR for RGB" in finding.fix


def test_grey_camera_says_nothing_of_colours(examined, found, people) -> None:
    grey = np.repeat(people.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    finding = found(examined(detector=Search(), pixels=grey), "colours")
    assert finding.level is Level.SKIP


def test_faces_that_are_too_small_are_warned_about(examined, found, people) -> None:
    far = np.full_like(people, 110)
    far[200:296, 213:341] = cv2.resize(people, (128, 96), interpolation=cv2.INTER_AREA)
    finding = found(examined(detector=Search(FaceConfig(min_face_px=12)), pixels=far), "faces")
    assert finding.level is Level.WARN
    assert "nearer" in finding.fix


def test_empty_room_is_no_fault(examined, found) -> None:
    finding = found(examined(detector=Search()), "faces")
    assert (finding.level, finding.said) == (Level.SKIP, "nobody in view")
