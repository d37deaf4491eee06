"""The service under a booted systemd: started, confined, publishing, examined in its own sandbox, killed and back.

Needs root, systemd-nspawn and a Debian root with the package in it; none of that is made here:

    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,python3,mosquitto,mosquitto-clients bookworm ROOT
    cp dist/affect-edge_*+py3.11_amd64.deb ROOT/root && chroot ROOT dpkg -i /root/affect-edge_*.deb
    AFFECT_EDGE_BOOT_ROOT=ROOT python -m pytest tests/firmware/test_booted_service.py

It takes about two minutes and writes into ROOT.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

CONFIG = """[device]
site = "boot"
name = "trial"
[camera]
backend = "scene"
fps = 10.0
[window]
window_s = 10
min_people = 3
[mqtt]
bytes_per_minute = 16384
[outbox]
hold_unsynced_s = 0.0
"""
PROBE = r"""#!/bin/sh
cd /root
sleep 5
timeout 40 mosquitto_sub -h 127.0.0.1 -t 'affect/#' -v -q 1 > messages
systemctl show affect-edge -p ActiveState,SubState,DynamicUser,MainPID > state
cat /proc/$(systemctl show affect-edge -p MainPID --value)/status > process
journalctl -u affect-edge -b --no-pager -o cat > journal
systemctl start affect-edge@door
affect-edge doctor --config /etc/affect-edge/config.toml --sandbox --json > doctor
timeout 25 mosquitto_sub -h 127.0.0.1 -t 'affect/+/+/+/window' -v -q 1 > both
systemctl show affect-edge affect-edge@door -p Id,ActiveState,NRestarts > two
journalctl -b --no-pager -o cat | grep -i 'permission denied\|STATE_DIRECTORY' > denied
systemctl kill -s KILL affect-edge
sleep 16
systemctl show affect-edge -p ActiveState,NRestarts > after
systemctl poweroff
"""
UNIT = "[Unit]\nAfter=affect-edge.service mosquitto.service\n[Service]\nExecStart=/root/probe\n"
UNIT += "[Install]\nWantedBy=multi-user.target\n"
LEFT = ("messages", "state", "process", "journal", "doctor", "both", "two", "denied", "after")


@pytest.fixture(scope="module")
def left() -> dict[str, str]:
    """What the probe wrote inside the booted system, by file."""
    root = Path(os.environ.get("AFFECT_EDGE_BOOT_ROOT", ""))
    if not root.name or os.geteuid() != 0 or shutil.which("systemd-nspawn") is None:
        pytest.skip("needs AFFECT_EDGE_BOOT_ROOT, root and systemd-nspawn; see this file's head")
    (root / "etc/affect-edge/config.toml").write_text(CONFIG)
    (root / "etc/affect-edge/door.toml").write_text(CONFIG.replace('"trial"', '"door"'))
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "root/probe").write_text(PROBE)
    (root / "root/probe").chmod(0o755)
    (root / "etc/systemd/system/probe.service").write_text(UNIT)
    for name in LEFT:
        (root / "root" / name).unlink(missing_ok=True)
    units = ["affect-edge", "mosquitto", "probe"]
    subprocess.run(["chroot", root, "systemctl", "enable", *units], check=True, capture_output=True)
    boot = ["systemd-nspawn", "--quiet", "-D", root, "--register=no", "--keep-unit", "--boot"]
    subprocess.run(boot, check=True, capture_output=True, timeout=300)
    return {name: (root / "root" / name).read_text() for name in LEFT}


@pytest.mark.slow
def test_service_runs_as_a_user_of_its_own_without_rights_and_publishes(left: dict[str, str]) -> None:
    assert "ActiveState=active\nSubState=running" in left["state"], left["journal"]
    assert "DynamicUser=yes" in left["state"]
    status = dict(line.split(":\t", 1) for line in left["process"].splitlines() if ":\t" in line)
    assert int(status["Uid"].split()[0]) > 60_000
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    messages = [line.split(" ", 1) for line in left["messages"].splitlines()]
    windows = [json.loads(payload) for topic, payload in messages if topic.endswith("/window")]
    assert len(windows) >= 2
    assert sum(window["scored_s"] or 0 for window in windows) > 10
    assert any(topic.endswith("/status") and json.loads(payload)["state"] == "online" for topic, payload in messages)


@pytest.mark.slow
def test_examination_from_inside_the_sandbox_finds_nothing_wrong(left: dict[str, str]) -> None:
    found = json.loads(left["doctor"])
    assert found["worst"] in ("pass", "warn"), found
    levels = {finding["check"]: finding["level"] for finding in found["findings"]}
    assert {levels[check] for check in ("camera", "outbox", "publishing", "service filter")} == {"pass"}


@pytest.mark.slow
def test_a_second_camera_runs_beside_the_first_and_an_examination_takes_no_folder_away(left: dict[str, str]) -> None:
    assert left["two"].count("ActiveState=active") == 2, left["two"]
    assert left["two"].count("NRestarts=0") == 2
    assert {line.split("/")[3] for line in left["both"].splitlines()} == {"trial", "door"}
    assert left["denied"] == ""


@pytest.mark.slow
def test_killed_service_is_started_again(left: dict[str, str]) -> None:
    assert "ActiveState=active" in left["after"]
    assert "NRestarts=1" in left["after"]
