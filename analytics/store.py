"""Where windows are kept: one DuckDB file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from analytics.table import SCHEMA, Row


class Store:
    """A store of windows. Written by one process at a time.

    Args:
        path: the DuckDB file; made where there is none.
        read_only: only read; several processes can.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.ibis = ibis.duckdb.connect(str(path), read_only=read_only)
        self.ibis.raw_sql("SET TimeZone = 'UTC'")
        if "windows" not in self.ibis.list_tables():
            self.ibis.create_table("windows", schema=ibis.Schema.from_pyarrow(SCHEMA))
            self.ibis.raw_sql("CREATE UNIQUE INDEX windows_by_id ON windows (id)")

    def upsert(self, rows: Iterable[Row] | pa.Table) -> int:
        """Adds windows in one transaction; one whose `id` is there changes nothing. Returns how many were new."""
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), schema=SCHEMA)
        self.ibis.con.register("incoming", table.select(SCHEMA.names).cast(SCHEMA))
        try:
            done = self.ibis.con.execute("INSERT INTO windows SELECT * FROM incoming ON CONFLICT (id) DO NOTHING")
            return int(done.fetchall()[0][0])
        finally:
            self.ibis.con.unregister("incoming")

    def windows(self) -> ir.Table:
        """All windows, columns as `analytics.table.SCHEMA`."""
        return self.ibis.table("windows")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.ibis.disconnect()
