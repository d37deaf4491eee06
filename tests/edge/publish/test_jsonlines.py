import io
from dataclasses import replace

import pytest

from edge.publish.example import BUSY, ORIGIN, QUIET
from edge.publish.jsonlines import JsonLines
from edge.publish.message import number_window, window_message
from edge.publish.payload import decode_window
from edge.values import HealthReport


def _lines(*aggregates) -> list[str]:
    stream = io.StringIO()
    sink = JsonLines(stream, ORIGIN, "00000000")
    for aggregate in aggregates:
        sink.publish(aggregate)
    sink.close()
    assert not stream.closed
    return stream.getvalue().splitlines()


def test_each_window_is_one_line_with_a_running_id():
    windows = [decode_window(line.encode()) for line in _lines(BUSY, QUIET)]
    assert [window.id for window in windows] == ["door/00000000/1", "door/00000000/2"]


def test_two_runs_write_the_same_bytes():
    assert _lines(BUSY, QUIET) == _lines(BUSY, QUIET)


def test_a_line_is_what_mqtt_would_carry():
    window = number_window(BUSY, ORIGIN, epoch="00000000", seq=1)
    assert _lines(BUSY)[0].encode() == window_message(window, historical=False).payload


def test_a_broken_aggregate_leaves_no_half_line_and_uses_no_number():
    stream = io.StringIO()
    sink = JsonLines(stream, ORIGIN, "00000000")
    with pytest.raises(ValueError):
        sink.publish(replace(BUSY, scored_s=float("nan")))
    sink.publish(BUSY)
    assert decode_window(stream.getvalue().encode()).seq == 1


def test_health_is_not_written():
    stream = io.StringIO()
    JsonLines(stream, ORIGIN, "00000000").report(
        HealthReport(uptime_s=1, frames={}, rejections={}, faces=0, stage_ms={})
    )
    assert stream.getvalue() == ""
