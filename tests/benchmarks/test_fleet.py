"""The simulated fleet: its packets are MQTT, its counts are right, and it survives a broker that restarts."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fleet.packets import CONNACK, PUBACK, Message, publish, reason, take_packets
from benchmarks.fleet.report import FleetLoad
from benchmarks.fleet.run import _most_in_a_second, _nth, run_fleet
from edge.errors import ConfigError


@given(st.binary(max_size=40_000), st.lists(st.integers(1, 5000), max_size=20))
def test_a_packet_is_taken_whole_however_its_bytes_arrive(payload, cuts):
    message = Message(topic="affect/v1/a/b/window", payload=payload, qos=1)
    stream = publish(message, 7) + b"\x40\x02\x00\x07"
    data, found, begin = bytearray(), [], 0
    for cut in sorted({*(c for c in cuts if c < len(stream)), len(stream)}):
        data += stream[begin:cut]
        found += take_packets(data)
        begin = cut
    assert [kind for kind, _ in found] == [3, PUBACK]
    topic = message.topic.encode()
    assert found[0][1] == len(topic).to_bytes(2, "big") + topic + b"\0\7\0" + payload
    assert not data


def test_reasons_are_read_where_mqtt_5_puts_them():
    assert reason(PUBACK, b"\0\7") == 0
    assert reason(PUBACK, b"\0\7\x87\0") == 0x87
    assert reason(CONNACK, b"\0\x87\0") == 0x87


def test_the_moment_of_those_who_never_came_is_not_told():
    assert _nth([0.5, 1.0], 2) == 1.0
    assert _nth([0.5, 1.0], 3) is None


def test_the_fullest_second_is_found_wherever_it_begins():
    assert _most_in_a_second([5.9, 0.0, 6.1, 6.5, 6.8, 9.0]) == 4
    assert _most_in_a_second([]) == 0


@pytest.mark.needs("mosquitto", "mosquitto_sub")
def test_every_window_is_acknowledged_and_heard_and_all_come_back(tmp_path):
    load = run_fleet(
        30, 2 / 60, tmp_path, window_s=1, saved=True, windows="staggered", storm_s=60, say=lambda words: None
    )
    assert load.windows_sent == load.windows_acked == load.windows_heard_distinct == 60
    assert (load.windows_refused, load.windows_unanswered) == (0, 0)
    assert 0 < load.ack_p50_ms <= load.ack_p99_ms <= load.ack_max_ms
    assert 15 <= load.most_windows_in_a_second <= 60
    assert load.storm_back == 30
    assert load.storm_all_s is not None
    assert load.broker_rss_mb_connected > load.broker_rss_mb_empty
    assert msgspec.json.decode(msgspec.json.encode(load), type=FleetLoad) == load


def test_more_devices_than_descriptors_are_refused_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda kind: (1000, 1000))
    with pytest.raises(ConfigError, match=r"--devices 900: needs 1100 descriptors.*ulimit"):
        run_fleet(900, 1, tmp_path, window_s=60, saved=False, windows="together", storm_s=0, say=lambda words: None)


def test_help_has_an_example():
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks", "fleet", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "Example" in said
