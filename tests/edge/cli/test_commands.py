"""The command line as a person meets it: run as a process, judged by its output and exit code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

CONSENT = ("--consent", "nobody: drawn stripes")
VERBS = ("run", "demo", "replay", "info")


def affect_edge(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120", **environment},
        check=False,
    )


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The error, if it is one line on stderr with that exit code and nothing else was said."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("affect-edge: ")
    return line


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of moving stripes: a video without a face."""
    path = tmp_path_factory.mktemp("clip") / "stripes.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15, (320, 240))
    for index in range(30):
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[:, (index * 4) % 320 :: 40] = 200
        writer.write(picture)
    writer.release()
    return path


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    done = affect_edge(verb, "--help")
    assert done.returncode == 0
    assert f"Example: affect-edge {verb}" in done.stdout


def test_help_lists_every_verb_and_the_exit_codes() -> None:
    text = affect_edge("--help").stdout
    assert all(f" {verb} " in text for verb in VERBS)
    assert "Exit codes" in text
    assert "not a feeling" in text


def test_version_is_told() -> None:
    assert affect_edge("--version").stdout.startswith("affect-edge 0.")


def test_info_names_model_hashes_and_detector() -> None:
    facts = json.loads(affect_edge("info", "--json").stdout)
    assert len(facts["bundle"]["sha256"]) == 64
    assert facts["bundle"]["metrics"]
    assert facts["bundle"]["signature"].startswith("signed by the release key ")
    assert facts["detector"]["state"] == "verified"
    assert facts["packages"]["numpy"]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("[camera]\nbackend = 'v4l2'", 2, "deployment.purpose: not filled, so the live camera stays off"),
        ("[camera]\nbackend = 'webcam'", 2, "camera.backend"),
        ("speed = 1", 2, "speed: unknown key"),
        ("[camera]\nbackend = 'replay'\npath = 'none.mp4'", 6, "none.mp4"),
        ("[camera]\nbackend = 'scene'\n[engine]\ndelegate = '/none.so'", 5, "/none.so is not there; install"),
        ("[camera]\nbackend = 'scene'\n[mqtt]\ntls = true\nca_file = 'none.pem'", 7, "none.pem"),
        ("[camera]\nbackend = 'scene'\n[window]\nwindow_s = 10", 2, "windows of 10 s and health need 8192"),
        (
            "[camera]\nbackend = 'scene'\n[outbox]\npath = '/dev/null/outbox.db'",
            7,
            "outbox.path: /dev/null/outbox.db cannot be opened",
        ),
    ],
    ids=["deployment", "backend", "unknown key", "video", "delegate", "certificate", "budget", "outbox"],
)
def test_run_refuses_in_one_line_with_a_documented_code(tmp_path: Path, text: str, code: int, said: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    assert said in one_line(
        affect_edge("run", "--config", tmp_path / "config.toml", STATE_DIRECTORY=str(tmp_path)), code
    )


def test_run_refuses_a_metrics_port_that_is_taken(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client", reason="needs the `metrics` extra")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "config.toml").write_text(f"[camera]\nbackend = 'scene'\n[metrics]\nport = {port}")
        done = affect_edge("run", "--config", tmp_path / "config.toml", STATE_DIRECTORY=str(tmp_path))
    assert f"metrics.port: 127.0.0.1:{port} cannot be opened" in one_line(done, 2)


def test_live_camera_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "[camera]\ndevice = '/dev/video-none'\n[deployment]\npurpose = 'installation-art'\nnotice = 'door'\n"
        "controller = 'Museum'\ncontact = '+49 30 1234567'\njurisdiction = 'DE'\nlegal_basis = 'public-task'\n"
        "retention_days = 30\nnotice_version = '1'\nnotice_date = 2026-11-01"
    )
    assert "/dev/video-none" in one_line(
        affect_edge("run", "--config", tmp_path / "config.toml", STATE_DIRECTORY=str(tmp_path)), 6
    )


def test_replay_refuses_what_is_no_video(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a video")
    for path in (text, tmp_path / "missing.mp4", tmp_path, Path("/dev/null")):
        assert str(path) in one_line(affect_edge("replay", path), 6)


def test_replay_that_cannot_write_its_scores_says_so(clip: Path) -> None:
    assert "cannot be written" in one_line(
        affect_edge("replay", clip, "--scores", "/nowhere/scores.jsonl", *CONSENT), 2
    )


def test_two_replays_give_the_same_bytes(clip: Path, tmp_path: Path) -> None:
    first, second = (affect_edge("replay", clip, "--scores", tmp_path / name, *CONSENT) for name in ("a", "b"))
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout != ""
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert "Traceback" not in first.stderr


def test_replay_prints_windows_and_nothing_else_on_stdout(clip: Path) -> None:
    (line,) = affect_edge("replay", clip).stdout.splitlines()
    window = json.loads(line)
    assert (window["schema"], window["suppressed"], window["valence"]) == ("affect/v1/window", "partial", None)
    assert (window["partial"], window["clock"]) == (True, "unsynced")


@pytest.mark.parametrize(("redirect", "code", "said"), [(">/dev/full", 1, "No space left"), ("| true", 1, "")])
def test_output_that_nobody_takes_ends_replay_cleanly(clip: Path, redirect: str, code: int, said: str) -> None:
    command = f"{sys.executable} -m edge replay {clip} {redirect}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
