"""The service's settings, as they are taken over for an examination inside its sandbox."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.cli import app
from edge.cli.doctor import sandbox
from edge.cli.doctor.sandbox import beside_service, sandboxed, service_settings
from edge.errors import EdgeError


def test_walls_of_the_shipped_unit_are_taken_over_and_its_life_is_not(repo: Path) -> None:
    unit = (repo / "firmware_config/systemd/affect-edge.service").read_text()
    settings = service_settings(
        unit + "\n# /etc/systemd/system/affect-edge.service.d/a.conf\n[Service]\nIPAddressAllow=192.0.2.1\n"
    )
    assert "ProtectSystem=strict" in settings
    assert "IPAddressDeny=any" in settings
    assert settings[-1] == "IPAddressAllow=192.0.2.1"
    assert not [
        line for line in settings if line.startswith(("Exec", "Restart", "Type", "Watchdog", "Timeout", "WantedBy"))
    ]


def test_continued_lines_and_comments_are_read_as_systemd_reads_them() -> None:
    assert service_settings("[Unit]\nA=1\n[Service]\n; no\nDeviceAllow=a \\\n  b\n[Install]\nB=2\n") == [
        "DeviceAllow=a b"
    ]


def test_beside_a_running_service_its_folder_stays_its_own(repo: Path) -> None:
    unit = (repo / "firmware_config/systemd/affect-edge.service").read_text()
    settings = beside_service(service_settings(unit), 61234)
    assert not [line for line in settings if line.startswith(("StateDirectory", "DynamicUser"))]
    assert settings[-3:] == [
        "User=61234",
        "BindPaths=/var/lib/private/affect-edge:/run/affect-edge-state",
        "Environment=STATE_DIRECTORY=/run/affect-edge-state",
    ]


def test_unit_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise FileNotFoundError("systemctl")

    monkeypatch.setattr(sandbox.subprocess, "run", gone)
    with pytest.raises(EdgeError, match="leave out --sandbox"):
        sandboxed("affect-edge.service", ["true"])


def test_sandboxed_doctor_runs_nothing_of_the_current_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called: list[tuple[list[str], str]] = []

    def run(command: list[str], **given: object) -> subprocess.CompletedProcess[str]:
        called.append((command, str(given.get("cwd"))))
        return subprocess.CompletedProcess(command, 0, "[Service]\n", "")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    assert CliRunner().invoke(app, ["doctor", "--sandbox"]).exit_code == 0
    assert {where for _, where in called} == {"/"}
    command, _ = called[-1]
    assert command[command.index("--") + 1 :][1:4] == ["-I", "-m", "edge"]
