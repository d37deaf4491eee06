"""Three RabbitMQ nodes in a Debian root, each with ports of its own on the loopback, and one epmd of their own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ports import HOST, hold_port, port_of
from edge.errors import ConfigError
from scripts.fresh_check import SESSION

NODES = 3
_START_S = 120.0
_BASE = "var/lib/rabbitmq"


class Cluster:
    """Nodes that are started, killed and started again.

    Args:
        system: root of a Debian 13 with rabbitmq-server; changed.
        logs: folder for what the nodes say.

    Attributes:
        ports: of MQTT, by node.
    """

    def __init__(self, system: Path, logs: Path) -> None:
        self._system, self._logs = system, logs
        self._held = [hold_port() for _ in range(1 + 3 * NODES)]
        numbers = [port_of(held) for held in self._held]
        self._epmd, self.ports = numbers[0], numbers[1 : 1 + NODES]
        self._amqp, self._dist = numbers[1 + NODES : 1 + 2 * NODES], numbers[1 + 2 * NODES :]
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def configure(self) -> None:
        """Writes each node's configuration; the nodes find each other by it."""
        (self._system / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="ascii")
        cookie = self._system / "root/.erlang.cookie"
        cookie.unlink(missing_ok=True)
        cookie.write_text("affect-edge", encoding="ascii")
        cookie.chmod(0o400)
        (self._system / _BASE / "plugins").write_text("[rabbitmq_mqtt].\n", encoding="ascii")
        peers = [f"cluster_formation.classic_config.nodes.{n + 1} = node{n}@localhost" for n in range(NODES)]
        for number in range(NODES):
            lines = [
                f"listeners.tcp.1 = {HOST}:{self._amqp[number]}",
                f"mqtt.listeners.tcp.1 = {HOST}:{self.ports[number]}",
                "mqtt.allow_anonymous = true",
                "anonymous_login_user = guest",
                "anonymous_login_pass = guest",
                "mqtt.durable_queue_type = quorum",  # a QoS 1 session that lasts is on every node
                "mqtt.prefetch = 1000",
                "mqtt.max_session_expiry_interval_seconds = infinity",
                "cluster_formation.peer_discovery_backend = classic_config",
                "cluster_partition_handling = pause_minority",
                "vm_memory_high_watermark.absolute = 1GB",
                "disk_free_limit.absolute = 100MB",
                *peers,
            ]
            (self._system / _BASE / f"node{number}.conf").write_text("\n".join(lines) + "\n", encoding="ascii")

    def start(self, number: int) -> None:
        """Starts a node; returns when it takes MQTT connections.

        Raises:
            ConfigError: it does not.
        """
        self._launch(number)
        self._answers(number)

    def start_all(self) -> None:
        """Starts epmd and all nodes."""
        self._running[-1] = self._run("epmd", ["epmd", "-port", str(self._epmd), "-address", HOST])
        for number in range(NODES):
            self._launch(number)
        for number in range(NODES):
            self._answers(number)

    def kill(self, number: int) -> None:
        """Kills every process of a node at once."""
        process = self._running.pop(number)
        process.kill()
        process.wait(30)

    def kill_all(self) -> None:
        """Kills what runs, and gives the ports back."""
        for number in list(self._running):
            self.kill(number)
        for held in self._held:
            held.close()

    def ask(self, *command: str) -> str:
        """What a tool of RabbitMQ, asked at any node that runs, answers; "" when it fails."""
        number = next(n for n in self._running if n >= 0)
        line = [command[0], "-q", "-n", f"node{number}@localhost", *command[1:]]
        process = self._run("ask", line, piped=True)
        return process.communicate(timeout=120)[0].decode()

    def _launch(self, number: int) -> None:
        self._running[number] = self._run(f"node{number}", ["rabbitmq-server"], number=number)

    def _answers(self, number: int) -> None:
        end_s = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection((HOST, self.ports[number]), timeout=1).close()
            except OSError as error:
                if time.monotonic() > end_s or self._running[number].poll() is not None:
                    raise ConfigError(f"node {number} does not start; see {self._logs}/node{number}.log") from error
                time.sleep(0.5)
            else:
                return

    def _run(self, name: str, command: list[str], *, number: int = 0, piped: bool = False) -> subprocess.Popen[bytes]:
        variables = {
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PATH": "/usr/lib/rabbitmq/bin:/usr/bin:/usr/sbin:/bin",
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": f"node{number}@localhost",
            "RABBITMQ_NODE_PORT": str(self._amqp[number]),
            "RABBITMQ_DIST_PORT": str(self._dist[number]),
            "RABBITMQ_CONFIG_FILE": f"/{_BASE}/node{number}.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"/{_BASE}/plugins",
            "RABBITMQ_MNESIA_BASE": f"/{_BASE}/data",
            "RABBITMQ_LOG_BASE": f"/{_BASE}/log",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
        }
        inside = ["env", "-i", *(f"{key}={value}" for key, value in variables.items()), *command]
        walls = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        session = ["sh", "-c", SESSION, "cluster", str(self._system), "/dev/null", "--"]
        with (self._logs / f"{name}.log").open("ab") as log:
            out = subprocess.PIPE if piped else log
            return subprocess.Popen([*walls, *session, *inside], stdin=subprocess.DEVNULL, stdout=out, stderr=log)


@contextlib.contextmanager
def running(system: Path, logs: Path) -> Iterator[Cluster]:
    """Three nodes that are one cluster; all are killed at the end."""
    cluster = Cluster(system, logs)
    try:
        cluster.configure()
        cluster.start_all()
        yield cluster
    finally:
        cluster.kill_all()
