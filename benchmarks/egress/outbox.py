"""The outbox: every row that was ever written to its files, and what the database holds at the end."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.egress.ledger import Ledger, describe
from benchmarks.egress.pages import Cell, Database, PageError
from benchmarks.egress.payloads import PayloadReader
from edge.publish.database import Row, memory_database
from edge.publish.reach import MOST_SPANS

_EPOCH = re.compile("[0-9a-f]{8}")
_BOOT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LARGEST = 10**15
_LONGEST_NS = 2**62


class OutboxReader:
    """Judges the rows.

    Args:
        ledger: takes what is found.
        payloads: judges the messages in them.
        topic: of the device's windows.
    """

    def __init__(self, ledger: Ledger, payloads: PayloadReader, topic: str) -> None:
        self._ledger = ledger
        self._payloads = payloads
        self._topic = topic
        self._database = Database()
        model = memory_database()
        self._schema = set(model.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall())
        self._columns = {
            tuple(row[1] for row in model.execute(f"PRAGMA table_info({name})")) for _, name, _, _ in self._schema
        }
        model.close()

    def wrote(self, sink: str, suffix: str, offset: int, data: bytes) -> None:
        """Accounts for one write to the database (no suffix), its `-wal` or its `-journal`."""
        try:
            books = self._database.write(suffix, offset, data)
        except (PageError, IndexError, ValueError) as error:
            self._ledger.find(sink, str(error) if isinstance(error, PageError) else "bytes that are no page of SQLite")
            return
        for what, size in books.parts.items():
            self._ledger.account(sink, what, size)
        for cell in books.rows:
            self._judge_cell(sink, cell)

    def check_final(self, sink: str, path: Path) -> dict[str, int]:
        """Reads the database as it was left, every table, row and column; returns the rows by table."""
        rows: dict[str, int] = {}
        if not path.is_file():
            return rows
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for kind, name, table, sql in database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"):
                if (kind, name, table, sql) not in self._schema:
                    self._ledger.find(sink, f"a {kind} that the program's schema does not have")
                    continue
                found = database.execute(f"SELECT * FROM {name}")  # noqa: S608 - a name of our own schema
                columns = [column[0] for column in found.description]
                for row in found:
                    rows[name] = rows.get(name, 0) + 1
                    self._judge(sink, dict(zip(columns, row, strict=True)))
        return rows

    def _judge_cell(self, sink: str, cell: Cell) -> None:
        if len(cell.values) == 5 and cell.values[0] == "table":  # a row of SQLite's own table of tables
            kind, name, table, _, sql = cell.values
            if (kind, name, table, sql) not in self._schema:
                self._ledger.find(sink, "a table that the program's schema does not have")
            return
        fitting = [columns for columns in self._columns if len(columns) == len(cell.values)]
        if not fitting:
            self._ledger.find(sink, f"a row of {len(cell.values)} columns, which no table has")
            return
        values = [cell.number if index == 0 else value for index, value in enumerate(cell.values)]
        self._judge(sink, dict(zip(fitting[0], values, strict=True)))

    def _judge(self, sink: str, row: dict[str, Any]) -> None:
        known = Row(**{name: row[name] for name in ("seq", "payload", "boot", "begun", "ended")}) if (
            "payload" in row and isinstance(row["payload"], bytes)
        ) else None  # fmt: skip
        for column, value in row.items():
            good = value is None or (isinstance(value, int) and abs(value) <= _LARGEST)
            if column == "payload" and known is not None:
                for problem in self._payloads.problems(self._topic, value):
                    self._ledger.find(sink, f"a kept window, {problem}; {describe(value)}")
                self._ledger.seen["kept window"] += 1
                good = True
            elif column == "digest" and known is not None:
                good = value == known.digest
            elif column == "epoch":
                good = isinstance(value, str) and _EPOCH.fullmatch(value) is not None
            elif column == "boot" and value is not None:
                good = isinstance(value, str) and _BOOT.fullmatch(value) is not None
            elif column == "reach":
                good = _is_reach(value)
            elif column in ("begun", "ended") and value is not None:
                good = isinstance(value, int) and abs(value) <= _LONGEST_NS
            if not good:
                self._ledger.find(sink, f"column {column} holds what the program does not put there")


def _is_reach(value: Any) -> bool:
    """Whether this is some spans of UTC nanoseconds, written as the program writes them."""
    try:
        spans = msgspec.json.decode(value, type=tuple[tuple[int, int], ...])
    except (msgspec.MsgspecError, TypeError):
        return False
    whole_ms = all(time % 1_000_000 == 0 and 0 <= time <= _LONGEST_NS for span in spans for time in span)
    return len(spans) <= MOST_SPANS and whole_ms and msgspec.json.encode(spans) == value
