"""The outbox: every row that was ever written to its files, and what the database holds at the end."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from benchmarks.egress.ledger import Ledger, describe
from benchmarks.egress.pages import Cell, Database, PageError
from benchmarks.egress.payloads import PayloadReader
from edge.publish import outbox_file

_EPOCH = re.compile("[0-9a-f]{8}")
_BOOT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LARGEST = 2**62


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
        with TemporaryDirectory() as folder:
            path = Path(folder) / "outbox.db"
            outbox_file.Database(path).close()
            model = sqlite3.connect(path)
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
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as left:
            for kind, name, table, sql in left.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"):
                if (kind, name, table, sql) not in self._schema:
                    self._ledger.find(sink, f"a {kind} that the program's schema does not have")
                    continue
                found = left.execute(f"SELECT * FROM {name}")  # noqa: S608 - a name of our own schema
                columns = [column[0] for column in found.description]
                for row in found:
                    rows[name] = rows.get(name, 0) + 1
                    self._judge(sink, dict(zip(columns, row, strict=True)))
        left.close()
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
        known = self._known(row)
        for column, value in row.items():
            if column == "message":
                good = isinstance(value, bytes)
                problems = self._message(row.get("key"), value) if isinstance(value, bytes) else []
                for problem in problems:
                    self._ledger.find(sink, f"a kept window, {problem}; {describe(value)}")
            elif column == "digest":
                good = known is not None and value == known.values()[-1]
            elif column == "topic":
                good = value in ("", self._topic)
            elif column == "boot":
                good = value is None or (isinstance(value, str) and _BOOT.fullmatch(value) is not None)
            else:
                good = value is None or (isinstance(value, int) and abs(value) <= _LARGEST)
            if not good:
                self._ledger.find(sink, f"column {column} holds what the program does not put there")

    def _message(self, key: object, data: bytes) -> list[str]:
        """What is wrong with a kept message, or with what the outbox remembers beside them."""
        if key not in outbox_file.STATE:
            self._ledger.seen["kept window"] += 1
            return self._payloads.problems(self._topic, data)
        try:
            state = msgspec.json.decode(data, type=outbox_file.State)
        except msgspec.MsgspecError:
            return ["a state that is none"]
        texts = [state.epoch, *state.words]
        if msgspec.json.encode(state) != data:
            return ["a state with something beside its fields"]
        return [
            "a word that is neither configured nor an epoch"
            for text in texts
            if not (_EPOCH.fullmatch(text) or self._payloads.knows(text))
        ]

    def _known(self, row: dict[str, Any]) -> outbox_file.Row | None:
        """The row as the program would write it."""
        try:
            held = None if row["begun_ns"] is None else (row["begun_ns"], row["ended_ns"])
            return outbox_file.Row(
                row["key"], row["message"], row["topic"], row["end_ns"], row["trusted"] == 1, row["boot"],
                row["kept_ns"], held, row["refused"],
            )  # fmt: skip
        except KeyError:
            return None
