"""Outbox databases and their logs as a dying card or a hand might leave them.

See `conftest.py` for the deep run.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge.clock import SystemClock
from edge.config import OutboxConfig
from edge.contract import Window, decode
from edge.errors import PublishError
from edge.publish.outbox import Outbox
from scripts.mqtt_examples import BUSY, ORIGIN

fuzz = settings(settings.get_profile("fuzz"), max_examples=max(settings.get_profile("fuzz").max_examples // 3, 10))
PARTS = ("outbox.db", "outbox.db-wal")
KILLED = """
import sys
from pathlib import Path
from msgspec.structs import replace
from edge.clock import SystemClock
from edge.config import OutboxConfig
from edge.publish.outbox import Outbox
from scripts.mqtt_examples import BUSY, ORIGIN

outbox = Outbox(Path(sys.argv[1]), OutboxConfig(), SystemClock(), ORIGIN)
def put():
    epoch, seq = outbox.number()
    outbox.keep(replace(BUSY, id=f"door/{epoch}/{seq}", epoch=epoch, seq=seq), None)
for _ in range(24):
    put()
outbox._file._sqlite.execute("PRAGMA wal_checkpoint")
outbox.refuse(outbox.owed(99)[-3], 0x87)
for _ in range(6):
    put()
print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, repo: Path) -> dict[str, bytes]:
    """What a killed device leaves: a database and a log that is not merged."""
    path = tmp_path_factory.mktemp("written") / "outbox.db"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], cwd=repo, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while process.stdout.readline() != "done\n":
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return {name: (path.parent / name).read_bytes() for name in PARTS}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, bytes]], Path]:
    folder = tmp_path_factory.mktemp("outbox") / "state"

    def place(parts: dict[str, bytes]) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, data in parts.items():
            (folder / name).write_bytes(data)
        return folder / "outbox.db"

    return place


def put(outbox: Outbox) -> Window:
    epoch, seq = outbox.number()
    window = replace(BUSY, id=f"door/{epoch}/{seq}", epoch=epoch, seq=seq)
    outbox.keep(window, None)
    return window


def windows(path: Path) -> dict[int, Window]:
    """What such a database gives; it has to be usable, and again after another start."""
    outbox = Outbox(path, OutboxConfig(), SystemClock(), ORIGIN)
    try:
        found = {window.seq: window for window in (decode(row.message, Window) for row in outbox.owed(1000))}
        new = put(outbox)
        assert (new.epoch, new.seq) not in {(window.epoch, window.seq) for window in found.values()}
        outbox.ack(outbox.owed(1)[0])
    finally:
        outbox.close()
    again = Outbox(path, OutboxConfig(), SystemClock(), ORIGIN)
    try:
        assert again.delivery().resets == 0
        assert again.number() == (new.epoch, new.seq + 1)
    finally:
        again.close()
    return found


@pytest.fixture(scope="module")
def whole(written: dict[str, bytes], place: Callable[[dict[str, bytes]], Path]) -> dict[int, Window]:
    return windows(place(written))


def test_the_untouched_files_give_every_window(whole: dict[int, Window]) -> None:
    assert sorted(whole) == list(range(1, 31))


@fuzz
@given(st.sampled_from(PARTS), st.data())
def test_flipped_bits_anywhere_give_true_windows_or_none(
    written, whole, place, typed, part: str, data: st.DataObject
) -> None:
    spoilt = bytearray(written[part])
    for at in data.draw(st.lists(st.integers(0, len(spoilt) * 8 - 1), min_size=1, max_size=6)):
        spoilt[at // 8] ^= 1 << at % 8
    with typed(PublishError):
        found = windows(place(written | {part: bytes(spoilt)}))
        assert all(window == whole[seq] for seq, window in found.items())


@fuzz
@given(st.sampled_from(PARTS), st.data())
def test_files_cut_anywhere_give_true_windows_or_none(
    written, whole, place, typed, part: str, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(written[part])))
    with typed(PublishError):
        found = windows(place(written | {part: written[part][:cut]}))
        assert all(window == whole[seq] for seq, window in found.items())


@fuzz
@given(st.sampled_from(PARTS), st.data())
def test_a_block_of_a_card_that_reads_as_something_else(
    written, whole, place, typed, part: str, data: st.DataObject
) -> None:
    """512 bytes of zeros, of ones, or of another place in the file."""
    size, block = len(written[part]), 512
    at, other = (data.draw(st.integers(0, size // block - 1)) * block for _ in range(2))
    put = data.draw(st.sampled_from([b"\0" * block, b"\xff" * block, written[part][other : other + block]]))
    with typed(PublishError):
        found = windows(place(written | {part: written[part][:at] + put + written[part][at + block :]}))
        assert all(window == whole[seq] for seq, window in found.items())


@fuzz
@given(st.sampled_from(["", "-wal", "-shm", "-journal"]), st.binary(max_size=600), st.booleans())
@example("-journal", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\0\0\0\1" * 200, True)
@example("-wal", b"\x37\x7f\x06\x82" + b"\xff" * 600, True)
@example("", b"SQLite format 3\0" + b"\0" * 600, False)
def test_foreign_files_beside_or_instead_of_the_database(
    written, place, typed, suffix: str, content: bytes, with_database: bool
) -> None:
    """SQLite rolls a journal back into the database even if it is not ours: it is checked like the rest."""
    parts = (written if with_database else {}) | {f"outbox.db{suffix}": content}
    with typed(PublishError):
        windows(place(parts))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE windows SET data = 7",
        "UPDATE windows SET data = '{}'",
        "UPDATE windows SET data = x'7b7d' WHERE key < 2",
        "UPDATE windows SET data = zeroblob(1000000)",
        "UPDATE windows SET digest = 0",
        "UPDATE windows SET key = key - 9223372036854775807",
        "DELETE FROM windows WHERE key < 2",
        "DROP TABLE windows",
        "CREATE TABLE state (one INTEGER)",
        "DROP TABLE windows; CREATE VIEW windows AS SELECT 1 AS key",
        "ALTER TABLE windows RENAME COLUMN data TO load",
        "ALTER TABLE windows DROP COLUMN digest",
        "CREATE TRIGGER t BEFORE INSERT ON windows BEGIN SELECT RAISE(ABORT, 'no'); END",
        "CREATE TRIGGER t AFTER INSERT ON windows BEGIN DELETE FROM windows; END",
        "PRAGMA user_version = 0",
    ],
)
def test_a_database_that_someone_has_edited_stops_nothing(written, place, typed, statement: str) -> None:
    path = place(written)
    database = sqlite3.connect(path)
    try:
        database.executescript(statement)
        database.commit()
    finally:
        database.close()
    with typed(PublishError):
        windows(path)


@pytest.mark.parametrize("kind", ["folder", "fifo", "link to nowhere", "link to itself"])
def test_a_place_that_is_no_file_is_refused_in_one_line(tmp_path: Path, typed, kind: str) -> None:
    path = tmp_path / "outbox.db"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "missing" / "x" if "nowhere" in kind else path)
    with typed(PublishError):
        windows(path)
        raise AssertionError("opened")
