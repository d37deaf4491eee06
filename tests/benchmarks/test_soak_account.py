"""The account of a soak finds what it has to find: windows that vanish, change, differ or overlap."""

from __future__ import annotations

import sqlite3
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from benchmarks.soak.account import Arrival, longest_pause_s, settle
from benchmarks.soak.broker import Broker, Subscriber
from benchmarks.soak.journal import Closed, JournalingOutbox, content_of, read_journal
from benchmarks.soak.proxy import Proxy
from edge.clock import SystemClock
from edge.config import Config, MqttConfig, OutboxConfig
from edge.contract import Window, encode
from edge.publish.mqtt import MqttPublisher
from scripts.mqtt_examples import BUSY, ORIGIN

EPOCH = "00c0ffee"


def window(seq: int, *, epoch: str = EPOCH, shift_s: float | None = None, lasts_s: float = 60, **changes) -> Window:
    start = BUSY.start + timedelta(seconds=60 * seq if shift_s is None else shift_s)
    told = {"id": f"{ORIGIN.device}/{epoch}/{seq}", "epoch": epoch, "seq": seq, "start": start}
    return replace(BUSY, **told | {"end": start + timedelta(seconds=lasts_s)} | changes)


def closed(*windows: Window, run: int = 1) -> list[Closed]:
    return [Closed(id=one.id, run=run, content=content_of(one)) for one in windows]


def arrival(one: Window) -> Arrival:
    return Arrival(ORIGIN.topic("window"), encode(one))


def test_nothing_is_lost_when_all_that_was_closed_arrived():
    windows = [window(seq) for seq in (1, 2, 3)]
    account = settle(closed(*windows), [arrival(one) for one in windows])
    assert (account.closed, account.arrived, account.repeats) == (3, 3, 0)
    assert [account.lost, account.differing, account.altered, account.overlaps, account.unjournaled] == [[]] * 5


def keep_three(outbox: JournalingOutbox) -> None:
    for minute in range(3):
        epoch, seq = outbox.number()
        outbox.keep(window(seq, epoch=epoch, shift_s=60 * minute), None)


def test_a_row_dropped_from_the_outbox_is_found(tmp_path: Path):
    path, journal = tmp_path / "outbox.db", tmp_path / "journal"
    outbox = JournalingOutbox(path, OutboxConfig(), SystemClock(), ORIGIN, journal=journal)
    keep_three(outbox)
    outbox.close()
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM windows WHERE key = 3")
    database.close()
    outbox = JournalingOutbox(path, OutboxConfig(), SystemClock(), ORIGIN, journal=journal)
    sent = [Arrival(row.topic, row.message) for row in outbox.owed(10)]
    epoch, _ = outbox.number()
    outbox.close()
    assert settle(read_journal(journal), sent).lost == [f"{ORIGIN.device}/{epoch}/2"]


def test_a_window_that_only_its_number_tells_of_is_found():
    account = settle(closed(window(1), window(3)), [arrival(window(1)), arrival(window(3))])
    assert account.lost == [window(2).id]
    assert account.closed == 3


def test_a_message_that_was_acknowledged_and_thrown_away_is_found(tmp_path: Path, broker: Broker):
    class Careless(Subscriber):
        def _keep(self, message) -> None:
            if b'"seq":3' not in message.payload:
                super()._keep(message)

    proxy = Proxy(broker.port)
    subscriber = Careless(broker.port)
    journal = tmp_path / "journal"
    outbox = JournalingOutbox(tmp_path / "outbox.db", OutboxConfig(), SystemClock(), ORIGIN, journal=journal)
    settings = MqttConfig(host="127.0.0.1", port=proxy.port, backoff_max_s=1, bytes_per_minute=65536)
    config = Config(mqtt=settings, outbox=OutboxConfig(backlog_per_minute=60_000))
    publisher = MqttPublisher(config, ORIGIN, outbox, SystemClock())
    try:
        until(subscriber._client.is_connected)
        publisher.start()
        for minute in range(5):
            epoch, seq = publisher.number()
            publisher.publish(window(seq, epoch=epoch, shift_s=60 * minute), None)
        until(lambda: len(subscriber.arrivals) >= 4 and publisher.delivery().waiting == 0)
        until(lambda: len(proxy.acknowledged) == 5)
        account = settle(read_journal(journal), subscriber.arrivals, acknowledged=proxy.acknowledged)
        assert account.lost == [f"{ORIGIN.device}/{epoch}/3"]
        assert account.lost_by_broker == []
    finally:
        publisher.close(1)
        subscriber.close()
        proxy.close()


@pytest.mark.parametrize(("killed_after_s", "excused"), [(1.0, True), (-0.1, False), (5.0, False)])
def test_only_a_broker_killed_just_after_its_word_is_blamed(killed_after_s: float, excused: bool):
    account = settle(
        closed(window(1)), [], acknowledged={window(1).id: 100.0}, broker_killed_s=[100.0 + killed_after_s]
    )
    assert account.lost == [window(1).id]
    assert bool(account.lost_by_broker) is excused


def test_a_loss_that_no_broker_acknowledged_is_the_device_s():
    account = settle(closed(window(1)), [], broker_killed_s=[1.0])
    assert account.lost
    assert not account.lost_by_broker


def test_a_repeat_may_differ_in_nothing():
    one = window(1)
    fine = settle(closed(one), [arrival(one), arrival(one)])
    assert (fine.repeats, fine.differing) == (1, [])
    other = replace(one, visits=one.visits + 1)
    assert settle(closed(one), [arrival(one), arrival(other)]).differing == [one.id]
    moved = replace(one, clock="unsynced")
    assert settle(closed(one), [arrival(one), arrival(moved)]).differing == [one.id]


def test_a_window_that_arrives_with_other_numbers_than_it_closed_with_is_found():
    one = window(1)
    account = settle(closed(one), [arrival(replace(one, peak_simultaneous=9))])
    assert account.altered == [one.id]


def test_a_window_that_a_kill_kept_from_the_journal_counts_as_closed():
    account = settle(closed(window(1)), [arrival(window(1)), arrival(window(2))])
    assert (account.closed, account.lost, account.unjournaled) == (2, [], [window(2).id])


def test_synchronized_windows_that_overlap_are_found():
    one, other = window(1, shift_s=0), window(2, shift_s=30)
    sent = [arrival(one), arrival(other)]
    assert settle(closed(one, other), sent).overlaps
    assert settle([*closed(one), *closed(other, run=2)], sent).overlaps_across


def test_a_long_window_hides_no_overlap_behind_a_short_one():
    long, short, late = window(1, shift_s=0), window(2, shift_s=10), window(3, shift_s=50)
    short = replace(short, end=short.start.replace(second=20))
    found = settle(closed(long, short, late), [arrival(long), arrival(short), arrival(late)])
    assert len(found.overlaps) == 2


def test_two_parts_of_one_interval_and_doubted_windows_may_overlap():
    parts = [window(seq, shift_s=0, partial=True) for seq in (1, 2)]
    doubted = window(3, shift_s=10, clock="unsynced")
    account = settle(closed(*parts, doubted), [arrival(one) for one in (*parts, doubted)])
    assert not account.overlaps


def test_an_id_given_twice_is_an_error():
    with pytest.raises(ValueError, match="two windows"):
        settle(closed(window(1), window(1)), [])


def test_a_journal_s_last_line_may_be_cut_short(tmp_path: Path):
    path = tmp_path / "journal"
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in closed(window(1), window(2)))
    path.write_bytes(lines[:-9])
    assert [one.id for one in read_journal(path)] == [window(1).id]


def test_a_device_that_closes_no_window_for_a_while_is_seen():
    line = [Closed(id=str(seq), run=1, content="", at_s=at_s) for seq, at_s in enumerate((10, 20, 65, 75))]
    assert longest_pause_s(line) == 45
    assert longest_pause_s(line[:1]) == 0


def until(condition, timeout_s: float = 10.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.01)
