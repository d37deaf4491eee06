"""A Parquet lake: a folder for each local day and site, in it one file for each store that wrote there."""

from __future__ import annotations

import os
import shutil
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow.parquet as pq

from analytics.errors import DataError
from analytics.table import SCHEMA

_INSTANTS = ("start", "stop", "received")  # Spark's Parquet reader does not note their zone


def write_lake(windows: ir.Table, folder: Path, name: str, *, since: datetime | None = None) -> int:
    """Writes windows as `day=YYYY-MM-DD/site=SITE/<name>.parquet`, each file whole or not at all.

    Args:
        windows: of a store.
        name: of the store: several stores write into one lake, each its own files.
        since: only days of which a window was received since then, with a time zone; all where it is left out.

    Returns:
        Files written.
    """
    days = windows.mutate(day=windows.local_start.date())
    due = days if since is None else days.filter(days.received >= since)
    parts = due.select("day", "site").distinct().order_by("day", "site").to_pyarrow().to_pylist()
    for part in parts:
        place = folder / f"day={part['day']}" / f"site={part['site']}"
        place.mkdir(parents=True, exist_ok=True)
        chosen = days.filter(days.day == part["day"], days.site == part["site"]).order_by("id")
        table = chosen.select(*SCHEMA.names).to_pyarrow().cast(SCHEMA)
        partial = place / f".{name}.partial"  # readers skip names with a dot
        pq.write_table(table, partial, compression="zstd")
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(place / f"{name}.parquet")
    return len(parts)


def purge_lake(folder: Path, days: float) -> int:
    """Deletes the days that ended more than so many days ago, by UTC; returns how many."""
    oldest = (datetime.now(timezone.utc) - timedelta(days=days)).date()
    old = [place for place in folder.glob("day=*") if date.fromisoformat(place.name[4:]) < oldest]
    for place in old:
        shutil.rmtree(place)
    return len(old)


def read_lake(engine: Any, folder: Path) -> ir.Table:
    """The lake's windows in an engine of Ibis; one that two stores have, after a collector was killed, is there once.

    Args:
        engine: DuckDB or Spark.

    Raises:
        DataError: nothing was exported there.
    """
    if next(folder.glob("day=*/site=*/*.parquet"), None) is None:
        raise DataError(f"{folder}: no lake: it has no day=…/site=…/*.parquet", "run: python -m analytics export")
    if engine.name == "duckdb":
        table = engine.read_parquet(f"{folder}/day=*/site=*/[!.]*.parquet", hive_partitioning=False)
    else:
        table = engine.read_parquet(folder)
    table = table.select(*SCHEMA.names)
    first = ibis.row_number().over(group_by=table.id, order_by=table.received)
    once = table.mutate(which=first).filter(lambda several: several.which == 0).drop("which")
    return once.cast({name: kind for name, kind in ibis.Schema.from_pyarrow(SCHEMA).items() if name in _INSTANTS})


def file_name(store: str) -> str:
    """What a store's files in a lake are called when nobody says it."""
    return "postgresql" if "://" in store else Path(store).stem
