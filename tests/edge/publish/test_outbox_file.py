"""The outbox's file against restarts, kills, cut logs, flipped bits, full disks and forbidden places."""

from __future__ import annotations

import logging
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.clock import FileClock, SystemClock
from edge.config import OutboxConfig
from edge.contract import Window, decode
from edge.errors import PublishError
from edge.publish import outbox as outbox_module
from edge.publish.outbox import Outbox
from edge.publish.outbox_file import STOPPED
from scripts.mqtt_examples import ORIGIN

ROOT = Path(__file__).parents[3]
PAGE = 4096
DEFAULTS = OutboxConfig()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


@contextmanager
def opened(path: Path, limits: OutboxConfig = DEFAULTS, origin=ORIGIN) -> Iterator[Outbox]:
    outbox = Outbox(path, limits, SystemClock(), origin)
    try:
        yield outbox
    finally:
        outbox.close()


def windows(outbox: Outbox) -> dict[int, Window]:
    found = [decode(row.message, Window) for row in outbox.owed(10_000)]
    return {window.seq: window for window in found}


def aside(path: Path) -> list[str]:
    return sorted(part.name for part in path.parent.iterdir() if "broken" in part.name)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow beyond a byte: SQLite is told what a full disk tells it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_windows_outlive_a_restart_with_their_ids_and_the_numbers_go_on(path, put):
    with opened(path) as outbox:
        kept = [put(outbox) for _ in range(4)]
        rows = outbox.owed(4)[::-1]
        outbox.ack(rows[1])
        outbox.refuse(rows[2], 0x87)
        outbox.refuse(rows[3], STOPPED)
    with opened(path) as outbox:
        # Another broker may take what one refused.
        assert {one.id for one in windows(outbox).values()} == {kept[0].id, kept[2].id}
        assert put(outbox).id == f"door/{kept[0].epoch}/5"
        counts = outbox.delivery()
        assert (counts.waiting, counts.refused, counts.evicted, counts.interrupted, counts.resets) == (3, 1, 1, 0, 0)
        outbox.refuse(outbox.owed(9)[-2], 0x87)
        assert outbox.delivery().refused == 1  # counted before the restart


def test_texts_of_earlier_runs_are_remembered_while_their_windows_may_be_owed(path, put):
    with opened(path, origin=replace(ORIGIN, site="paris")) as outbox:
        epoch = put(outbox).epoch
    with opened(path) as outbox:
        assert {"paris", "berlin", epoch} <= outbox.words
        assert outbox.owed(1)[0].topic == "affect/v1/paris/door/window"


def test_every_commit_is_on_the_disk_and_the_file_is_its_owner_s_alone(path, put, monkeypatch):
    asked = []

    class Noted(sqlite3.Connection):
        def execute(self, statement, *rest):
            asked.append(statement)
            return super().execute(statement, *rest)

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *values, **named: real(*values, **(named | {"factory": Noted})))
    path.parent.mkdir()
    path.touch(mode=0o644)
    with opened(path) as outbox:
        put(outbox)
        modes = {part.name: oct(part.stat().st_mode & 0o777) for part in path.parent.iterdir()}
        assert modes == {"outbox.db": "0o600", "outbox.db-wal": "0o600"}
    assert {"PRAGMA synchronous = FULL", "PRAGMA journal_mode = WAL", "PRAGMA secure_delete = ON"} <= set(asked)


def test_an_acknowledged_window_can_be_read_in_no_file(path, put):
    with opened(path) as outbox:
        for _ in range(20):
            put(outbox)
        files = list(path.parent.iterdir())
        assert any(b'"schema":"affect/v1/window"' in part.read_bytes() for part in files)
        for row in outbox.owed(20):
            outbox.ack(row)
        for part in path.parent.iterdir():
            assert b'"schema":"affect/v1/window"' not in part.read_bytes(), part


KILLED = """
import sys
from pathlib import Path
from edge.clock import SystemClock
from edge.config import OutboxConfig
from edge.publish.outbox_file import STOPPED
from edge.publish.outbox import Outbox
from msgspec.structs import replace
from scripts.mqtt_examples import BUSY, ORIGIN

outbox = Outbox(Path(sys.argv[1]), OutboxConfig(), SystemClock(), ORIGIN)
while True:
    epoch, seq = outbox.number()
    outbox.keep(replace(BUSY, id=f"door/{epoch}/{seq}", epoch=epoch, seq=seq), None)
    print(seq, flush=True)
"""


def _kill_after(path: Path, lines: int) -> list[str]:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    told = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    return told + [line for line in process.communicate()[0].split("\n") if line]


def test_sigkill_loses_no_window_that_was_kept_and_is_counted(path):
    for kill in range(1, 4):
        last = int(_kill_after(path, 5)[-1])
        with opened(path) as outbox:
            assert sorted(windows(outbox)) == list(range(1, outbox.number()[1]))
            assert outbox.number()[1] > last
            assert (outbox.delivery().interrupted, outbox.delivery().resets) == (kill, 0)


def test_a_second_process_is_told_that_the_file_is_taken(path):
    with opened(path), pytest.raises(PublishError, match=r"outbox\.path: .*in use by another process"):
        Outbox(path, DEFAULTS, SystemClock(), ORIGIN)


@pytest.mark.parametrize("full", [True, False])
def test_a_healthy_file_in_another_journal_mode_is_used_and_not_set_aside(path, put, full):
    with opened(path) as outbox:
        for _ in range(5):
            put(outbox)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    database.close()
    if full:
        with full_disk(), opened(path) as outbox:
            assert outbox.delivery().resets == 0
    with opened(path) as outbox:
        assert aside(path) == []
        assert sorted(windows(outbox)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("before", [0, 3])
def test_a_full_disk_at_the_start_stops_nothing_and_is_told_once(path, put, caplog, before):
    caplog.set_level(logging.INFO, logger="edge.publish")
    if before:
        with opened(path) as outbox:
            for _ in range(before):
                put(outbox)
    else:
        path.parent.mkdir()
    with opened(path) as outbox:
        pass
    if not before:
        path.unlink()
    with full_disk():
        outbox = Outbox(path, DEFAULTS, SystemClock(), ORIGIN)
        for _ in range(4):
            put(outbox)
        sent = outbox.owed(1)[0]
        outbox.ack(sent)
    assert len({decode(row.message, Window).id for row in outbox.owed(99)}) >= 3
    put(outbox)
    assert outbox.delivery().waiting == before + 4
    outbox.close()
    with opened(path) as outbox:
        ids = [decode(row.message, Window).id for row in outbox.owed(99)]
        assert len(set(ids)) == before + 4
        assert outbox.delivery() == replace(outbox.delivery(), evicted=0, resets=0)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2, told
    assert told[0].startswith("outbox: the disk takes nothing (")
    assert told[1] == "outbox: the disk takes windows again"


def test_windows_that_only_memory_holds_have_an_epoch_that_no_later_run_gives_again(path, put):
    with opened(path) as outbox:
        saved = put(outbox)
        with full_disk():
            put(outbox)
            put(outbox)
        in_memory = [decode(row.message, Window).id for row in outbox.owed(2)]
        shutil.copytree(path.parent, path.parent.with_name("power-cut"))
    with opened(path.parent.with_name("power-cut") / path.name) as outbox:
        assert put(outbox).id == f"door/{saved.epoch}/2"
        assert not set(in_memory) & {window.id for window in windows(outbox).values()}


def test_what_memory_alone_held_at_the_end_is_told(path, put, caplog):
    outbox = Outbox(path, DEFAULTS, SystemClock(), ORIGIN)
    with full_disk():
        put(outbox)
        outbox.close()
    assert "in memory alone and are lost: 1" in caplog.records[-1].getMessage()


@pytest.fixture
def killed(path, tmp_path):
    """A file as a power cut leaves it: 30 windows, their log not merged. Gives a function that makes a copy."""
    _kill_after(path, 30)

    def copy(name: str) -> Path:
        shutil.copytree(path.parent, tmp_path / name)
        return tmp_path / name / path.name

    return copy


def test_a_log_cut_at_any_page_gives_the_windows_before_the_cut(killed, put):
    log_bytes = killed("whole").with_name("outbox.db-wal").stat().st_size
    kept = []
    for i, cut in enumerate(range(0, log_bytes, PAGE * 3)):
        path = killed(f"cut-{i}")
        with path.with_name("outbox.db-wal").open("r+b") as log:
            log.truncate(cut)
        with opened(path) as outbox:
            found = sorted(windows(outbox))
            assert found == list(range(1, len(found) + 1))
            assert bool(outbox.delivery().resets) == bool(aside(path))
            put(outbox)
        kept.append(len(found))
    assert kept == sorted(kept)
    assert kept[-1] >= 27


def test_flipped_bytes_cost_the_rows_that_they_hit_and_no_others(killed, put):
    intact = killed("intact")
    with opened(intact) as outbox:
        written = windows(outbox)
    size = intact.stat().st_size  # all of it is merged now
    chance, lost = random.Random(7), []
    for number in range(60):
        path = intact.parent / f"flipped-{number}" / "outbox.db"
        path.parent.mkdir()
        data = bytearray(intact.read_bytes())
        flips = chance.choice([1, 1, 8])
        for place in chance.sample(range(PAGE, size), flips):
            data[place] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        with opened(path) as outbox:
            found = windows(outbox)
            assert all(written[seq] == window for seq, window in found.items())
            assert put(outbox).id not in {window.id for window in found.values()}
            if flips == 1:
                lost.append(len(written) - len(found))
    assert max(lost) <= 8  # the rows of one page, when its own head is hit
    assert sorted(lost)[len(lost) // 2] <= 1


@pytest.mark.parametrize("content", [b"", b"not a database" * 500, b"\0" * 10_000])
def test_what_is_no_database_is_set_aside_or_filled(path, put, content, caplog):
    path.parent.mkdir()
    path.write_bytes(content)
    with opened(path) as outbox:
        assert put(outbox).seq == 1
        assert outbox.delivery().resets == (1 if content else 0)
    assert aside(path) == (["outbox.db.broken"] if content else [])
    assert len([record for record in caplog.records if "set aside" in record.getMessage()]) == len(aside(path))


def test_a_file_of_a_later_release_is_set_aside_not_overwritten(path):
    with opened(path):
        pass
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with opened(path) as outbox:
        assert outbox.delivery().resets == 1


def test_the_latest_broken_file_is_kept_and_not_for_longer_than_windows_are(path, monkeypatch):
    path.parent.mkdir()
    for number in range(2):
        path.write_bytes(b"%d not a database" % number * 500)
        with opened(path):
            pass
        path.unlink()
    assert [path.with_name(name).read_bytes()[:1] for name in aside(path)] == [b"1"]
    old_s = time.time() - 8 * 86_400
    os.utime(path.with_name("outbox.db.broken"), (old_s, old_s))
    monkeypatch.setattr(SystemClock, "synced", lambda _: True)
    with opened(path, OutboxConfig(max_age_days=7)):
        pass
    assert aside(path) == []


def test_what_was_set_aside_goes_without_a_clock_too(path):
    path.parent.mkdir()
    path.write_bytes(b"no database" * 500)
    day_ns, limits = 86_400 * 10**9, OutboxConfig(max_age_days=2)
    for days, left in ((0, 1), (1, 1), (2.1, 0)):  # never switched off, its clock never right
        outbox = Outbox(path, limits, FileClock(now_ns=int((5 + days) * day_ns)), ORIGIN)
        outbox.close()
        assert len(aside(path)) == left


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_a_link_beside_the_file_is_refused_and_leads_nowhere(path, tmp_path, suffix):
    path.parent.mkdir()
    target = tmp_path / "target"
    target.write_text("mine")
    path.with_name(path.name + suffix).symlink_to(target)
    with pytest.raises(PublishError, match=f"{suffix} is a link; remove it"):
        Outbox(path, DEFAULTS, SystemClock(), ORIGIN)
    assert target.read_text() == "mine"


def test_a_file_that_breaks_while_it_is_used_is_replaced_and_loses_nothing(path, put):
    with opened(path) as outbox:
        kept = {put(outbox).seq for _ in range(3)}
        outbox._file._sqlite.execute("CREATE TRIGGER t BEFORE INSERT ON windows BEGIN SELECT RAISE(ABORT, 'no'); END")
        kept.add(put(outbox).seq)
        assert (set(windows(outbox)), outbox.delivery().resets, outbox.delivery().evicted) == (kept, 1, 0)
    with opened(path) as outbox:
        assert set(windows(outbox)) == kept


def test_a_disk_that_cannot_even_set_a_file_aside_leaves_the_device_running(path, put, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "read-only")

    with opened(path) as outbox:
        put(outbox)
        monkeypatch.setattr(outbox_module, "set_aside", refuse)
        outbox._file._sqlite.execute("CREATE TRIGGER t BEFORE INSERT ON windows BEGIN SELECT RAISE(ABORT, 'no'); END")
        put(outbox)
        assert sorted(windows(outbox)) == [1, 2]


@pytest.mark.parametrize("kind", ["folder below a file", "folder", "fifo", "symlink", "symlink to nowhere"])
def test_a_place_that_is_no_file_of_ours_is_refused_and_named(tmp_path, kind):
    path = tmp_path / "outbox.db"
    if kind == "folder below a file":
        path.write_text("")
        path = path / "outbox.db"
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        target = tmp_path / "target"
        path.symlink_to(target)
        if kind == "symlink":
            target.write_text("")
    with pytest.raises(PublishError, match=r"outbox\.path: .*outbox\.db") as caught:
        Outbox(path, DEFAULTS, SystemClock(), ORIGIN)
    assert caught.value.fix
    if kind.startswith("symlink"):
        assert not (tmp_path / "target").exists() or (tmp_path / "target").read_text() == ""


def test_after_close_every_call_is_idle(path, put):
    outbox = Outbox(path, DEFAULTS, SystemClock(), ORIGIN)
    put(outbox)
    row = outbox.owed(1)[0]
    outbox.close()
    outbox.close()
    outbox.ack(row)
    outbox.readmit()
    with opened(path) as again:
        assert len(windows(again)) == 1
