"""The device as its service manager and its broker see it: a process that is started, watched and told to stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

parser = pytest.importorskip("prometheus_client.parser", reason="needs the `metrics` extra")

pytestmark = pytest.mark.slow

CONFIG = """
[device]
site = "test"
name = "scene"
tags = {{ zone = "entrance" }}
[camera]
backend = "scene"
fps = 15
[window]
window_s = 10
min_people = 3
[mqtt]
host = "127.0.0.1"
port = {port}
backoff_max_s = 1
bytes_per_minute = 16384
[metrics]
port = {metrics}
[homeassistant]
discovery = "announce"
[outbox]
path = "outbox.db"
hold_unsynced_s = 0
"""


@pytest.fixture
def metrics_port(free_ports: Callable[[], int]) -> int:
    return free_ports()


@pytest.fixture
def device(tmp_path: Path, free_port: int, metrics_port: int) -> Iterator[subprocess.Popen[str]]:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(port=free_port, metrics=metrics_port))
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", "--config", str(path)], stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_device_publishes_through_a_broker_that_comes_late_and_goes_away(
    device: subprocess.Popen[str], tmp_path: Path, mosquitto: Any, listen: Any, until: Any, metrics_port: int
) -> None:
    log = tmp_path / "log"
    until(lambda: "broker unreachable" in log.read_text(), 30)
    mosquitto.start()
    listener = listen(mosquitto.port)
    until(lambda: [s for s in listener.payloads("status") if s["state"] == "online"], 30)
    windows = until(lambda: len(found := listener.payloads("window")) >= 2 and found, 40)
    assert windows[0]["partial"]
    assert windows[1]["tags"] == {"zone": "entrance"}
    assert windows[1]["people"] >= 3
    assert windows[1]["valence"] is not None

    # Scraped while it works, sealed as it is.
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    seen = {s.labels["kind"]: s.value for s in families["affect_edge_frames"].samples}
    assert seen["seen"] > 100
    assert families["affect_edge_load_demand"].samples[0].value > 0
    assert {s.labels["stage"] for s in families["affect_edge_stage_p50_seconds"].samples} >= {"detect", "embed", "head"}
    found = subprocess.run(
        [
            *f"mosquitto_sub -h 127.0.0.1 -p {mosquitto.port} -C 1 -W 5".split(),
            *("-t", "homeassistant/device/affect_test_scene/config"),
        ],
        capture_output=True,
        check=True,
    )
    assert b"Expression valence" in found.stdout

    device.send_signal(signal.SIGTERM)
    said, _ = device.communicate(timeout=20)
    assert device.returncode == 0, log.read_text()
    assert said == ""
    assert "Traceback" not in log.read_text()
    until(lambda: listener.payloads("status")[-1]["state"] == "offline")
    assert "since" in listener.payloads("status")[-1]  # said by the device itself, not by its last will
    assert log.read_text().count("the first window was delivered") == 1
    assert listener.payloads("window")[-1]["partial"]
    numbers = [window["seq"] for window in listener.payloads("window")]
    assert numbers == list(range(1, len(numbers) + 1))
