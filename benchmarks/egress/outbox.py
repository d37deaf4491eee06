"""The outbox: its files are written once more as the device wrote them, and SQLite reads each state that they had.

SQLite says which rows there are and how many entries of its log are whole. Each state is compared with the database
that SQLite makes of the same rows, so little can stand beside them. A row that is deleted was in the state before.
"""

from __future__ import annotations

import re
import sqlite3
import struct
from collections import Counter
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from benchmarks.egress.ledger import Ledger, describe
from benchmarks.egress.texts import Messages
from edge.publish import outbox_file

PAGE = 4096
_LOG_HEAD, _ENTRY_HEAD, _JOURNAL_HEAD = 32, 24, 512
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
# So many bytes of a page may differ from SQLite's own of the same rows: places of rows, and of those before them, which
# it does not clear.
SPARE = 32
_EPOCH = re.compile("[0-9a-f]{8}")
_BOOT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEADS, _PAGES, _AGAIN = "heads and checksums", "pages of rows that were read", "pages that stood in the log"


class OutboxReader:
    """Follows the writes to the database, its log (`-wal`) and its first journal, in order.

    Attributes:
        rows: of the last state.
    """

    def __init__(self, ledger: Ledger, messages: Messages, topic: str) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._ledger, self._messages, self._topic = ledger, messages, topic
        self._files: dict[str, bytearray] = {"": bytearray(), "-wal": bytearray(), "-journal": bytearray()}
        self._pages: set[bytes] = set()  # all that were in a state
        self._new: dict[int, bytes] = {}  # pages in the log since the last state
        self._entries = 0  # of the log since it began anew
        self._judged: set[tuple[Any, ...]] = set()
        with TemporaryDirectory() as folder:
            outbox_file.Database(Path(folder) / "outbox.db").close()
            with closing(sqlite3.connect(Path(folder) / "outbox.db")) as model:
                self._schema = model.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()

    def wrote(self, sink: str, suffix: str, offset: int, data: bytes) -> None:
        """Takes one write to the database (no suffix), its `-wal` or its `-journal`."""
        file, place = self._files[suffix], (offset - _LOG_HEAD) % (_ENTRY_HEAD + PAGE)
        file[offset : offset + len(data)] = data
        if suffix == "-journal":
            self._ledger.judge(sink, _HEADS, data, _journal_problem(offset, data))
        elif suffix == "" and (data in self._pages or (offset == 0 and not self._pages)):
            if data not in self._pages:  # of a new database, before there is a log
                self._read_state(sink, {1: data})
            self._ledger.account(sink, _AGAIN, len(data))
        elif suffix == "-wal" and (offset, len(data)) == (0, _LOG_HEAD):
            self._entries, self._new = 0, {}
            self._ledger.account(sink, _HEADS, len(data))
        elif suffix == "-wal" and (place, len(data)) == (0, _ENTRY_HEAD):
            self._ledger.account(sink, _HEADS, len(data))
        elif suffix == "-wal" and (place, len(data)) == (_ENTRY_HEAD, PAGE):
            number, committed = struct.unpack(">II", file[offset - _ENTRY_HEAD : offset - _ENTRY_HEAD + 8])
            self._ledger.judge(sink, _PAGES, data, "a page that is written twice" if number in self._new else "")
            self._entries += 1
            self._new[number] = data
            if committed:
                self._read_state(sink, self._new)
                self._new = {}
        else:
            self._ledger.find(sink, f"bytes that SQLite would not write there: {describe(data)}")

    def cut(self, sink: str, suffix: str, size: int) -> None:
        """Takes a file's new size."""
        del self._files[suffix][size:]
        if size % PAGE:
            self._ledger.find(sink, "a size that is no number of pages")

    def finish(self, sink: str, path: Path) -> None:
        """Compares what is left on the disk with what was seen being written."""
        if path.is_file() and path.read_bytes() != self._files[""]:
            self._ledger.find(sink, "the file that is left is not what was written")

    def _read_state(self, sink: str, pages: dict[int, bytes]) -> None:
        """Has SQLite read the files as they are now, and judges what is new in them."""
        self._pages.update(pages.values())
        with TemporaryDirectory() as folder:
            path, again = Path(folder, "outbox.db"), Path(folder, "again.db")
            for suffix in ("", "-wal"):
                Path(f"{path}{suffix}").write_bytes(self._files[suffix])
            try:
                with closing(sqlite3.connect(path)) as copy:
                    copy.text_factory = lambda text: text.decode("utf-8", "replace")
                    schema = copy.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
                    self.rows = copy.execute("SELECT * FROM windows").fetchall() if schema else []
                    whole = copy.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
                with closing(sqlite3.connect(again)) as copy:
                    for _, _, _, sql in self._schema if schema else ():
                        copy.execute(sql)
                    for row in self.rows:
                        copy.execute("INSERT INTO windows VALUES (?, ?, ?)", row)
                    copy.commit()
            except sqlite3.Error as error:
                self._ledger.find(sink, f"SQLite cannot read it: {error}")
                return
            state, beside = path.read_bytes(), Counter(path.read_bytes()) - Counter(again.read_bytes())
        if schema not in (self._schema, []):
            self._ledger.find(sink, "tables that the program's schema does not have")
        if max(whole, 0) != self._entries:
            self._ledger.find(sink, "entries of the log that SQLite does not accept")
        if beside.total() - beside[0] > SPARE * max(len(state) // PAGE, 2):
            self._ledger.find(sink, f"bytes in unused parts of its pages: {describe(state)}")
        for row in set(self.rows) - self._judged:
            self._judge(sink, row)
        self._judged.update(self.rows)

    def _judge(self, sink: str, row: tuple[Any, ...]) -> None:
        key, data, digest = row
        if digest != outbox_file.digest(key, data):
            self._ledger.find(sink, "a row that the program would not write so")
        for problem in self._state_problems(data) if key in outbox_file.STATE else self._problems(key, data):
            self._ledger.find(sink, f"a kept window, {problem}; {describe(data)}")

    def _problems(self, key: int, data: bytes) -> list[str]:
        self._ledger.seen["kept window"] += 1
        try:
            row = msgspec.msgpack.decode(data, type=outbox_file.Row)
        except msgspec.MsgspecError:
            return ["a row that is none"]
        if row.key != key or msgspec.msgpack.encode(row) != data:
            return ["a row with something that is not its own"]
        if row.topic != self._topic or not (row.boot is None or _BOOT.fullmatch(row.boot)):
            return ["a row with a text that the program does not put there"]
        return self._messages.problems(self._topic, row.message)

    def _state_problems(self, data: bytes) -> list[str]:
        try:
            state = msgspec.json.decode(data, type=outbox_file.State)
        except msgspec.MsgspecError:
            return ["a state that is none"]
        known = all(_EPOCH.fullmatch(word) or self._messages.knows(word) for word in [state.epoch, *state.words])
        return [] if known and msgspec.json.encode(state) == data else ["a state with something that is not its own"]


def _journal_problem(offset: int, data: bytes) -> str:
    """Of a new database only: its journal has a head and no page. It is written twice, first without its mark."""
    marked = data.startswith(_JOURNAL_MAGIC) if len(data) == 12 else not any(data[:12]) and len(data) == _JOURNAL_HEAD
    return "" if offset == 0 and marked and not any(data[28:]) else "bytes in the journal that are not its head"
