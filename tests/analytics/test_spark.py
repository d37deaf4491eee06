"""The report's queries on Spark, a driver and two workers as processes of their own, over a lake: DuckDB's numbers.

Needs the group `analytics-cluster` and Java 17, which `make cluster-check` brings; else it is skipped.
AFFECT_EDGE_CLUSTER is a folder for the record.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analytics.lake import read_lake, write_lake
from analytics.queries import REPORT
from analytics.store import Store
from analytics.table import Row

MASTER = "local-cluster[2,1,1024]"  # two workers with a core and 1 GB each
pytestmark = [
    pytest.mark.skipif("AFFECT_EDGE_CLUSTER" not in os.environ, reason="part of `make cluster-check`"),
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from analytics.spark import connect

    engine = connect(MASTER, tmp_path_factory.mktemp("spark"))
    yield engine
    engine.disconnect()


def test_every_query_says_the_same_on_a_cluster(spark: Any, rows: list[Row], tmp_path: Path) -> None:
    with Store(tmp_path / "windows.duckdb") as store:
        store.upsert(rows)
        write_lake(store.windows(), tmp_path / "lake", "one")
        write_lake(store.windows().filter(lambda all_: all_.seq < 50), tmp_path / "lake", "two")
        lake = read_lake(spark, tmp_path / "lake")
        assert spark._session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() >= 2
        seconds = {}
        for name, query in REPORT.items():
            begun_s = time.monotonic()
            there = query(lake).to_pandas()
            seconds[name] = round(time.monotonic() - begun_s, 1)
            here = query(store.windows()).to_pandas()
            assert len(here) > 0
            pd.testing.assert_frame_equal(here, there, check_dtype=False, rtol=1e-9, obj=name)
    record = {"spark": spark.version, "master": MASTER, "rows": len(rows), "same_as_duckdb": True, "seconds": seconds}
    (Path(os.environ["AFFECT_EDGE_CLUSTER"]) / "spark.json").write_text(json.dumps(record, indent=1) + "\n")
