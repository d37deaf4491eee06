import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import SystemClock
from edge.config import OutboxConfig
from edge.publish.durable import ROW_BYTES, DurableOutbox
from edge.publish.example import BUSY, ORIGIN
from edge.publish.message import number_window
from edge.publish.payload import encode

ROOM_FOR_FIVE = 5 * (len(encode(number_window(BUSY, ORIGIN, epoch="00c0ffee", seq=10))) + ROW_BYTES + 2) / 1e6


@pytest.fixture(params=["disk", "memory"])
def make(request, tmp_path, room_for):
    """Outboxes on disk and in memory, which differ in nothing else."""
    made = []

    def make(capacity: int = 10, epoch: str | None = None) -> DurableOutbox:
        path = tmp_path / f"{len(made)}.db" if request.param == "disk" else None
        outbox = DurableOutbox(path, OutboxConfig(max_mb=room_for(capacity)), SystemClock(), epoch=epoch)
        made.append(outbox)
        return outbox

    yield make
    for outbox in made:
        outbox.close()


@pytest.fixture
def filled(make):
    def filled(count: int, capacity: int = 10) -> DurableOutbox:
        outbox = make(capacity, epoch="00c0ffee")
        for _ in range(count):
            outbox.insert(BUSY, ORIGIN)
        return outbox

    return filled


def _pending(outbox: DurableOutbox, limit: int = 100, sending=()) -> list[int]:
    return [window.seq for window in outbox.pending(limit, sending)]


def test_insert_numbers_from_one_and_names_device_epoch_and_number(make):
    outbox = make(10, epoch="00c0ffee")
    assert [outbox.insert(BUSY, ORIGIN).id for _ in range(2)] == ["door/00c0ffee/1", "door/00c0ffee/2"]


def test_two_outboxes_have_two_epochs(make):
    assert make().epoch != make().epoch


def test_the_newest_window_comes_first(filled):
    assert _pending(filled(4)) == [4, 3, 2, 1]
    assert _pending(filled(4), limit=2) == [4, 3]


def test_what_is_on_its_way_is_left_out(filled):
    assert _pending(filled(4), limit=2, sending={4, 3}) == [2, 1]


def test_nothing_is_offered_when_there_is_no_room(filled):
    assert _pending(filled(4), limit=0) == []


def test_a_full_outbox_loses_the_oldest_and_counts_it(filled):
    outbox = filled(13)
    assert _pending(outbox) == list(range(13, 3, -1))
    assert (outbox.counts().waiting, outbox.counts().evicted) == (10, 3)


def test_an_acknowledged_window_is_let_go_and_may_be_acknowledged_again(filled):
    outbox = filled(3)
    outbox.ack(2)
    outbox.ack(2)
    assert _pending(outbox) == [3, 1]
    assert outbox.counts().waiting == 2


def test_a_refused_window_is_kept_reported_and_not_offered(filled):
    outbox = filled(3)
    outbox.refuse(2, 0x87)
    assert _pending(outbox) == [3, 1]
    assert outbox.refusals() == {2: 0x87}
    assert (outbox.counts().waiting, outbox.counts().refused) == (2, 1)


def test_a_window_refused_twice_is_counted_once(filled):
    outbox = filled(1)
    outbox.refuse(1, 0x87)
    assert outbox.readmit() == 1
    assert _pending(outbox) == [1]
    outbox.refuse(1, 0x97)
    assert outbox.counts().refused == 1


def test_a_refusal_of_a_window_that_is_gone_changes_nothing(filled):
    outbox = filled(11)
    outbox.refuse(1, 0x87)
    assert outbox.counts().refused == 0
    assert outbox.refusals() == {}


def test_refused_windows_count_against_the_bound(filled):
    outbox = filled(10)
    for seq in range(1, 11):
        outbox.refuse(seq, 0x87)
    outbox.insert(BUSY, ORIGIN)
    assert outbox.counts().evicted == 1
    assert len(outbox.refusals()) == 9


def test_a_broken_aggregate_uses_no_number(make):
    outbox = make()
    with pytest.raises(ValueError):
        outbox.insert(replace(BUSY, visits=-1), ORIGIN)
    assert outbox.insert(BUSY, ORIGIN).seq == 1


def test_many_threads_never_share_a_number(make):
    outbox = make(10_000)
    seqs: list[int] = []

    def fill() -> None:
        seqs.extend([outbox.insert(BUSY, ORIGIN).seq for _ in range(200)])

    threads = [threading.Thread(target=fill) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seqs) == list(range(1, 801))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["insert", "ack", "refuse", "readmit"]), st.integers(1, 30)), max_size=60))
def test_no_window_is_ever_lost_without_being_counted(steps):
    with DurableOutbox(None, OutboxConfig(max_mb=ROOM_FOR_FIVE), SystemClock()) as outbox:
        inserted, acked = 0, set()
        for action, seq in steps:
            if action == "insert":
                inserted = outbox.insert(BUSY, ORIGIN).seq
            elif action == "ack":
                if seq in _pending(outbox):
                    acked.add(seq)
                    outbox.ack(seq)
            elif action == "refuse":
                outbox.refuse(seq, 0x87)
            else:
                outbox.readmit()
            counts = outbox.counts()
            assert counts.waiting + len(outbox.refusals()) + len(acked) + counts.evicted == inserted
            assert counts.waiting + len(outbox.refusals()) <= 5
