"""The running service on the drawn scene, with its page; and a client that speaks plain HTTP."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge.web.access import grant_file, write_grant

REPO = Path(__file__).parents[3]
_CONFIG = """\
[camera]
backend = "scene"
width = 640
height = 480
fps = {fps}
[[zones]]
name = "till"
exclude = [[0.0, 0.9], [0.1, 0.9], [0.1, 1.0]]
[window]
window_s = 10
min_people = 3
[mqtt]
port = {broker}
bytes_per_minute = 65536
[web]
port = {page}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """One running device."""

    def __init__(self, folder: Path, fps: int = 10) -> None:
        self.folder, self.port = folder, free_port()
        self.config = folder / "config.toml"
        self.config.write_text(_CONFIG.format(fps=fps, broker=free_port(), page=self.port))
        self.environment = os.environ | {"STATE_DIRECTORY": str(folder), "PYTHONPATH": str(REPO)}
        with (folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "edge", "run", "--config", str(self.config)]
            self.process = subprocess.Popen(command, cwd=folder, env=self.environment, stdout=log, stderr=log)
        self.wait()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def wait(self) -> None:
        for _ in range(300):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert self.process.poll() is None, self.log
            time.sleep(0.1)
        raise AssertionError(self.log)

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0, self.log

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of an answer; a header of `None` is left out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"Host": f"localhost:{self.port}"}
        if method == "POST":
            sent |= {"Origin": self.url, "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {name: text for name, text in sent.items() if text})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def enter(self, hosts: tuple[str, ...] = ()) -> str:
        """A token for the page."""
        code = write_grant(grant_file(self.folder), list(hosts))
        status, body, _ = self.ask("POST", "/login", {"code": code})
        assert status == 200, body
        return str(json.loads(body)["token"])

    def change(self, token: str, change: dict[str, Any], **headers: str) -> tuple[int, bytes]:
        return self.ask("POST", "/change", change, Authorization=f"Bearer {token}", **headers)[:2]

    @contextmanager
    def views(self, token: str) -> Iterator[Iterator[dict[str, Any]]]:
        """The stream, event by event."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Host": f"localhost:{self.port}", "Authorization": f"Bearer {token}"}
        connection.request("GET", "/events", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        try:
            yield (json.loads(line[6:]) for line in answer if line.startswith(b"data: "))
        finally:
            connection.close()
            answer.close()

    def cpu_s(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("service"))
    yield running
    running.stop()
