"""Runs the measurements of the collector and makes their record."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import pyarrow as pa

from analytics.queries import REPORT
from analytics.store import Store
from analytics.table import INSTANT, SCHEMA, row
from benchmarks.collect.course import NEW, RULES, Account, Collecting, Sender, account, until
from benchmarks.postgres import PostgreSQL
from benchmarks.record import Record, describe_origin, read_load
from benchmarks.soak.broker import Broker, mosquitto_version
from scripts.mqtt_examples import BUSY

_PER_S = 1000  # windows a second while the collector is killed
_BATCH = 50_000


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A day of a fleet in one store.

    Attributes:
        rows: windows of 15 minutes.
        load_s: written in transactions of 50,000.
        queries_s: each of the report's queries, answered and fetched.
        report_s: of all of them.
    """

    rows: int
    load_s: float
    queries_s: dict[str, float]
    report_s: float


class Collect(Record, frozen=True, kw_only=True):
    """What `python -m benchmarks collect` found.

    Attributes:
        mosquitto: its version; it wrote nothing to the disk, and let 2,000 messages be on the way.
        kills: of the collector by SIGKILL, at random moments from 0 to 1 s after it was started, also before it had
            subscribed, with 1,000 windows a second sent.
        account: after them, the broker's account against the store.
        duckdb_per_s, postgresql_per_s, two_sharing_per_s: windows a second from the moment a backlog is taken up to the
            last one committed: one collector and DuckDB, one and PostgreSQL, two that share and PostgreSQL.
        duckdb, postgresql: a day of a fleet of `cameras`.
    """

    mosquitto: str
    kills: int
    account: Account
    windows: int
    duckdb_per_s: float
    postgresql_per_s: float
    two_sharing_per_s: float
    cameras: int
    duckdb: Day
    postgresql: Day


def run_collect(folder: Path, *, kills: int, windows: int, cameras: int, say: Callable[[str], None]) -> Collect:
    """Runs all of it; `folder` is empty."""
    before = read_load()
    found = kill_it(folder / "kills", kills)
    say(f"{kills} kills: {found}")
    with PostgreSQL() as server:
        rates = []
        for name, url, count in (("duckdb", "", 1), ("postgresql", server.url, 1), ("sharing", server.url, 2)):
            rates.append(drain(_made(folder / name), url, windows, collectors=count))
            say(f"{name}, {count} collectors: {rates[-1]:.0f} windows a second")
        duck = load_day(folder / "day.duckdb", cameras)
        say(f"a day of {cameras} cameras in DuckDB: {duck}")
        postgres = load_day(server.url, cameras)
        say(f"in PostgreSQL: {postgres}")
    return Collect(
        **describe_origin("", load_before=before, threads=2),
        mosquitto=mosquitto_version(),
        kills=kills,
        account=found,
        windows=windows,
        duckdb_per_s=round(rates[0]),
        postgresql_per_s=round(rates[1]),
        two_sharing_per_s=round(rates[2]),
        cameras=cameras,
        duckdb=duck,
        postgresql=postgres,
    )


def kill_it(folder: Path, kills: int) -> Account:
    """A collector that is killed so many times under load, then left alone until it has what waits."""
    broker, store = Broker(folder / "broker", RULES), folder / "windows.duckdb"
    broker.start()
    ended = threading.Event()
    try:
        with Collecting(folder / "log", broker.port, store) as collecting, Sender([broker.port]) as sender:

            def load() -> None:
                while not ended.is_set():
                    sender.send(100, _PER_S)

            thread = threading.Thread(target=load)
            thread.start()
            for number in range(kills):
                time.sleep(random.uniform(0.0, 1.0))
                collecting.kill()
                collecting.start(wait=number % 2 == 0)
            ended.set()
            thread.join()
            sender.settle()
            collecting.kill()
            collecting.start()
            time.sleep(2.0 + len(sender.acknowledged) / 1000)
            collecting.stop()
            return account(sender.acknowledged, store)
    finally:
        ended.set()
        broker.stop()


def drain(folder: Path, url: str, windows: int, *, collectors: int) -> float:
    """How many windows a second collectors take up that wait at the broker."""
    broker = Broker(folder / "broker", RULES)
    broker.start()
    store = url or str(folder / "windows.duckdb")
    share = ["--share", "fleet"] if collectors > 1 else []
    all_ = [
        Collecting(folder / f"log-{one}", broker.port, store, *share, "--client-id", f"one-{one}")
        for one in range(collectors)
    ]
    try:
        if url:
            with Store(url) as kept:
                kept.ibis.raw_sql("TRUNCATE windows").close()
        for one in all_:
            one.start()
        for one in all_:
            one.stop()
        with Sender([broker.port]) as sender:
            sender.send(windows)
            sender.settle()
        for one in all_:
            one.start()
        until(lambda: sum(one.metrics()[NEW] for one in all_) >= windows, "the last window")
        for one in all_:
            one.stop()
        with Store(store, read_only=True) as kept:
            times = kept.windows().select("received").to_pyarrow()["received"].to_pylist()
        return len(times) / (max(times) - min(times)).total_seconds()
    finally:
        for one in all_:
            one.kill()
        broker.stop()


def load_day(target: Path | str, cameras: int) -> Day:
    """Loads a day of windows of 15 minutes, and asks what a report asks."""
    rows = cameras * 96
    with Store(target) as store:
        if isinstance(target, str):
            store.ibis.raw_sql("TRUNCATE windows").close()
        begun_s = time.monotonic()
        for first in range(0, rows, _BATCH):
            store.upsert(day_of(cameras, first, min(_BATCH, rows - first)))
        load_s = time.monotonic() - begun_s
        queries = {}
        for name, query in REPORT.items():
            begun_s = time.monotonic()
            query(store.windows()).to_pyarrow()
            queries[name] = round(time.monotonic() - begun_s, 2)
    total = round(sum(queries.values()), 2)
    return Day(rows=rows, load_s=round(load_s, 1), queries_s=queries, report_s=total)


def day_of(cameras: int, first: int, count: int) -> pa.Table:
    """Rows `first` to `first + count` of a day: 20 cameras a site, a third of the windows without scores."""
    random = np.random.default_rng(first)
    number = np.arange(first, first + count)
    camera, seq = number % cameras, number // cameras + 1
    like = row(BUSY)
    columns = {name: pa.array([like[name]] * count, SCHEMA.field(name).type) for name in SCHEMA.names}
    columns["id"] = pa.array([f"cam-{c}/{c:08x}/{s}" for c, s in zip(camera, seq, strict=True)])
    columns["site"] = pa.array([f"store-{c // 20}" for c in camera])
    columns["device"] = pa.array([f"cam-{c}" for c in camera])
    columns["epoch"] = pa.array([f"{c:08x}" for c in camera])
    columns["seq"] = pa.array(seq)
    columns["tags"] = pa.array(['{"zone":"door"}' if c % 2 else '{"zone":"till"}' for c in camera])
    for name in ("start", "stop", "local_start"):
        base = np.datetime64(cast(datetime, like[name]).replace(tzinfo=None), "us")
        times = base + (seq * 900_000_000).astype("timedelta64[us]")
        kind = SCHEMA.field(name).type
        columns[name] = pa.array(times).cast(pa.timestamp("us")).cast(kind) if kind == INSTANT else pa.array(times)
    silent = random.random(count) < 0.33
    columns["suppressed"] = pa.array(["few_people"] * count, mask=~silent)
    for name in ("valence_mean", "arousal_mean"):
        columns[name] = pa.array(np.round(random.normal(0.1, 0.1, count), 2), mask=silent)
    columns["people"] = pa.array(random.integers(10, 60, count), mask=silent)
    return pa.table(columns).cast(SCHEMA)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
