"""The report's queries: right by hand, and the same numbers from DuckDB, from PostgreSQL and from a lake."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest

from analytics.lake import write_lake
from analytics.queries import REPORT, by_hour, gaps
from analytics.store import Store
from analytics.table import Row
from benchmarks.postgres import PostgreSQL


@pytest.fixture(scope="module")
def duck(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Store:
    with Store(tmp_path_factory.mktemp("duck") / "windows.duckdb") as store:
        store.upsert(rows)
        yield store


def test_hours_are_local_and_means_weigh_people(duck: Store, rows: list[Row]) -> None:
    sums: dict[tuple[str, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for one in rows:
        if one["clock"] == "synced" and one["people"]:
            entry = sums[one["site"], one["local_start"].hour]
            entry[0] += one["people"] * one["valence_mean"]
            entry[1] += one["people"]
    found = by_hour(duck.windows()).to_pandas()
    assert len(found) == 48
    for line in found.itertuples():
        total, people = sums[line.site, line.hour]
        assert line.people == people
        assert line.valence == pytest.approx(total / people)


def test_gaps_count_each_missing_number(duck: Store, rows: list[Row]) -> None:
    found = gaps(duck.windows()).to_pandas().set_index("device")["missing"].to_dict()
    for device in ("cam-0", "cam-1", "cam-2", "cam-3"):
        seqs = [one["seq"] for one in rows if one["device"] == device]
        assert found[device] == max(seqs) - min(seqs) + 1 - len(seqs)


@pytest.mark.parametrize("where", ["postgresql", "lake"])
@pytest.mark.parametrize("query", REPORT)
def test_every_query_says_the_same_there(duck: Store, other: dict[str, Store], where: str, query: str) -> None:
    here, there = (REPORT[query](store.windows()).to_pandas() for store in (duck, other[where]))
    assert len(here) > 0
    pd.testing.assert_frame_equal(here, there, check_dtype=False, rtol=1e-9)


@pytest.fixture(scope="module")
def other(
    duck: Store, rows: list[Row], postgres: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Store]:
    """The same windows in PostgreSQL, and in a lake of two stores that share some of them."""
    folder: Path = tmp_path_factory.mktemp("lake")
    write_lake(duck.windows(), folder, "one")
    write_lake(duck.windows().filter(lambda all_: all_.seq < 50), folder, "two")
    with Store(postgres.url) as server, Store(folder) as lake:
        assert server.upsert(rows) == len(rows)
        assert server.upsert(rows) == 0
        yield {"postgresql": server, "lake": lake}
