"""The broker that a fleet meets, its certificate, and the subscriber behind it, each a process of its own."""

from __future__ import annotations

import contextlib
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.certificate import write_certificate
from benchmarks.ports import HOST, hold_port, port_of
from benchmarks.soak.broker import ADVISED, Broker
from edge.errors import ConfigError

_WINDOWS = "affect/v1/+/+/window"
_START_S = 20.0
# The log tells when the subscriber has subscribed: no window may come before.
_LOGGED = tuple(f"log_type {kind}" for kind in ("error", "warning", "notice", "information", "subscribe"))
_UNSAVED = ("allow_anonymous true", "persistence false", "max_queued_messages 1000000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What stands while devices come and go.

    Attributes:
        broker: its TLS port is the devices'.
        tls: the devices' context, which checks the broker's name.
        heard: file into which the subscriber writes the payload of each window, one a line.
    """

    broker: Broker
    tls: ssl.SSLContext
    heard: Path

    def broker_rss_mb(self) -> float:
        """Resident memory of the broker now."""
        return psutil.Process(self.broker.pid).memory_info().rss / 1e6

    def windows_heard(self) -> tuple[int, int]:
        """Deliveries, and different windows among them."""
        lines = self.heard.read_bytes().splitlines()
        return len(lines), len({line.partition(b'"id":')[2].partition(b",")[0] for line in lines})


@contextlib.contextmanager
def set_stage(folder: Path, *, saved: bool) -> Iterator[Stage]:
    """Starts broker and subscriber, and ends them whatever happens.

    Args:
        folder: empty or new.
        saved: the broker saves what it owes as `docs/mqtt.md` advises; else it keeps all in memory.

    Raises:
        ConfigError: a program is not installed, or the broker does not start.
    """
    listener = shutil.which("mosquitto_sub")
    if listener is None:
        raise ConfigError("the fleet needs mosquitto_sub; apt-get install mosquitto-clients")
    folder.mkdir(parents=True, exist_ok=True)
    write_certificate(folder)
    with hold_port() as held:
        plain = port_of(held)
        secured = [f"certfile {folder}/ca.pem", f"keyfile {folder}/ca.key"]
        rules = [
            *(ADVISED if saved else _UNSAVED),
            *_LOGGED,
            f"listener {plain} {HOST}",  # first: Mosquitto opens them in turn, and `start` waits for the devices' own
            f"listener {{port}} {HOST}",
            *secured,
        ]
        broker = Broker(folder / "broker", rules)
        heard = folder / "heard"
        command = [listener, "-h", HOST, "-p", str(plain), "-V", "5", "-i", "reader", "-c", "-x", "3600", "-q", "1"]
        try:
            broker.start()
            with heard.open("wb") as file, (folder / "reader.log").open("wb") as log:
                reader = subprocess.Popen([*command, "-t", _WINDOWS], stdout=file, stderr=log)
            try:
                _wait_for(folder / "broker" / "mosquitto.log", _WINDOWS)
                yield Stage(broker=broker, tls=_context(folder / "ca.pem"), heard=heard)
            finally:
                reader.terminate()
                reader.wait(10)
        finally:
            broker.stop()


def _wait_for(log: Path, words: str) -> None:
    end_s = time.monotonic() + _START_S
    while words not in log.read_text(encoding="utf-8", errors="replace"):
        if time.monotonic() > end_s:
            raise ConfigError("the subscriber does not reach the broker on this machine; is mosquitto_sub right?")
        time.sleep(0.02)


def _context(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=authority)
    return context
