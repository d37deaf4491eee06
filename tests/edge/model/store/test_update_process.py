"""An update as a device goes through it: real processes, a drawn camera, windows in the outbox, and two bad bundles."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.model.bundle import default_bundle, load_bundle
from edge.model.store import state as steps
from edge.model.store.state import SHIPPED
from edge.model.store.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("detector_asset")]

MakeBundle = Callable[..., Path]
CONFIG = """
[camera]
backend = "scene"
fps = 15
[window]
window_s = 10
[mqtt]
bytes_per_minute = 16384
port = 1
[outbox]
path = "outbox.db"
hold_unsynced_s = 0
[model]
store = "state/bundles"
probation_s = 1
"""
# Version 104 passes every check and then cannot compute; version 105 takes the whole process with it.
LAUNCHER = """
import os, signal
from edge.affect.backbone import Backbone
from edge.cli import main, run
from edge.errors import EngineError
from edge.publish.mqtt import MqttPublisher
from edge.model.store import probation
probation.MIN_SCORED = 20
probation.MAX_SLOWDOWN = 1e6  # a second of a shared machine's time says nothing; pace has tests of its own
MqttPublisher.close.__defaults__ = (0.1,)  # there is no broker to wait for
build = run.build_pipeline
def fail(self, crops):
    raise EngineError("invoke failed")
def crash(self, crops):
    os.kill(os.getpid(), signal.SIGSEGV)
def build_pipeline(config, **parts):
    bad = {104: fail, 105: crash}.get(parts["model"].bundle.manifest.version)
    if bad:
        Backbone.embed_all = bad
    return build(config, **parts)
run.build_pipeline = build_pipeline
main()
"""


class Device:
    """One device that is started again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, ""
        (folder / "config.toml").write_text(CONFIG)
        self.store = Store(folder / "state" / "bundles")

    def types(self, *words: str | Path) -> None:
        command = [
            sys.executable,
            "-m",
            "edge",
            "bundle",
            *map(str, words),
            "--config",
            str(self.folder / "config.toml"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def runs(self, until: Callable[[str], Any] | None, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Runs until the log says something, or the run ends by itself; gives the exit code."""
        path = self.folder / "log"
        with path.open("w") as log:
            command = [sys.executable, "-c", LAUNCHER, "run", "--config", str(self.folder / "config.toml")]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            end_s = time.monotonic() + 60
            while process.poll() is None and not (until and until(path.read_text())):
                assert time.monotonic() < end_s, path.read_text()
                time.sleep(0.05)
            meanwhile()
            process.send_signal(signal.SIGTERM)
            return process.wait(30)
        finally:
            process.kill()
            process.wait()
            self.log = path.read_text()

    def models(self) -> list[str]:
        """The model of every window in the outbox, in order."""
        with sqlite3.connect(self.folder / "outbox.db") as database:
            rows = database.execute("SELECT payload FROM windows ORDER BY seq").fetchall()
        database.close()
        return [json.loads(payload)["model"]["sha256"] for (payload,) in rows]


def test_a_good_bundle_is_confirmed_and_bad_ones_are_rolled_back(tmp_path: Path, real: MakeBundle) -> None:
    device = Device(tmp_path)
    shipped = load_bundle(default_bundle()).sha256
    good, failing, crashing = (real(version) for version in (103, 104, 105))
    good_sha256 = load_bundle(good).sha256
    paced = lambda _: SHIPPED in device.store.state().embed_p10_ms  # noqa: E731

    # Activated while a run is under way: that run keeps its bundle to its end.
    assert device.runs(paced, lambda: device.types("install", good, "--activate")) == 0, device.log
    first = device.models()
    assert set(first) == {shipped}

    assert device.runs(lambda log: "has passed its probation" in log) == 0, device.log
    second = device.models()[len(first) :]
    assert set(second) == {good_sha256}
    assert device.store.state().probation is None

    device.types("install", failing, "--activate")
    assert device.runs(None) == 4
    assert "default 104 has failed its probation: 20 frames failed" in device.log.splitlines()[-1]
    state = device.store.state()
    assert (state.active, state.previous, state.probation) == (good_sha256, None, None)

    device.types("install", crashing, "--activate")
    device.store.change(steps.begin, steps.begin)  # as if it had crashed twice already
    assert device.runs(None) == -signal.SIGSEGV
    before = len(device.models())
    assert device.runs(lambda log: "watching scene with model default 103" in log, lambda: time.sleep(1)) == 0
    assert "is rolled back: 3 runs ended without order" in device.log
    assert set(device.models()[before:]) == {good_sha256}
