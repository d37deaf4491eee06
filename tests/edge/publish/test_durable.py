"""The outbox against what happens to a disk: restarts, kills, cut logs, flipped bits, full and forbidden places."""

from __future__ import annotations

import logging
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge.clock import NS, FileClock, SystemClock
from edge.config import OutboxConfig
from edge.errors import PublishError
from edge.publish import durable
from edge.publish.database import outbox_path
from edge.publish.durable import DurableOutbox
from edge.publish.example import BUSY, ORIGIN

ROOT = Path(__file__).parents[3]
PAGE = 4096
DEFAULTS = OutboxConfig()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


def _open(path: Path, limits: OutboxConfig = DEFAULTS, clock=None) -> DurableOutbox:
    return DurableOutbox(path, limits, clock or SystemClock())


def _seqs(outbox: DurableOutbox) -> list[int]:
    return [window.seq for window in outbox.pending(10_000, ())]


def _aside(path: Path) -> list[str]:
    return sorted(part.name for part in path.parent.iterdir() if "broken" in part.name)


def test_windows_outlive_a_restart_with_their_ids_and_the_numbers_go_on(path):
    with _open(path) as outbox:
        ids = [outbox.insert(BUSY, ORIGIN).id for _ in range(3)]
        outbox.ack(2)
        outbox.refuse(3, 0x87)
    with _open(path) as outbox:
        assert [window.id for window in outbox.pending(10, ())] == [ids[0]]
        assert outbox.refusals() == {3: 0x87}
        assert outbox.insert(BUSY, ORIGIN).id == f"door/{outbox.epoch}/4"
        assert outbox.counts() == replace(outbox.counts(), waiting=2, refused=1, evicted=0, interrupted=0, resets=0)


def test_a_number_is_not_given_twice_even_when_its_window_is_gone(path):
    with _open(path) as outbox:
        outbox.ack(outbox.insert(BUSY, ORIGIN).seq)
    with _open(path) as outbox:
        assert outbox.insert(BUSY, ORIGIN).seq == 2


def test_every_commit_is_on_the_disk_before_insert_returns(path):
    with _open(path) as outbox:
        assert outbox._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert outbox._database.execute("PRAGMA synchronous").fetchone() == (2,)


KILLED = """
import sys
from pathlib import Path
from edge.clock import SystemClock
from edge.config import OutboxConfig
from edge.publish.durable import DurableOutbox
from edge.publish.example import BUSY, ORIGIN

outbox = DurableOutbox(Path(sys.argv[1]), OutboxConfig(), SystemClock())
while True:
    print(outbox.insert(BUSY, ORIGIN).seq, flush=True)
"""


def test_sigkill_loses_no_window_that_insert_returned_and_is_counted(path):
    for kill in range(1, 4):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        told = [line for line in process.communicate()[0].split("\n") if line]
        with _open(path) as outbox:
            seqs = _seqs(outbox)
            assert seqs == list(range(len(seqs), 0, -1))
            assert len(seqs) >= int(told[-1]) if told else len(seqs) >= 5
            assert outbox.counts().interrupted == kill
            assert outbox.counts().resets == 0


def test_a_second_process_is_told_that_the_file_is_taken(path):
    with _open(path), pytest.raises(PublishError, match=r"outbox\.path: .*in use by another process"):
        _open(path)


def test_the_oldest_goes_when_the_bytes_are_used_up(path, room_for):
    with _open(path, OutboxConfig(max_mb=room_for(3))) as outbox:
        for _ in range(5):
            outbox.insert(BUSY, ORIGIN)
        assert _seqs(outbox) == [5, 4, 3]
        assert outbox.counts().evicted == 2
    with _open(path, OutboxConfig(max_mb=room_for(2))) as outbox:
        outbox.insert(BUSY, ORIGIN)
        assert _seqs(outbox) == [6, 5]
        assert outbox.counts().evicted == 4


class Synced(FileClock):
    def synced(self) -> bool:
        return True


def test_what_is_too_old_goes_once_the_clock_is_right(path):
    day_ns = 86_400 * NS
    old = replace(BUSY, start_ns=BUSY.start_ns - 8 * day_ns, end_ns=BUSY.end_ns - 8 * day_ns)
    limits = OutboxConfig(max_age_days=7)
    with _open(path, limits, FileClock(now_ns=BUSY.end_ns)) as outbox:
        outbox.insert(old, ORIGIN)
        outbox.insert(BUSY, ORIGIN)
        assert _seqs(outbox) == [2, 1]
    with _open(path, limits, Synced(now_ns=BUSY.end_ns)) as outbox:
        outbox.insert(BUSY, ORIGIN)
        assert _seqs(outbox) == [3, 2]
        assert outbox.counts().evicted == 1


@pytest.fixture
def killed(path, tmp_path):
    """A database as a power cut leaves it: 30 windows, their log not merged. Gives a function that makes a copy."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for _ in range(30):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()

    def copy(name: str) -> Path:
        shutil.copytree(path.parent, tmp_path / name)
        return tmp_path / name / path.name

    return copy


def _goes_on(path: Path) -> tuple[list[int], int]:
    with _open(path) as outbox:
        seqs, resets = _seqs(outbox), outbox.counts().resets
        new = outbox.insert(BUSY, ORIGIN)
        assert _seqs(outbox)[0] == new.seq
        outbox.ack(new.seq)
    with _open(path) as outbox:
        assert _seqs(outbox) == seqs
    return seqs, resets


def test_a_log_cut_at_any_page_gives_the_windows_before_the_cut(killed):
    whole = killed("whole")
    log_bytes = whole.with_name("outbox.db-wal").stat().st_size
    kept = []
    for i, cut in enumerate(range(0, log_bytes, PAGE)):
        path = killed(f"cut-{i}")
        with path.with_name("outbox.db-wal").open("r+b") as log:
            log.truncate(cut)
        seqs, resets = _goes_on(path)
        assert seqs == list(range(len(seqs), 0, -1))
        assert bool(resets) == bool(_aside(path))
        kept.append(len(seqs))
    assert kept == sorted(kept)
    assert kept[-1] >= 28


def test_flipped_bytes_never_pass_as_a_window_and_never_stop_the_device(killed):
    intact = killed("intact")
    with _open(intact) as outbox:
        written = {window.seq: window for window in outbox.pending(100, ())}
    size = intact.stat().st_size  # all of it is merged now
    chance = random.Random(7)
    resets = 0
    for trial in range(60):
        path = intact.parent / f"flipped-{trial}" / "outbox.db"
        path.parent.mkdir()
        shutil.copy(intact, path)
        with path.open("r+b") as file:
            for _ in range(chance.choice([1, 8, 200])):
                place = chance.randrange(size)
                file.seek(place)
                byte = file.read(1)[0]
                file.seek(place)
                file.write(bytes([byte ^ (1 << chance.randrange(8))]))
        with _open(path) as outbox:
            assert all(written[window.seq] == window for window in outbox.pending(100, ()))
            outbox.insert(BUSY, ORIGIN)
            resets += outbox.counts().resets
    assert resets > 20


def test_a_broken_schema_that_is_no_text_is_set_aside(path):
    _open(path).close()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"seq INTEGER NOT NULL", b"seq INTEGER \xa0OT NULL"))
    with _open(path) as outbox:
        assert outbox.insert(BUSY, ORIGIN).seq == 1
        assert outbox.counts().resets == 1


def test_a_database_of_an_earlier_release_gets_what_came_later(path):
    with _open(path) as outbox:
        outbox.insert(BUSY, ORIGIN)
        epoch = outbox.epoch
    with sqlite3.connect(path) as database:
        for name in ("reach", "reach_partial"):
            database.execute(f"ALTER TABLE state DROP COLUMN {name}")
    database.close()
    for _ in range(2):
        with _open(path) as outbox:
            assert (outbox.epoch, outbox.counts().waiting, outbox.counts().resets) == (epoch, 1, 0)


@pytest.mark.parametrize("content", [b"", b"not a database" * 500, b"\0" * 10_000])
def test_what_is_no_database_is_set_aside_or_filled(path, content, caplog):
    path.parent.mkdir()
    path.write_bytes(content)
    with _open(path) as outbox:
        assert outbox.insert(BUSY, ORIGIN).seq == 1
        assert outbox.counts().resets == (1 if content else 0)
    assert _aside(path) == (["outbox.db.broken-1"] if content else [])
    assert len([record for record in caplog.records if "set aside" in record.getMessage()]) == len(_aside(path))


def test_a_database_of_a_later_release_is_set_aside_not_overwritten(path):
    _open(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with _open(path) as outbox:
        assert outbox.counts().resets == 1


def test_only_the_last_broken_databases_are_kept(path):
    path.parent.mkdir()
    for _ in range(6):
        path.write_bytes(b"not a database" * 500)
        _open(path).close()
        for part in path.parent.glob("outbox.db*"):
            if "broken" not in part.name:
                part.unlink()
    assert _aside(path) == ["outbox.db.broken-4", "outbox.db.broken-5", "outbox.db.broken-6"]


def test_a_database_that_breaks_while_it_runs_is_replaced_and_the_window_at_hand_kept(path):
    with _open(path) as outbox:
        for _ in range(3):
            outbox.insert(BUSY, ORIGIN)
        before = outbox.epoch
        outbox._database.execute("UPDATE windows SET digest = x'00' WHERE seq = 2")
        assert _seqs(outbox) == []
        assert outbox.epoch != before
        window = outbox.insert(BUSY, ORIGIN)
        assert window.id == f"door/{outbox.epoch}/4"  # an acknowledgement of the old 1, under way, does not hit it
        assert outbox.counts().resets == 1


def test_a_full_disk_costs_windows_counts_them_and_is_told_once(path, caplog):
    caplog.set_level(logging.INFO)
    with _open(path) as outbox:
        outbox.insert(BUSY, ORIGIN)
        pages = outbox._database.execute("PRAGMA page_count").fetchone()[0]
        outbox._database.execute(f"PRAGMA max_page_count = {pages}")
        for _ in range(40):
            outbox.insert(BUSY, ORIGIN)
        assert outbox.counts().evicted > 0
        assert outbox.counts().evicted + outbox.counts().waiting == 41
        outbox._database.execute("PRAGMA max_page_count = 100000")
        outbox.insert(BUSY, ORIGIN)
    told = [record.getMessage() for record in caplog.records if "the disk" in record.getMessage()]
    assert told == [
        "outbox: the disk takes nothing (database or disk is full); windows are lost until it does",
        "outbox: the disk takes windows again",
    ]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match=r"outbox\.path: .*file cannot be made"):
        _open(tmp_path / "file" / "outbox.db")


def test_a_disk_that_cannot_even_set_a_database_aside_leaves_the_device_running(path, monkeypatch):
    def refuse(*_):
        raise PublishError("outbox.path: read-only")

    with _open(path) as outbox:
        outbox.insert(BUSY, ORIGIN)
        outbox._database.execute("UPDATE windows SET digest = x'00'")
        monkeypatch.setattr(durable, "set_aside", refuse)
        assert _seqs(outbox) == []
        outbox.insert(BUSY, ORIGIN)
        assert len(_seqs(outbox)) == 1


def test_after_close_every_call_is_idle(path):
    outbox = _open(path)
    outbox.insert(BUSY, ORIGIN)
    outbox.close()
    outbox.close()
    outbox.ack(1)
    assert (outbox.pending(5, ()), outbox.refusals(), outbox.readmit()) == ([], {}, 0)


@pytest.mark.parametrize(
    ("path", "state", "expected"),
    [
        ("/data/box.db", "/var/lib/x", "/data/box.db"),
        ("", "/var/lib/affect-edge:/other", "/var/lib/affect-edge/outbox.db"),
        ("", "", "/home/me/.local/state/affect-edge/berlin-door/outbox.db"),
    ],
)
def test_the_file_lies_where_the_operator_the_service_manager_or_the_user_says(path, state, expected):
    assert outbox_path(OutboxConfig(path=path), "berlin", "door", state, Path("/home/me")) == Path(expected)
