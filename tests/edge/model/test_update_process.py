"""An update in real processes: a good bundle stays, and one that kills the process is given up."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import load_config
from edge.model.bundle import load_bundle
from edge.model.store import MAX_STARTS, State, Store

pytestmark = pytest.mark.slow

MakeBundle = Callable[..., Path]
CONFIG = """
[camera]
backend = "scene"
fps = 15
[mqtt]
port = 1
[outbox]
path = "outbox.db"
[model]
store = "state/bundles"
allow_unsigned = true
"""
# Version 105 passes every check, and then takes the whole process with it.
LAUNCHER = """
import os, signal
from edge.cli import main
from edge.model import store
store.GOOD_S = 1.0
start = store.Store.start
def start_and_crash(self, use):
    model, why = start(self, use)
    if model.bundle.manifest.version == 105:
        os.kill(os.getpid(), signal.SIGSEGV)
    return model, why
store.Store.start = start_and_crash
main()
"""


class Device:
    """One device that is started again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, ""
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG)
        self.store = Store(load_config(self.config).model)

    def types(self, *words: str | Path) -> None:
        command = [sys.executable, "-m", "edge", "bundle", *map(str, words), "--config", str(self.config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def runs(self, until: Callable[[], bool]) -> int:
        """Runs until something is so, or the run ends by itself; gives the exit code."""
        path = self.folder / "log"
        with path.open("w") as log:
            command = [sys.executable, "-c", LAUNCHER, "run", "--config", str(self.config)]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            end_s = time.monotonic() + 60
            while process.poll() is None and not until():
                assert time.monotonic() < end_s, path.read_text()
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            return process.wait(30)
        finally:
            process.kill()
            process.wait()
            self.log = path.read_text()


def test_a_good_bundle_stays_and_one_that_kills_the_process_is_given_up(tmp_path: Path, real: MakeBundle) -> None:
    device = Device(tmp_path)
    good, crashing = real(103), real(105)
    good_sha256, crashing_sha256 = load_bundle(good).sha256, load_bundle(crashing).sha256

    device.types("install", good, "--activate")
    counted = False

    def well() -> bool:
        nonlocal counted
        counted = counted or device.store.state().starts == 1
        return counted and device.store.state().starts == 0

    assert device.runs(well) == 0, device.log
    assert "with model default 103" in device.log

    device.types("install", crashing, "--activate")
    for _ in range(MAX_STARTS):
        assert device.runs(lambda: False) == -signal.SIGSEGV, device.log
    assert device.runs(lambda: "with model default 103" in (tmp_path / "log").read_text()) == 0, device.log
    assert f"the bundle {crashing_sha256[:12]} is given up: its last 3 starts failed" in device.log
    assert device.store.state() == State(active=good_sha256, failed=crashing_sha256)
