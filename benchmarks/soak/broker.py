"""A real Mosquitto on a free port, and the subscriber that hears everything it passes on.

Owns the broker's process. It is set up as `docs/mqtt.md` advises, so that what it has acknowledged survives it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.ports import HOST, hold_port, port_of
from benchmarks.soak.account import Arrival
from edge.errors import ConfigError

ADVISED = (
    "allow_anonymous true",
    "persistence true",
    "autosave_on_changes true",
    "autosave_interval 1",
    "max_queued_messages 1000000",
)
_START_S = 20.0
_STOP_S = 20.0


def find_mosquitto() -> str:
    """Path of the broker's program.

    Raises:
        ConfigError: it is not installed.
    """
    found = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ConfigError("Mosquitto is not installed", fix="run: apt-get install mosquitto")
    return found


def mosquitto_version() -> str:
    """As the program says it."""
    said = subprocess.run([find_mosquitto(), "-h"], capture_output=True, text=True, check=False).stdout
    return said.partition("\n")[0].removeprefix("mosquitto version ").strip()


class Broker:
    """One Mosquitto, stopped, killed and started again on its port.

    Attributes:
        killed_s: when it was killed, monotonic seconds.

    Args:
        folder: of its configuration, its database and its log.
        rules: lines of its configuration, in place of what is advised; a `{port}` in them is its port. Without a
            `listener` among them they follow one on that port.
    """

    def __init__(self, folder: Path, rules: Sequence[str] = ADVISED) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        held = hold_port()
        weakref.finalize(self, held.close)
        self.port = port_of(held)
        self.killed_s: list[float] = []
        self._process: subprocess.Popen[bytes] | None = None
        rules = [f"persistence_location {folder}/", *(rule.replace("{port}", str(self.port)) for rule in rules)]
        if not any(rule.startswith("listener ") for rule in rules):
            rules.insert(0, f"listener {self.port} {HOST}")
        if os.geteuid() == 0:
            rules.append("user root")
        (folder / "mosquitto.conf").write_text("\n".join(rules) + "\n")

    def start(self) -> None:
        """Starts it and waits until it answers.

        Raises:
            ConfigError: it does not.
        """
        with (self._folder / "mosquitto.log").open("ab") as log:
            command = [find_mosquitto(), "-c", str(self._folder / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end_s = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
            except OSError as error:
                if time.monotonic() > end_s or self._process.poll() is not None:
                    raise ConfigError(f"Mosquitto does not start; see {self._folder}/mosquitto.log") from error
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Ends it in order; nothing happens when it does not run."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """Of the running process; 0 when none runs."""
        return self._process.pid if self._process is not None else 0

    def reload(self) -> None:
        """SIGHUP: users and rights are read again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self.killed_s.append(time.monotonic())
            self._process.kill()
            self._process.wait()
            self._process = None


class Subscriber:
    """Hears all windows, with a session that outlives its connections; beside the proxy, so only the broker fails it.

    Attributes:
        arrivals: in order.

    Args:
        port: the broker's.
    """

    def __init__(self, port: int) -> None:
        self.arrivals: list[Arrival] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "soak-subscriber", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("affect/v1/+/+/window", qos=1)
        self._client.on_message = lambda _client, _data, message: self._keep(message)
        self._client.connect_async(HOST, port, keepalive=10)
        self._client.loop_start()

    def ids(self) -> set[str]:
        """Of the windows that came."""
        return {arrival.id for arrival in list(self.arrivals)}

    def close(self) -> None:
        """Leaves."""
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_connect = self._client.on_message = None

    def _keep(self, message: Any) -> None:
        self.arrivals.append(Arrival(topic=message.topic, payload=bytes(message.payload)))
