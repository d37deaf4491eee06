"""Where windows are kept: a DuckDB file, a PostgreSQL database, or a Parquet lake, which is only read here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from analytics.errors import DataError
from analytics.lake import read_lake
from analytics.table import INSTANT, SCHEMA, Row

QUARANTINE = pa.schema(
    [
        pa.field("digest", pa.string(), nullable=False),
        pa.field("received", INSTANT, nullable=False),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
    ]
)
LATEST = pa.schema([pa.field(name, QUARANTINE.field(name).type, nullable=False) for name in ("topic", "received")])
LATEST = LATEST.append(pa.field("payload", pa.string(), nullable=False))
_TABLES = {"windows": SCHEMA, "quarantine": QUARANTINE, "latest": LATEST}
_SAME = " ON CONFLICT DO NOTHING"
_NEWER = (
    " ON CONFLICT (topic) DO UPDATE SET received = excluded.received, payload = excluded.payload"
    " WHERE excluded.received >= latest.received"
)
_CONFLICT = {"windows": _SAME, "quarantine": _SAME, "latest": _NEWER}
_KINDS = {
    "duckdb": {pa.binary(): "BLOB", pa.string(): "TEXT", pa.float64(): "DOUBLE"},
    "postgresql": {pa.binary(): "BYTEA", pa.string(): "TEXT", pa.float64(): "DOUBLE PRECISION"},
}
_COMMON = {pa.int64(): "BIGINT", pa.bool_(): "BOOLEAN", INSTANT: "TIMESTAMPTZ", pa.timestamp("us"): "TIMESTAMP"}


class Store:
    """A store of windows, of what could not be read as one, and of each device's latest status and health.

    Args:
        target: a DuckDB file, made where there is none, of which one process at a time can be the writer;
            `postgresql://…`, which many can write; or a folder that `export` made, read only.
        read_only: only read.

    Raises:
        DataError: it cannot be opened, is in use, or was made by another release.
    """

    def __init__(self, target: str | Path, *, read_only: bool = False) -> None:
        self.name = re.sub(r"(://[^:/@]*):[^@]*@", r"\1:…@", str(target))  # without a password
        self._postgres = str(target).startswith(("postgresql://", "postgres://"))
        self._lake = Path(target) if not self._postgres and Path(target).is_dir() else None
        if read_only and not self._postgres and not Path(target).exists():
            raise DataError(f"{self.name}: there is no such store", "run: python -m analytics collect")
        try:
            if self._postgres:
                self.ibis = ibis.connect(str(target))
                self._db: Any = self.ibis.con
                self._db.autocommit = True
            else:
                file = ":memory:" if self._lake else str(target)
                self.ibis = ibis.duckdb.connect(file, read_only=read_only and not self._lake)
                self._db = self.ibis.con
        except Exception as error:
            raise _explain(self.name, error) from error
        self._db.execute("SET TIME ZONE 'UTC'")
        if self._lake is None:
            if not read_only:
                self._create()
            for name, schema in _TABLES.items():
                if self.ibis.table(name).columns != tuple(schema.names):
                    raise DataError(f"{self.name}: table {name} is another release's", "take a new store")

    def upsert(self, rows: Iterable[Row] | pa.Table) -> int:
        """Adds windows in one transaction; one whose `id` is there changes nothing. Returns how many were new."""
        return self.keep(rows)

    def keep(
        self, windows: Iterable[Row] | pa.Table, quarantine: Iterable[Row] = (), latest: Iterable[Row] = ()
    ) -> int:
        """Writes all or nothing, on the disk when it returns. Returns how many windows were new.

        Args:
            windows: as `upsert` takes them.
            quarantine: rows of `QUARANTINE`; one of a `digest` that is there changes nothing.
            latest: rows of `LATEST`, one a topic; replaces what was received before.

        Raises:
            DataError: it cannot be written.
        """
        if self._lake is not None:
            raise DataError(f"{self.name}: a lake is only read", "name a DuckDB file or postgresql://…")
        new = 0
        try:
            self._db.execute("BEGIN")
            for name, rows in (("windows", windows), ("quarantine", quarantine), ("latest", latest)):
                added = self._insert(name, rows)
                new += added if name == "windows" else 0
            self._db.execute("COMMIT")
        except Exception as error:
            self._db.execute("ROLLBACK")
            if isinstance(error, KeyError | TypeError | ValueError | pa.ArrowException):
                raise
            raise _explain(self.name, error) from error
        return new

    def windows(self) -> ir.Table:
        """All windows, columns as `analytics.table.SCHEMA`."""
        return self.ibis.table("windows") if self._lake is None else read_lake(self.ibis, self._lake)

    def quarantine(self) -> ir.Table:
        """What came as a window and is none: when, where, why, and its first bytes."""
        return self.ibis.table("quarantine")

    def latest(self) -> ir.Table:
        """The latest status and health of each device, by topic, as the device wrote it."""
        return self.ibis.table("latest")

    def purge(self, days: float) -> int:
        """Deletes windows that ended, and what was set aside, more than so many days ago. Returns how many windows."""
        old = f"< CURRENT_TIMESTAMP - INTERVAL '{round(days * 86400)} seconds'"
        self._db.execute(f"DELETE FROM quarantine WHERE received {old}")  # noqa: S608 - a number of ours
        return self._changed(self._db.execute(f"DELETE FROM windows WHERE stop {old}"))  # noqa: S608

    def _create(self) -> None:
        self._db.execute("BEGIN")
        if self._postgres:  # two collectors that start at once
            self._db.execute("SELECT pg_advisory_xact_lock(hashtext('affect-edge'))")
        for name, schema in _TABLES.items():
            self._db.execute(f"CREATE TABLE IF NOT EXISTS {name} ({self._columns(schema)})")
        self._db.execute("COMMIT")

    def _columns(self, schema: pa.Schema) -> str:
        """Columns in SQL; the first of each table is its key."""
        kinds = _COMMON | _KINDS["postgresql" if self._postgres else "duckdb"]
        written = [f"{field.name} {kinds[field.type]}{'' if field.nullable else ' NOT NULL'}" for field in schema]
        return f"{', '.join(written)}, PRIMARY KEY ({schema.names[0]})"

    def _insert(self, name: str, rows: Iterable[Row] | pa.Table) -> int:
        schema = _TABLES[name]
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), schema=schema)
        if not len(table):
            return 0
        table = table.select(schema.names).cast(schema)
        columns = ", ".join(schema.names)
        # In one order, so that two who write the same rows never wait for each other.
        into = f"INSERT INTO {name} ({columns}) SELECT {columns} FROM incoming ORDER BY 1"  # noqa: S608 - names of ours
        into += _CONFLICT[name]
        if not self._postgres:
            self._db.register("incoming", table)
            try:
                return self._changed(self._db.execute(into))
            finally:
                self._db.unregister("incoming")
        self._db.execute("DROP TABLE IF EXISTS incoming")
        self._db.execute(f"CREATE TEMP TABLE incoming (LIKE {name}) ON COMMIT DROP")
        with self._db.cursor() as cursor, cursor.copy(f"COPY incoming ({columns}) FROM STDIN") as copy:
            for batch in table.to_batches(max_chunksize=10_000):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    copy.write_row(values)
        return self._changed(self._db.execute(into))

    def _changed(self, done: Any) -> int:
        return int(done.rowcount if self._postgres else done.fetchall()[0][0])

    def close(self) -> None:
        """Gives the store back; another process can write then."""
        self.ibis.disconnect()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _explain(name: str, error: Exception) -> DataError:
    said = " ".join(str(error).split())
    holder = re.search(r"Conflicting lock is held in .*?\(PID (\d+)\)", said)
    if holder:
        fix = "stop it, read the lake that `collect --lake` writes, or let several write to postgresql://…"
        return DataError(f"{name}: process {holder[1]} has it open, and a DuckDB file has one writer", fix)
    return DataError(f"{name}: {said[:240]}")
