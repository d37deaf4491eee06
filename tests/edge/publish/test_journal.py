import logging

import pytest

from edge.publish.journal import STABLE_S, Journal
from edge.publish.session import End, Fate

LOST = End(Fate.LOST, "gone")
REFUSED = End(Fate.UNREACHABLE, "Connection refused")


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, logger="edge.publish.journal")
    return lambda: [record.getMessage().removeprefix("broker:1883: ") for record in caplog.records]


@pytest.fixture
def journal() -> Journal:
    return Journal("broker:1883")


def test_a_hundred_failed_tries_are_one_line(journal, lines):
    for _ in range(100):
        journal.ended(REFUSED, greeted=False, lived_s=0.1)
    assert lines() == ["broker unreachable (Connection refused); windows wait in the outbox"]


def test_another_reason_is_another_line(journal, lines):
    journal.ended(REFUSED, greeted=False, lived_s=0.1)
    journal.ended(End(Fate.REJECTED, "Not authorized"), greeted=False, lived_s=0.1)
    assert len(lines()) == 2


def test_a_restart_is_lost_unreachable_connected(journal, lines):
    journal.alive(0.0)
    journal.ended(LOST, greeted=True, lived_s=3600)
    for _ in range(5):
        journal.ended(REFUSED, greeted=False, lived_s=0.1)
    for second in range(100):
        journal.alive(second)
    assert [line.partition(" (")[0] for line in lines()] == [
        "connected",
        "broker connection lost",
        "broker unreachable",
        "connected",
    ]


def test_sessions_that_keep_breaking_are_hinted_at_once_and_then_announced_when_stable(journal, lines):
    for _ in range(50):
        journal.alive(0.0)
        journal.ended(LOST, greeted=True, lived_s=1.0)
    assert len(lines()) == 5
    assert "another device" in lines()[-1]
    journal.alive(STABLE_S + 1)
    assert lines()[5:] == ["connected"]


def test_a_takeover_is_named(journal, lines):
    journal.alive(0.0)
    journal.ended(End(Fate.TAKEN_OVER, "two devices"), greeted=True, lived_s=1.0)
    assert lines()[-1].startswith("another client uses this device's name (two devices)")


def test_refusals_are_one_line_until_they_end(journal, lines):
    for _ in range(10):
        journal.acknowledged("window", 0x87)
        journal.acknowledged("status", 0)
    for _ in range(10):
        journal.acknowledged("window", 0)
    assert lines() == [
        "refuses this device's window (reason 0x87, not authorized: check the broker's access list)",
        "accepts this device's window again",
    ]
