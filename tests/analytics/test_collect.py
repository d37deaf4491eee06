"""The collector against a real Mosquitto: each window once, whatever is killed; what does not fit is set aside."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.publish as publish
import pytest
from msgspec.structs import replace

from analytics.collector import read
from analytics.queries import gaps
from analytics.store import Store
from benchmarks.collect.course import RULES, Collecting, Sender, account, until
from benchmarks.ports import HOST
from benchmarks.postgres import PostgreSQL
from benchmarks.soak.broker import Broker
from edge.contract import Window, encode
from scripts.mqtt_examples import BUSY, HEALTH, ONLINE, QUIET

TOPIC = "affect/v1/berlin/door"


@pytest.fixture
def broker(needs_mosquitto: str, tmp_path: Path) -> Iterator[Broker]:
    running = Broker(tmp_path / "broker", RULES)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def send(broker: Broker) -> Callable[..., None]:
    def send(*messages: Window | bytes, topic: str = f"{TOPIC}/window") -> None:
        """Returns when the broker has them; windows are told by their content."""
        parts = [{"topic": topic, "payload": encode(m) if isinstance(m, Window) else m, "qos": 1} for m in messages]
        publish.multiple(parts, hostname=HOST, port=broker.port)

    return send


def count(store: Path, table: str = "windows") -> int:
    with Store(store, read_only=True) as kept:
        return int(kept.ibis.table(table).count().execute())


def test_what_came_while_no_collector_ran_is_stored_once(
    broker: Broker, send: Callable[..., None], tmp_path: Path
) -> None:
    store = tmp_path / "windows.duckdb"
    with Collecting(tmp_path / "log", broker.port, store) as collecting:
        send(BUSY, BUSY)
        assert collecting.stop() == 0
        assert count(store) == 1
        send(BUSY, QUIET)
        collecting.start()
        send(b'{"schema":"affect/v1/window"}', b"\xff" * 5000)
        send(encode(BUSY), topic="affect/v1/berlin/other/window")
        publish.single(f"{TOPIC}/status", encode(ONLINE), qos=1, retain=True, hostname=HOST, port=broker.port)
        publish.single(f"{TOPIC}/health", encode(HEALTH), hostname=HOST, port=broker.port)
        until(lambda: "other" in collecting.said(), "the last message")
        time.sleep(0.3)
        assert collecting.stop() == 0, collecting.said()
    assert count(store) == 2
    with Store(store, read_only=True) as kept:
        aside = kept.quarantine().order_by("reason").to_pyarrow().to_pylist()
        assert [len(one["payload"]) for one in aside] == [2048, 29, len(encode(BUSY))]
        assert ["more than" in aside[0]["reason"], "missing" in aside[1]["reason"]] == [True, True]
        assert "not its topic's" in aside[2]["reason"]
        latest = {one["topic"] for one in kept.latest().to_pyarrow().to_pylist()}
        assert latest == {f"{TOPIC}/status", f"{TOPIC}/health"}


def test_a_collector_that_is_killed_under_load_loses_and_doubles_nothing(broker: Broker, tmp_path: Path) -> None:
    store = tmp_path / "windows.duckdb"
    with Collecting(tmp_path / "log", broker.port, store) as collecting, Sender([broker.port]) as sender:
        load = threading.Thread(target=sender.send, args=(6000, 800))
        load.start()
        for _ in range(3):
            time.sleep(random.uniform(0.1, 0.8))
            collecting.kill()
            collecting.start()
        load.join()
        sender.settle()
        time.sleep(1.0)
        assert collecting.stop() == 0
    found = account(sender.acknowledged, store)
    assert (found.acknowledged, found.lost, found.double) == (6000, 0, 0)
    with Store(store, read_only=True) as kept:
        assert gaps(kept.windows()).count().execute() == 0


def test_a_broker_that_restarts_is_found_again(broker: Broker, send: Callable[..., None], tmp_path: Path) -> None:
    store = tmp_path / "windows.duckdb"
    with Collecting(tmp_path / "log", broker.port, store) as collecting:
        broker.stop()
        until(lambda: "no connection" in collecting.said(), "the loss")
        broker.start()
        until(lambda: collecting.said().count("subscribed") == 2, "the collector to come back")
        send(BUSY)
        time.sleep(0.5)
        collecting.stop()
    assert count(store) == 1


def test_two_collectors_divide_a_fleet_over_postgresql(broker: Broker, postgres: PostgreSQL, tmp_path: Path) -> None:
    with PostgresDatabase(postgres) as url:
        pair = [
            Collecting(tmp_path / f"log-{one}", broker.port, url, "--share", "fleet", "--client-id", f"one-{one}")
            for one in range(2)
        ]
        with pair[0], pair[1], Sender([broker.port]) as sender:
            sender.send(1000)
            pair[0].kill()
            sender.send(2000)
            sender.settle()
            pair[0].start()
            time.sleep(2.0)
            assert [one.stop() for one in pair] == [0, 0]
        found = account(sender.acknowledged, url)
    assert (found.acknowledged, found.lost, found.double) == (3000, 0, 0)


class PostgresDatabase:
    """A database of its own on a server that tests share."""

    def __init__(self, server: PostgreSQL) -> None:
        self._server = server

    def __enter__(self) -> str:
        with Store(self._server.url) as store:
            store.ibis.raw_sql("CREATE DATABASE collected").close()
        return self._server.url.rpartition("/")[0] + "/collected"

    def __exit__(self, *_: object) -> None:
        with Store(self._server.url) as store:
            store.ibis.raw_sql("DROP DATABASE collected").close()


def test_metrics_say_what_came(broker: Broker, send: Callable[..., None], tmp_path: Path) -> None:
    with Collecting(tmp_path / "log", broker.port, tmp_path / "windows.duckdb") as collecting:
        send(BUSY, BUSY, b"{}")
        time.sleep(0.7)
        said = collecting.metrics()
    kinds = ("new", "repeated", "quarantined")
    assert [said[f'affect_collect_windows_total{{result="{kind}"}}'] for kind in kinds] == [1, 1, 1]
    assert said["affect_collect_connected"] == 1


def failing(*options: str, port: int, store: Path) -> tuple[int, str]:
    command = Collecting(Path(), port, store, *options).command
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.strip().splitlines()[-1]


def test_a_file_that_another_collector_has_is_one_line(broker: Broker, tmp_path: Path) -> None:
    store = tmp_path / "windows.duckdb"
    with Collecting(tmp_path / "log", broker.port, store):
        code, said = failing(port=broker.port, store=store)
    assert code == 2
    assert said.startswith(f"analytics: {store}: process ")
    assert "has it open, and a DuckDB file has one writer; stop it" in said


def test_a_wrong_password_ends_it_with_one_line(needs_mosquitto: str, authority: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("right\n")
    secret.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-c", "-b", tmp_path / "users", "analyst", "right"], check=True)
    rules = [
        "allow_anonymous false", f"password_file {tmp_path}/users", "listener {port} 127.0.0.1",
        f"certfile {authority}/here.pem", f"keyfile {authority}/here.key",
    ]  # fmt: skip
    running = Broker(tmp_path / "broker", rules)
    running.start()
    try:
        options = ["--ca-file", f"{authority}/ca.pem", "--username", "analyst", "--password-file", str(secret)]
        with Collecting(tmp_path / "log", running.port, tmp_path / "windows.duckdb", *options) as collecting:
            assert collecting.stop() == 0
        store = tmp_path / "other.duckdb"
        foreign = ["--ca-file", f"{authority}/foreign.pem", *options[2:]]
        assert failing(*foreign, port=running.port, store=store)[0] == 7
        secret.write_text("wrong\n")
        code, said = failing(*options, port=running.port, store=store)
        assert (code, "refused: Not authorized" in said) == (7, True)
        secret.chmod(0o644)
        code, said = failing(*options, port=running.port, store=store)
        assert (code, said.endswith(f"run: chmod 600 {secret}")) == (7, True)
    finally:
        running.stop()


def test_retention_and_export_leave_what_they_should(tmp_path: Path) -> None:
    store, lake = tmp_path / "windows.duckdb", tmp_path / "lake"
    old = replace(
        BUSY, id="door/9f3c21ab/1", seq=1, start=BUSY.start.replace(year=2020), end=BUSY.end.replace(year=2020)
    )
    with Store(store) as kept:
        kept.upsert([read(f"{TOPIC}/window", encode(one), BUSY.end) for one in (BUSY, QUIET, old)])
    export = [*Collecting(Path(), 1, store).command[:3], "export", "--store", str(store), "--lake", str(lake)]
    for _ in range(2):
        subprocess.run(export, check=True, timeout=60)
    files = sorted(str(path.relative_to(lake)) for path in lake.rglob("*.parquet"))
    assert files == [f"day={day}/site=berlin/windows.parquet" for day in ("2020-11-02", "2026-11-02")]
    with Store(lake) as read_only:
        assert read_only.windows().count().execute() == 3
    with Store(store) as kept:
        assert kept.purge(days=1000) == 1
    subprocess.run([*export, "--keep-days", "1000"], check=True, timeout=60)
    with Store(lake) as read_only:
        assert read_only.windows().count().execute() == 2
