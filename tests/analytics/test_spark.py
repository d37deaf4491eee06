"""The report's queries on Spark, a driver and two workers as processes of their own, over a lake: DuckDB's numbers.

Needs the group `analytics-cluster` and Java 17, which `make cluster-check` brings; else it is skipped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analytics.lake import read_lake, write_lake
from analytics.queries import REPORT
from analytics.store import Store
from analytics.table import Row

pytestmark = [
    pytest.mark.skipif("AFFECT_EDGE_CLUSTER" not in os.environ, reason="part of `make cluster-check`"),
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from analytics.spark import connect

    assert shutil.which("java"), "needs Java 17: apt-get install openjdk-17-jre-headless"
    engine = connect("local-cluster[2,1,1024]", tmp_path_factory.mktemp("spark"))
    yield engine
    engine.disconnect()


def test_every_query_says_the_same_on_a_cluster(spark: Any, rows: list[Row], tmp_path: Path) -> None:
    with Store(tmp_path / "windows.duckdb") as store:
        store.upsert(rows)
        write_lake(store.windows(), tmp_path / "lake", "one")
        write_lake(store.windows().filter(lambda all_: all_.seq < 50), tmp_path / "lake", "two")
        lake = read_lake(spark, tmp_path / "lake")
        assert spark._session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() >= 2
        for name, query in REPORT.items():
            here, there = query(store.windows()).to_pandas(), query(lake).to_pandas()
            assert len(here) > 0
            pd.testing.assert_frame_equal(here, there, check_dtype=False, rtol=1e-9, obj=name)
