"""The experiment: a broker, a service manager's socket, someone who asks for metrics, and the device under strace.

The device is the program as it is installed: nothing is put into it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

import edge
from benchmarks.certificate import NAME, write_certificate
from benchmarks.egress.trace import Call, read_calls, trace_command
from benchmarks.egress.wire import Session, Terminator
from benchmarks.ports import HOST, hold_port, port_of
from benchmarks.soak.broker import Broker
from convert.errors import DataError
from edge.config import Config, load_config

PASSWORD = "egress-laboratory"  # noqa: S105 - of a broker that lives for seconds, on loopback
DEVICE = ("-m", "edge")
SCENE: dict[str, object] = {"backend": "scene", "width": 320, "height": 240, "fps": 10}
_ASK_S = 5.0  # between two requests for metrics
_CONFIG = """\
[device]
site = "laboratory"
name = "witness"
tags = {{ zone = "entrance" }}
[camera]
{camera}
[deployment]
purpose = "exhibition-feedback"
notice = "at the laboratory's door"
jurisdiction = "DE"
legal_basis = "legitimate-interest"
controller = "Laboratory"
contact = "privacy@laboratory.example"
retention_days = 90
notice_version = "1"
notice_date = 2026-11-01
[window]
window_s = 10
min_people = {people}
[mqtt]
host = "{host}"
port = {port}
tls = true
ca_file = "ca.pem"
username = "witness"
password_file = "password"
keepalive_s = 5
bytes_per_minute = 65536
[metrics]
port = {metrics}
[outbox]
path = "outbox.db"
hold_unsynced_s = 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One run of the device, as it was seen from outside.

    Attributes:
        folder: where it ran; `pictures`: the video or the stand-in's folder, else the same.
        sessions: what came to the broker.
        titles: command lines other than its own, with which users of the machine could see it.
        resolvers, domains: the machine's name servers, and what it adds to names.
    """

    folder: Path
    config: Config
    pictures: Path
    calls: list[Call]
    sessions: list[Session]
    titles: set[str]
    resolvers: list[str]
    domains: list[str]
    exit_code: int
    seconds: float


def record(
    camera: Mapping[str, object],
    folder: Path,
    *,
    pictures: Path | None = None,
    run_s: float | None = None,
    program: tuple[str, ...] = DEVICE,
    more: Mapping[str, str] | None = None,
    limit_s: float | None = None,
) -> Recording:
    """Runs the device and keeps everything that it did.

    Args:
        camera: the section of the configuration.
        folder: an empty folder for the run; belongs to the caller.
        pictures, more: folder of a camera's stand-in, and environment variables for it.
        run_s: after so many seconds it is told to stop; None for a video, which ends by itself.
        program: what Python runs; a test plants leaks.
        limit_s: after so long a run is ended as stuck; None for a video of any length.

    Raises:
        DataError: the run never ended.
        ConfigError: there is no Mosquitto.
    """
    write_certificate(folder)
    with ExitStack() as stack:
        metrics = port_of(stack.enter_context(hold_port()))
        broker = Broker(folder / "broker", ("allow_anonymous true",))
        stack.callback(broker.stop)
        broker.start()
        terminator = stack.enter_context(Terminator(folder / "ca.pem", folder / "ca.key", broker.port))
        stack.callback(terminator.shutdown)
        threading.Thread(target=terminator.serve_forever, daemon=True).start()
        manager = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        manager.bind(str(folder / "notify"))
        section = "\n".join(f"{key} = {json.dumps(value)}" for key, value in camera.items())
        told = {"host": NAME, "port": terminator.server_address[1], "metrics": metrics}
        told |= {"camera": section, "people": 5 if camera["backend"] == "v4l2" else 3}
        (folder / "config.toml").write_text(_CONFIG.format_map(told), encoding="utf-8")
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o600)
        (folder / "home").mkdir()
        environment = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(Path(edge.__file__).resolve().parents[1]),
            "NOTIFY_SOCKET": str(folder / "notify"),
        } | dict(more or {})
        command = [sys.executable, "-P", "-B", *program, "run", "--config", "config.toml"]
        begun_s = time.monotonic()
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            process = subprocess.Popen(
                trace_command(folder / "trace", command), cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
        try:
            titles = _attend(process, metrics, begun_s + run_s if run_s else None, begun_s + (limit_s or float("inf")))
        finally:
            if process.poll() is None:  # strace's end alone would set the device free
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        seconds = time.monotonic() - begun_s
    servers = [line.split() for line in Path("/etc/resolv.conf").read_text().splitlines() if line[:1].isalpha()]
    return Recording(
        folder=folder,
        config=load_config(folder / "config.toml"),
        pictures=pictures or Path(str(camera.get("path", folder))),
        calls=read_calls(folder, "trace"),
        sessions=terminator.sessions,
        titles=titles - {" ".join(trace_command(folder / "trace", command)), " ".join(command), ""},
        resolvers=[words[1] for words in servers if words[0] == "nameserver"],
        domains=[word for words in servers if words[0] in ("search", "domain") for word in words[1:]],
        exit_code=process.returncode,
        seconds=seconds,
    )


def _attend(process: subprocess.Popen[bytes], metrics: int, stop_s: float | None, limit_s: float) -> set[str]:
    """Asks for metrics, notes the command line, and tells the device to stop in time, until it has ended."""
    titles, ask_s, told = set(), time.monotonic() + _ASK_S / 2, False
    while process.poll() is None:
        now_s = time.monotonic()
        if now_s > limit_s:
            raise DataError(f"the device did not reach its end within {limit_s:.0f} s")
        with suppress(psutil.Error, IndexError):
            device = psutil.Process(process.pid).children()[0]
            titles.add(" ".join(device.cmdline()))
            if stop_s is not None and now_s > stop_s and not told:
                device.send_signal(signal.SIGTERM)
                told = True
        if now_s > ask_s:
            ask_s = now_s + _ASK_S
            with suppress(OSError):
                urllib.request.urlopen(f"http://{HOST}:{metrics}/metrics", timeout=5).close()
        time.sleep(0.05)
    return titles
