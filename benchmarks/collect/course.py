"""A real Mosquitto, a sender that keeps the broker's account, and collectors that are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import paho.mqtt.client as mqtt
from msgspec.structs import replace
from paho.mqtt.enums import CallbackAPIVersion

from analytics.store import Store
from benchmarks.ports import HOST, hold_port, port_of
from edge.contract import encode
from edge.errors import ConfigError
from scripts.mqtt_examples import BUSY

# Nothing is written to the disk by the broker: it is not what is killed. 20 on the way at once is Mosquitto's default.
RULES = ("allow_anonymous true", "persistence false", "max_queued_messages 1000000", "max_inflight_messages 2000")
_SITES, _PER_SITE = 20, 50
_PATIENCE_S = 120.0
NEW = 'affect_collect_windows_total{result="new"}'


@dataclass
class Sender:
    """Sends windows of 1,000 cameras at QoS 1 in a thread of paho's, and keeps what the broker acknowledged.

    Attributes:
        acknowledged: ids of windows that the broker took.
    """

    ports: Sequence[int]
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0
    _waiting: deque[tuple[mqtt.MQTTMessageInfo, str]] = field(default_factory=deque)
    _clients: list[mqtt.Client] = field(default_factory=list)
    _sent: int = 0

    def __enter__(self) -> Sender:
        for number, port in enumerate(self.ports):
            client = mqtt.Client(CallbackAPIVersion.VERSION2, f"sender-{number}", protocol=mqtt.MQTTv5)
            client.max_inflight_messages_set(1000)
            client.on_publish = self._answered
            client.connect(HOST, port)
            client.loop_start()
            self._clients.append(client)
        return self

    def send(self, count: int, per_s: float = 0.0) -> None:
        """Sends so many windows, at most so many a second; 0: as fast as the broker takes them."""
        begun_s = time.monotonic()
        for number in range(count):
            while len(self._waiting) > 900 * len(self._clients):
                self._collect()
                time.sleep(0.001)
            topic, window_id, payload = made(self._sent)
            sent = self._clients[self._sent % len(self._clients)].publish(topic, payload, qos=1)
            self._waiting.append((sent, window_id))
            self._sent += 1
            if per_s and (wait_s := begun_s + number / per_s - time.monotonic()) > 0:
                time.sleep(wait_s)

    def settle(self) -> None:
        """Waits until the broker has answered everything.

        Raises:
            ConfigError: it does not, or refused something.
        """
        until(lambda: self._collect() == 0, "the broker's answers")
        if self.refused:
            raise ConfigError(f"collect: the broker refused {self.refused} windows")

    def _collect(self) -> int:
        while self._waiting and self._waiting[0][0].is_published():
            self.acknowledged.add(self._waiting.popleft()[1])
        return len(self._waiting)

    def _answered(self, _client: Any, _data: Any, _mid: int, reason: Any, _properties: Any) -> None:
        self.refused += reason.is_failure

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for client in self._clients:
            client.disconnect()
            client.loop_stop()


def made(number: int) -> tuple[str, str, bytes]:
    """The n-th window of 1,000 cameras in turn: topic, id and bytes."""
    camera, seq = number % (_SITES * _PER_SITE), number // (_SITES * _PER_SITE) + 1
    site, device, epoch = f"store-{camera % _SITES}", f"cam-{camera}", f"{camera:08x}"
    start = BUSY.start + timedelta(minutes=15 * seq)
    window = replace(
        BUSY, id=f"{device}/{epoch}/{seq}", epoch=epoch, seq=seq, site=site, device=device, start=start,
        end=start + timedelta(minutes=15),
    )  # fmt: skip
    return f"affect/v1/{site}/{device}/window", window.id, encode(window)


class Collecting:
    """`python -m analytics collect` as a process of its own, started when it is entered.

    Args:
        log: file for what it says.
        options: of the command.
    """

    def __init__(self, log: Path, port: int | Sequence[int], store: str | Path, *options: str) -> None:
        self._log, self._held = log, hold_port()
        weakref.finalize(self, self._held.close)
        options = (*options, "--metrics-port", str(port_of(self._held)))
        nodes = ",".join(f"{HOST}:{one}" for one in ([port] if isinstance(port, int) else port))
        place = ["--broker", nodes, "--store", str(store)]
        self.command = [sys.executable, "-m", "analytics", "collect", *place, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        """Starts it; with `wait`, returns when it has subscribed."""
        before = self.said().count("subscribed")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log)
        if wait:
            until(lambda: self.said().count("subscribed") > before, f"the collector; see {self._log}", self._runs)

    def kill(self) -> None:
        """Kills it without a word."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Stops it in order; returns its exit code."""
        return self._end(signal.SIGTERM)

    def metrics(self) -> dict[str, float]:
        """What this run tells about itself, by name and labels."""
        address = f"http://{HOST}:{port_of(self._held)}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            lines = [line.rpartition(" ") for line in answer.read().decode().splitlines() if line[0] != "#"]
        return {name: float(value) for name, _, value in lines}

    def said(self) -> str:
        """All that it has logged."""
        return self._log.read_text("utf-8") if self._log.exists() else ""

    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _end(self, kind: int) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(kind)
        code, self._process = self._process.wait(60), None
        return code

    def __enter__(self) -> Collecting:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


@dataclass(frozen=True, kw_only=True)
class Account:
    """The broker's account against a store.

    Attributes:
        acknowledged: windows that the broker took from the sender.
        stored: rows; `lost` and `double` are what of the broker's is not there, or more than once.
    """

    acknowledged: int
    stored: int
    lost: int
    double: int


def account(acknowledged: set[str], store: str | Path) -> Account:
    """Compares; the store has to be free."""
    with Store(store, read_only=True) as kept:
        ids = kept.windows().select("id").to_pyarrow()["id"].to_pylist()
    lost, double = len(acknowledged - set(ids)), len(ids) - len(set(ids))
    return Account(acknowledged=len(acknowledged), stored=len(ids), lost=lost, double=double)


def until(holds: Callable[[], bool], what: str, runs: Callable[[], bool] = lambda: True) -> None:
    """Waits.

    Raises:
        ConfigError: in vain.
    """
    end_s = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > end_s or not runs():
            raise ConfigError(f"collect: waited in vain for {what}")
        time.sleep(0.02)
