"""A live camera has one door: every verb goes through `open_camera`, which asks for `[deployment]` and seals memory."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, resource, sys
import edge.camera.v4l2, edge.cli
from edge.errors import CameraError

def opened(*_):
    sealed = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0 and resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
    print("OPENED", "sealed" if sealed else "not sealed", flush=True)
    raise CameraError("the stub was opened")

edge.camera.v4l2.V4l2Source.__init__ = opened
edge.cli.main()
"""
DEPLOYMENT = """
[deployment]
purpose = "exhibition-feedback"
jurisdiction = "DE"
legal_basis = "legitimate-interest"
controller = "Museum"
contact = "privacy@museum.example"
retention_days = 90
notice = "at the door"
notice_version = "1"
notice_date = 2026-11-01
"""
BACKENDS = {"LiveCamera", "V4l2Source", "PicameraSource", "Picamera2"}


def call(folder: Path, verb: str, deployment: str) -> str:
    (folder / "config.toml").write_text(f'[camera]\nbackend = "v4l2"\n[mqtt]\nport = 9\n{deployment}')
    few = ["--faces", "1", "--frames", "60"] if verb == "bench" else []
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, verb, "--config", str(folder / "config.toml"), *few],
        capture_output=True, text=True, timeout=120, check=False,
        env={"STATE_DIRECTORY": str(folder), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("verb", ["run", "watch", "doctor"])
def test_no_verb_opens_a_live_camera_before_the_deployment_is_filled(verb: str, tmp_path: Path) -> None:
    said = call(tmp_path, verb, DEPLOYMENT.replace('"DE"', '"?"'))
    assert "jurisdiction: '?' is no ISO 3166 code" in said
    assert "OPENED" not in said


@pytest.mark.parametrize("verb", ["run", "watch", "doctor"])
def test_every_verb_seals_memory_before_it_opens_a_live_camera(verb: str, tmp_path: Path) -> None:
    said = call(tmp_path, verb, DEPLOYMENT)
    assert "OPENED sealed" in said
    assert "not sealed" not in said


def test_bench_opens_no_camera_whatever_is_configured(tmp_path: Path) -> None:
    assert "OPENED" not in call(tmp_path, "bench", DEPLOYMENT)


def test_nothing_but_the_door_makes_a_live_camera(repo: Path) -> None:
    """The soak has a live camera over drawn pictures; it opens no device."""
    made = set()
    for path in [
        path for part in ("edge", "benchmarks", "firmware_config", "scripts") for path in (repo / part).rglob("*.py")
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            name = getattr(called, "attr", getattr(called, "id", ""))
            if name in BACKENDS:
                made.add((str(path.relative_to(repo)), name))
    door = "edge/camera/__init__.py"
    assert made == {(door, name) for name in BACKENDS - {"Picamera2"}} | {("edge/camera/picamera.py", "Picamera2")}


def test_only_the_backends_open_a_video_device(repo: Path) -> None:
    opening = re.compile(r"VideoCapture\(|/dev/video|VIDIOC_")
    found = {str(p.relative_to(repo)) for p in (repo / "edge").rglob("*.py") if opening.search(p.read_text())}
    # A file (regular, so no device), the V4L2 backend, a default, and init's question.
    assert found <= {
        "edge/video_file.py", "edge/camera/v4l2.py", "edge/camera/v4l2_ioctl.py", "edge/config.py",
        "edge/cli/init/__init__.py", "edge/cli/init/configuration.py",
    }  # fmt: skip
