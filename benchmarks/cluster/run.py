"""Cameras, two store gateways, three brokers, one collector: two nodes are killed in turn, and all is counted."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.cluster.nodes import Cluster, running
from benchmarks.collect.course import NEW, Account, Collecting, Sender, account, until
from benchmarks.ports import HOST
from benchmarks.record import Record, describe_origin, read_load
from benchmarks.soak.broker import Broker, mosquitto_version
from firmware_config.gateway.configuration import Gateway, write_gateway

_GATEWAYS = 2
_SETTLE_S = 10.0
# Of the gateway's file, what stands for TLS and logins: here all is on the loopback.
_LEFT_OUT = re.compile(
    r"^(#|listener|certfile|keyfile|allow_anonymous|password_file|acl_file|bridge_ca|bridge_insecure"
    r"|remote_username|remote_password|address|topic|restart_timeout|$)"
)


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """One node that was killed under load.

    Attributes:
        node: its number; node 0 is where the collector and the gateways were at first, and the queue began.
        silent_s: longest time in which the collector stored nothing, from the kill to when the node was back.
        back_s: until the node answered again, from its start.
    """

    node: int
    silent_s: float
    back_s: float


class ClusterLoad(Record, frozen=True, kw_only=True):
    """What `python -m benchmarks cluster` found.

    Attributes:
        per_s: windows a second that the gateways were sent.
        account: what the gateways acknowledged to the cameras, against the store behind the cluster.
        rest_s: from the last window sent to the last one stored.
        queue: type, leader and members of the collector's queue, before the first kill and at the end.
    """

    rabbitmq: str
    mosquitto: str
    nodes: int
    gateways: int
    seconds: float
    per_s: int
    kills: list[Kill]
    account: Account
    rest_s: float
    queue: list[str]


def run_cluster(system: Path, folder: Path, *, seconds: float, per_s: int, say: Callable[[str], None]) -> ClusterLoad:
    """Runs it; `folder` is empty, `system` a fresh Debian 13 with rabbitmq-server."""
    before = read_load()
    gateways: list[Broker] = []
    try:
        with running(system, folder) as cluster:
            say(f"three nodes are one cluster: MQTT at {cluster.ports}")
            for number in range(_GATEWAYS):
                gateways.append(Broker(folder / f"gateway{number}", bridge(number, cluster.ports)))
                gateways[-1].start()
            ports = [gateway.port for gateway in gateways]
            with Collecting(folder / "log", cluster.ports, folder / "windows.duckdb") as collecting:
                with Sender(ports) as sender:
                    found = _course(cluster, collecting, sender, seconds, per_s, say)
                collecting.stop()
        counted = account(sender.acknowledged, folder / "windows.duckdb")
        say(str(counted))
    finally:
        for gateway in gateways:
            gateway.stop()
    return ClusterLoad(
        **describe_origin("", load_before=before, threads=2),
        mosquitto=mosquitto_version(),
        nodes=len(cluster.ports),
        gateways=_GATEWAYS,
        seconds=seconds,
        per_s=per_s,
        account=counted,
        **found,
    )


def bridge(number: int, ports: list[int]) -> list[str]:
    """A store's gateway as `python -m firmware_config gateway` writes it, on the loopback and without TLS."""
    written = write_gateway(Gateway(site=f"gateway-{number}", central="central"), "")
    lines = [line for line in written.splitlines() if not _LEFT_OUT.match(line)]
    start = next(i for i, line in enumerate(lines) if line.startswith("connection "))
    addresses = " ".join(f"{HOST}:{port}" for port in ports)
    line = [f"address {addresses}", "round_robin true", "restart_timeout 1", "topic affect/v1/# out 1"]
    return ["allow_anonymous true", "persistence true", *lines[: start + 1], *line, *lines[start + 1 :]]


def _course(
    cluster: Cluster, collecting: Collecting, sender: Sender, seconds: float, per_s: int, say: Callable[[str], None]
) -> dict[str, Any]:
    load = threading.Thread(target=sender.send, args=(round(seconds * per_s), per_s))
    load.start()
    time.sleep(_SETTLE_S)
    until(lambda: collecting.metrics()[NEW] > 0, "the first window")
    queue, kills = [_queue(cluster)], []
    for node in (0, 1):
        quiet = _Quiet(collecting)
        cluster.kill(node)
        say(f"node {node} is killed; {collecting.metrics()[NEW]:.0f} windows are stored")
        time.sleep(_SETTLE_S)
        begun_s = time.monotonic()
        cluster.start(node)
        back_s = round(time.monotonic() - begun_s, 1)
        time.sleep(_SETTLE_S)
        kills.append(Kill(node=node, silent_s=quiet.stop(), back_s=back_s))
        say(f"{kills[-1]}")
    load.join()
    ended_s = time.monotonic()
    sender.settle()
    until(lambda: collecting.metrics()[NEW] >= len(sender.acknowledged), "the last window")
    rest_s = round(time.monotonic() - ended_s, 1)
    queue.append(_queue(cluster))
    version = cluster.ask("rabbitmqctl", "version").strip()
    return {"kills": kills, "rest_s": rest_s, "queue": queue, "rabbitmq": version}


def _queue(cluster: Cluster) -> str:
    said = cluster.ask("rabbitmqctl", "list_queues", "name", "type", "leader", "members")
    return next((" ".join(line.split()) for line in said.splitlines() if "affect-collectorqos1" in line), said[:200])


class _Quiet(threading.Thread):
    """Watches for how long a collector stores nothing."""

    def __init__(self, collecting: Collecting) -> None:
        super().__init__(daemon=True)
        self._collecting, self._over, self._longest_s = collecting, threading.Event(), 0.0
        self.start()

    def run(self) -> None:
        seen, since_s = -1.0, time.monotonic()
        while not self._over.wait(0.1):
            now = self._collecting.metrics()[NEW]
            if now != seen:
                seen, since_s = now, time.monotonic()
            self._longest_s = max(self._longest_s, time.monotonic() - since_s)

    def stop(self) -> float:
        """The longest time, seconds."""
        self._over.set()
        self.join()
        return round(self._longest_s, 1)
