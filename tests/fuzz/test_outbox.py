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

from edge.clock import SystemClock
from edge.config import OutboxConfig
from edge.errors import PublishError
from edge.publish.durable import DurableOutbox
from edge.publish.example import BUSY, ORIGIN
from edge.publish.payload import WindowPayload

fuzz = settings(settings.get_profile("fuzz"), max_examples=max(settings.get_profile("fuzz").max_examples // 3, 10))
PARTS = ("outbox.db", "outbox.db-wal")
KILLED = """
import sys
from pathlib import Path
from edge.clock import SystemClock
from edge.config import OutboxConfig
from edge.publish.durable import DurableOutbox
from edge.publish.example import BUSY, ORIGIN

outbox = DurableOutbox(Path(sys.argv[1]), OutboxConfig(), SystemClock())
for _ in range(24):
    print(outbox.insert(BUSY, ORIGIN).seq, flush=True)
outbox._database.execute("PRAGMA wal_checkpoint")
outbox.refuse(3, 0x87)
for _ in range(6):
    print(outbox.insert(BUSY, ORIGIN).seq, flush=True)
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


def windows(path: Path) -> dict[int, WindowPayload]:
    """What such a database gives; it has to be usable, and again after another start."""
    with DurableOutbox(path, OutboxConfig(), SystemClock()) as outbox:
        found = {window.seq: window for window in outbox.pending(1000, ())}
        outbox.readmit()
        found |= {window.seq: window for window in outbox.pending(1000, ())}
        new = outbox.insert(BUSY, ORIGIN)
        assert new.seq not in found
        outbox.counts()
        outbox.ack(new.seq)
    with DurableOutbox(path, OutboxConfig(), SystemClock()) as outbox:
        assert outbox.insert(BUSY, ORIGIN).seq > new.seq or outbox.epoch != new.epoch
    return found


@pytest.fixture(scope="module")
def whole(written: dict[str, bytes], place: Callable[[dict[str, bytes]], Path]) -> dict[int, WindowPayload]:
    return windows(place(written))


def test_the_untouched_files_give_every_window(whole: dict[int, WindowPayload]) -> None:
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
        "UPDATE state SET epoch = 'x'",
        "UPDATE state SET seq = -1",
        "UPDATE state SET seq = 'many'",
        "UPDATE state SET seq = 1",
        "UPDATE state SET evicted = 0.5",
        "UPDATE state SET evicted = 9223372036854775807",
        "UPDATE state SET running = 'yes'",
        "UPDATE state SET running = -5",
        "DELETE FROM state",
        "DROP TABLE windows",
        "DROP TABLE state",
        "UPDATE windows SET payload = 7",
        "UPDATE windows SET payload = zeroblob(1000000)",
        "UPDATE windows SET refused = 'no'",
        "UPDATE windows SET counted = 'no'",
        "UPDATE windows SET boot = 'x', begun = 'a', ended = 'b'",
        "ALTER TABLE windows RENAME COLUMN payload TO load",
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
