"""What the outbox owes: numbers, order, limits, refusals. Its file is tested in test_database.py."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge.clock import NS, FileClock, SystemClock
from edge.config import OutboxConfig
from edge.contract import Window, decode, encode, instant, nanoseconds
from edge.publish.outbox import ROW_BYTES, Outbox
from edge.publish.outbox_file import STOPPED
from scripts.mqtt_examples import BUSY, ORIGIN

DAY_NS = 86_400 * NS


@pytest.fixture(params=["disk", "memory"])
def make(request, tmp_path, room_for):
    """Outboxes on disk and in memory, which differ in nothing else."""
    made = []

    def make(capacity: int = 10, epoch: str = "") -> Outbox:
        path = tmp_path / f"{len(made)}.db" if request.param == "disk" else None
        outbox = Outbox(path, OutboxConfig(max_mb=room_for(capacity)), SystemClock(), ORIGIN, epoch=epoch)
        made.append(outbox)
        return outbox

    yield make
    for outbox in made:
        outbox.close()


@pytest.fixture
def filled(make, put):
    def filled(count: int, capacity: int = 10) -> Outbox:
        outbox = make(capacity, epoch="00c0ffee")
        for _ in range(count):
            put(outbox)
        return outbox

    return filled


def seqs(outbox: Outbox, limit: int = 10_000) -> list[int]:
    return [decode(row.message, Window).seq for row in outbox.owed(limit)]


def row_of(outbox: Outbox, seq: int):
    return next(row for row in outbox.owed(10_000) if decode(row.message, Window).seq == seq)


def test_numbers_run_from_one_and_are_used_up_by_a_window_alone(make, put):
    outbox = make(epoch="00c0ffee")
    assert [outbox.number(), outbox.number()] == [("00c0ffee", 1)] * 2
    assert [put(outbox).id for _ in range(2)] == ["door/00c0ffee/1", "door/00c0ffee/2"]
    with pytest.raises(ValueError, match="bytes, more than"):
        outbox.keep(replace(BUSY, tags={"zone": "x" * 3000}), None)
    assert outbox.number() == ("00c0ffee", 3)
    assert make().number()[0] != make().number()[0]


def test_the_newest_window_comes_first_and_what_was_sent_is_left_out(filled):
    outbox = filled(4)
    assert seqs(outbox) == [4, 3, 2, 1]
    assert seqs(outbox, limit=2) == [4, 3]
    assert seqs(outbox, limit=-1) == []
    row_of(outbox, 4).state = "sent"
    assert seqs(outbox) == [3, 2, 1]
    assert outbox.delivery().waiting == 4
    outbox.readmit()
    assert seqs(outbox) == [3, 2, 1]
    outbox.readmit(sent=True)
    assert seqs(outbox) == [4, 3, 2, 1]


def test_a_full_outbox_loses_the_oldest_and_counts_it(filled):
    outbox = filled(13)
    assert seqs(outbox) == list(range(13, 3, -1))
    assert (outbox.delivery().waiting, outbox.delivery().evicted) == (10, 3)


def test_an_acknowledged_window_is_let_go_and_may_be_acknowledged_again(filled):
    outbox = filled(3)
    row = row_of(outbox, 2)
    outbox.ack(row)
    outbox.ack(row)
    outbox.refuse(row, 0x87)
    assert seqs(outbox) == [3, 1]
    assert (outbox.delivery().waiting, outbox.delivery().refused) == (2, 0)


def test_a_late_acknowledgement_never_lets_go_of_a_newer_window(filled, put):
    outbox = filled(1)
    old = row_of(outbox, 1)
    outbox.ack(old)
    put(outbox)
    outbox.ack(old)
    assert seqs(outbox) == [2]


def test_a_refused_window_is_kept_and_offered_again_and_counted_once(filled):
    outbox = filled(2)
    for reason in (0x87, 0x97):
        outbox.refuse(row_of(outbox, 1), reason)
        assert seqs(outbox) == [2]
        assert (outbox.delivery().waiting, outbox.delivery().refused) == (1, 1)
        outbox.readmit()
    assert seqs(outbox) == [2, 1]


def test_a_stopped_window_is_never_offered_again_and_counts_as_lost(filled):
    outbox = filled(2)
    outbox.refuse(row_of(outbox, 1), STOPPED)
    outbox.readmit(sent=True)
    assert seqs(outbox) == [2]
    assert (outbox.delivery().evicted, outbox.delivery().refused) == (1, 0)


def test_many_threads_lose_no_window(make, put):
    outbox, lock = make(10_000), threading.Lock()

    def fill() -> None:
        for _ in range(100):
            with lock:
                put(outbox)
            for row in outbox.owed(1):
                outbox.ack(row)

    threads = [threading.Thread(target=fill) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outbox.number()[1] == 401
    for row in outbox.owed(1000):
        outbox.ack(row)
    assert outbox.delivery() == replace(outbox.delivery(), waiting=0, evicted=0)


class Synced(FileClock):
    """A clock in the hand of a test that can be trusted."""

    def synced(self) -> bool:
        return True


class Booted(FileClock):
    """A clock that nobody has set, in a run of the machine of its own."""

    def __init__(self, boot_id: str, now_ns: int) -> None:
        super().__init__(now_ns=now_ns)
        self.boot_id = boot_id


def test_what_is_too_old_goes_at_the_start_already(tmp_path, put):
    path, end_ns = tmp_path / "outbox.db", nanoseconds(BUSY.end)
    limits = OutboxConfig(max_age_days=7)
    old = replace(BUSY, start=instant(nanoseconds(BUSY.start) - 8 * DAY_NS), end=instant(end_ns - 8 * DAY_NS))
    outbox = Outbox(path, limits, FileClock(now_ns=end_ns), ORIGIN)
    for window in (old, BUSY):
        put(outbox, window)
    assert seqs(outbox) == [2, 1]
    outbox.close()
    outbox = Outbox(path, limits, Synced(now_ns=end_ns), ORIGIN)
    assert (seqs(outbox), outbox.delivery().evicted) == ([2], 1)
    outbox.close()


@pytest.mark.parametrize(
    ("boot", "now_days", "kept"), [("a", 8.5, [1]), ("a", 9.5, []), ("b", 6.9, [1]), ("b", 7.1, [])]
)
def test_without_a_clock_age_is_told_by_the_time_since_the_machine_s_start(tmp_path, put, boot, now_days, kept):
    path, limits = tmp_path / "outbox.db", OutboxConfig(max_age_days=7)
    outbox = Outbox(path, limits, Booted("a", 2 * DAY_NS), ORIGIN)
    put(outbox)
    outbox.close()
    outbox = Outbox(path, limits, Booted(boot, int(now_days * DAY_NS)), ORIGIN)
    assert seqs(outbox) == kept
    outbox.close()


def test_no_number_of_restarts_makes_a_window_younger_where_the_clock_is_never_right(tmp_path, put):
    path, limits, half_ns = tmp_path / "outbox.db", OutboxConfig(max_age_days=3), DAY_NS // 2
    clock = Booted("0", 0)
    outbox = Outbox(path, limits, clock, ORIGIN)
    put(outbox)
    left = {}
    for boot in range(1, 10):  # half a day on, then off
        clock.now_ns = half_ns
        put(outbox)
        outbox.close()
        clock = Booted(str(boot), 0)
        outbox = Outbox(path, limits, clock, ORIGIN)
        left[boot] = min(seqs(outbox))
    outbox.close()
    assert left == {1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 2, 8: 3, 9: 4}


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from(["keep", "ack", "refuse", "stop", "readmit"]), st.integers(0, 9)), max_size=60)
)
def test_no_window_is_ever_lost_without_being_counted(put, room_for, steps):
    outbox = Outbox(None, OutboxConfig(max_mb=5 * (len(encode(BUSY)) + ROW_BYTES + 2) / 1e6), SystemClock(), ORIGIN)
    kept = acked = 0
    for action, place in steps:
        owed = outbox.owed(place + 1)[place:]
        if action == "keep":
            kept = put(outbox).seq
        elif action == "ack":
            acked += len(owed)
            for row in owed:
                outbox.ack(row)
        elif action in ("refuse", "stop"):
            for row in owed:
                outbox.refuse(row, 0x87 if action == "refuse" else STOPPED)
        else:
            outbox.readmit()
        resting = sum(row.state == "refused" and row.refused != STOPPED for row in outbox._rows.values())
        counts = outbox.delivery()
        assert counts.waiting + resting + acked + counts.evicted == kept
        assert len(outbox._rows) <= 5
