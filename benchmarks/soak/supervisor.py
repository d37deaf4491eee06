"""What systemd does for the device: starts it again whenever it ended, listens to its watchdog, kills it when silent.

Owns one device's process and folder.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from benchmarks.soak.journal import Closed, read_journal
from benchmarks.soak.stage import Stage

RESTART_S = 1.0  # the unit waits 10; here more time is to be spent running
WATCHDOG_S = 180.0  # as in the unit
_STOP_S = 30.0
_CONFIG = """\
[device]
site = "soak"
name = "{name}"
[camera]
backend = "scene"
fps = {fps}
[window]
window_s = 10
min_people = 3
[mqtt]
host = "127.0.0.1"
port = {port}
keepalive_s = 5
backoff_max_s = 2
bytes_per_minute = 16384
[outbox]
path = "outbox.db"
"""


class Supervisor:
    """One device, kept running.

    Attributes:
        exits: how its processes ended, counted by exit code; negative is the signal.
        starts: processes started.
        longest_silence_s: between two signs of life of one process that was ready.
        barked: processes that were ended because they gave no sign of life.

    Args:
        folder: the device's, made here.
        name: the device's.
        port: where it finds its broker.
        fps: of its camera.
    """

    def __init__(self, folder: Path, name: str, port: int, fps: float) -> None:
        folder.mkdir(parents=True)
        self.name, self.folder, self.stage = name, folder, Stage(folder)
        self.exits: Counter[int] = Counter()
        self.starts = self.barked = 0
        self.longest_silence_s = 0.0
        self._heard_s: float | None = None  # None until it said that it is ready
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(str(folder / "notify"))
        self._ear.settimeout(0.2)
        (folder / "config.toml").write_text(_CONFIG.format(name=name, fps=fps, port=port))

    @property
    def ready(self) -> bool:
        """Whether its process runs and has said so."""
        return self._heard_s is not None

    def start(self) -> None:
        """Starts it, and again whenever it ends."""
        self._wanted.set()
        self._thread = threading.Thread(target=self._keep, name=f"keep {self.name}", daemon=True)
        self._thread.start()

    def send(self, number: signal.Signals) -> bool:
        """Sends its process a signal; False when there is none."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                return False
            self._process.send_signal(number)
            return True

    def stop(self) -> None:
        """Ends it in order and does not start it again; it is killed when that takes too long."""
        self._wanted.clear()
        end_s = time.monotonic() + _STOP_S
        self.send(signal.SIGTERM)
        while self._thread is not None and self._thread.is_alive():
            if time.monotonic() > end_s:
                self.send(signal.SIGKILL)
            self._thread.join(0.5)

    def close(self) -> None:
        """Ends it at once, whatever it does."""
        self._wanted.clear()
        while self._thread is not None and self._thread.is_alive():  # one may just be starting
            self.send(signal.SIGKILL)
            self._thread.join(0.2)
        self._ear.close()

    def closed(self) -> list[Closed]:
        """The windows it has closed."""
        return read_journal(self.folder / "journal.jsonl")

    def log(self) -> str:
        """What its processes said."""
        path = self.folder / "device.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _keep(self) -> None:
        while self._wanted.is_set():
            process = self._launch()
            while process.poll() is None:
                self._listen(process)
            self.exits[process.returncode] += 1
            self._heard_s = None
            end_s = time.monotonic() + RESTART_S
            while self._wanted.is_set() and time.monotonic() < end_s:
                time.sleep(0.02)

    def _launch(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"NOTIFY_SOCKET": str(self.folder / "notify"), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "benchmarks.soak.device", str(self.folder)]
        with (self.folder / "device.log").open("ab") as log, self._lock:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=_CHECKOUT
            )
            self.starts += 1
            return self._process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(TimeoutError):
            word = self._ear.recv(64)
            now_s = time.monotonic()
            if self._heard_s is not None:
                self.longest_silence_s = max(self.longest_silence_s, now_s - self._heard_s)
            if word == b"READY=1" or self._heard_s is not None:
                self._heard_s = now_s
        if self._heard_s is not None and time.monotonic() - self._heard_s > WATCHDOG_S:
            self.barked += 1
            process.send_signal(signal.SIGABRT)
            process.wait(_STOP_S)


_CHECKOUT = Path(__file__).resolve().parents[2]
