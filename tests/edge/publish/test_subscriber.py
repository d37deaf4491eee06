"""The example that an analyst begins with, run as its own program against real brokers."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edge import contract
from scripts.mqtt_examples import BUSY, QUIET

SUBSCRIBER = Path(__file__).parents[3] / "examples" / "subscriber.py"
TOPIC = "affect/v1/berlin/door/window"


class Running:
    """The example at work on a database."""

    def __init__(self, port: int, path: Path, options: list[str]) -> None:
        self.path = path
        command = [sys.executable, SUBSCRIBER, "127.0.0.1", str(port), path, *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def begun(self) -> str:
        """The first line it says."""
        return self.process.stderr.readline()

    def rows(self, question: str = "SELECT * FROM windows ORDER BY id") -> list[tuple[Any, ...]]:
        assert self.process.poll() is None, self.process.stderr.read()
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(question).fetchall()

    def end(self) -> str:
        """Stops it; gives what else it said."""
        self.process.terminate()
        self.process.wait(10)
        if self.process.stderr.closed:
            return ""
        with self.process.stderr as said:
            return said.read()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    begun: list[Running] = []

    def begin(port: int, *options: object) -> Running:
        begun.append(Running(port, tmp_path / "windows.db", [str(option) for option in options]))
        return begun[-1]

    try:
        yield begin
    finally:
        for one in begun:
            one.end()


def test_each_window_is_stored_and_a_second_delivery_changes_nothing(
    run: Any, mosquitto: Any, send: Any, until: Any
) -> None:
    mosquitto.start()
    subscriber = run(mosquitto.port)
    assert subscriber.begun().endswith("subscribed: Granted QoS 1\n")
    for window in (BUSY, QUIET):
        send(mosquitto.port, TOPIC, contract.encode(window))
    until(lambda: len(subscriber.rows()) == 2)
    stored = subscriber.rows()
    body = contract.encode(BUSY).decode()
    times = ("2026-11-02T11:00:00Z", "2026-11-02T11:15:00Z", "2026-11-02 12")
    assert stored[0] == ("door/9f3c21ab/412", "berlin", "door", *times, body)
    send(mosquitto.port, TOPIC, contract.encode(BUSY))
    send(mosquitto.port, TOPIC, contract.encode(replace(BUSY, id="door/9f3c21ab/414", seq=414)))
    until(lambda: len(subscriber.rows()) == 3)
    assert subscriber.rows()[:2] == stored
    assert subscriber.rows("SELECT * FROM unreadable") == []


UNREADABLE = [
    b"",
    b"\xff\xfe\x00",
    b'{"id": 1',
    b"[]",
    b"7",
    b"[" * 100_000,
    contract.encode(BUSY).replace(b'"Europe/Berlin"', b'"../../etc/passwd"'),
    contract.encode(BUSY).replace(b'"berlin"', b"17"),
    contract.encode(BUSY).replace(b'"door/9f3c21ab/412"', b'"\\ud800"'),
    contract.encode(BUSY)
    .replace(b'"2026-11-02T11:00:00Z"', b'"0001-01-01T00:00:00Z"')
    .replace(b"Europe/Berlin", b"America/New_York"),
    contract.encode(BUSY).decode().encode("utf-16"),
]


def test_what_is_no_window_is_set_aside_once_and_stops_nothing(
    run: Any, mosquitto: Any, send: Any, until: Any, tmp_path: Path
) -> None:
    mosquitto.start()
    subscriber = run(mosquitto.port)
    subscriber.begun()
    for payload in UNREADABLE:
        send(mosquitto.port, TOPIC, payload)
    send(mosquitto.port, TOPIC, contract.encode(BUSY))
    until(lambda: len(subscriber.rows()) >= 1)
    aside = subscriber.rows("SELECT topic, body FROM unreadable ORDER BY rowid")
    assert aside == [(TOPIC, payload) for payload in UNREADABLE]
    assert [row[-1].encode() for row in subscriber.rows()] == [contract.encode(BUSY)]
    assert subscriber.end().count("not readable, set aside") == len(aside)
    again = run(mosquitto.port)  # the broker kept the session: what was not acknowledged would come again
    again.begun()
    send(mosquitto.port, TOPIC, contract.encode(QUIET))
    until(lambda: len(again.rows()) == 2)
    assert again.rows("SELECT count(*) FROM unreadable") == [(len(aside),)]


def test_it_works_with_the_broker_that_the_page_advises(run: Any, advised_broker: Any, send: Any, until: Any) -> None:
    login = ("--cafile", advised_broker.ca_file, "--username", "analyst")
    subscriber = run(advised_broker.port, *login, "--password-file", advised_broker.password_file)
    assert subscriber.begun().endswith("subscribed: Granted QoS 1\n")
    device = {"user": "door", "ca_file": advised_broker.ca_file}
    assert send(advised_broker.port, TOPIC, contract.encode(BUSY), **device) == 0
    until(lambda: len(subscriber.rows()) == 1)
    for _ in range(2):
        assert send(advised_broker.port, TOPIC, b"{", **device) == 0
    assert send(advised_broker.port, TOPIC, contract.encode(QUIET), **device) == 0
    until(lambda: len(subscriber.rows()) == 2)
    assert subscriber.rows("SELECT count(*) FROM unreadable") == [(2,)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], r"lost: .*; does it want --tls or --cafile\?"),
        (["--tls"], "certificate verify failed"),
        (["--cafile", "foreign"], "certificate verify failed"),
        (["--cafile", "nowhere.pem"], "No such file"),
        (["--cafile", "ca"], "refused: Not authorized"),
        (["--cafile", "ca", "--username", "analyst", "--password-file", "wrong"], "refused: Not authorized"),
        (
            ["--cafile", "ca", "--username", "analyst", "--password-file", "nowhere"],
            "No such file or directory: 'nowhere'",
        ),
    ],
)
def test_it_says_why_it_cannot_connect(
    run: Any, advised_broker: Any, authority: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    (tmp_path / "wrong").write_text("left\n")
    places = {name: authority / f"{name}.pem" for name in ("ca", "foreign")} | {"wrong": tmp_path / "wrong"}
    subscriber = run(advised_broker.port, *(places.get(option, option) for option in options))
    line = subscriber.begun()
    assert line.startswith(f"127.0.0.1:{advised_broker.port}: ")
    assert re.search(said, line), line
    if options:
        assert subscriber.process.wait(10) == 1


def test_it_says_that_nobody_listens(run: Any, free_port: int) -> None:
    subscriber = run(free_port)
    assert "Connection refused" in subscriber.begun()
    assert subscriber.process.wait(10) == 1


def test_windows_are_deleted_after_so_many_days_and_from_the_file_too(
    run: Any, mosquitto: Any, send: Any, until: Any
) -> None:
    mosquitto.start()
    now = datetime.now(timezone.utc).replace(microsecond=0)
    subscriber = run(mosquitto.port)
    subscriber.begun()
    for seq, days in ((1, 40), (2, 20), (3, 0)):
        end = now - timedelta(days=days)
        window = replace(BUSY, seq=seq, id=f"door/9f3c21ab/{seq}", start=end - timedelta(seconds=60), end=end)
        send(mosquitto.port, TOPIC, contract.encode(window))
    send(mosquitto.port, TOPIC, b"no window")
    until(lambda: len(subscriber.rows()) == 3 and subscriber.rows("SELECT * FROM unreadable"))
    subscriber.end()
    again = run(mosquitto.port, "--keep-days", 30)
    again.begun()
    until(lambda: [row[0][-1] for row in again.rows()] == ["2", "3"])
    old = replace(BUSY, id="door/9f3c21ab/4", seq=4, start=now - timedelta(days=32), end=now - timedelta(days=31))
    send(mosquitto.port, TOPIC, contract.encode(old))
    send(mosquitto.port, TOPIC, b"a second one")
    until(lambda: len(again.rows("SELECT * FROM unreadable")) == 2)
    assert [row[0][-1] for row in again.rows()] == ["2", "3"]
    assert b"door/9f3c21ab/1" not in again.path.read_bytes()


def test_the_example_is_short() -> None:
    code = [line for line in SUBSCRIBER.read_text().splitlines() if line.strip()]
    assert len(code) <= 88
