import io

import pytest
from msgspec.structs import replace

from edge.contract import Window, decode, encode
from edge.publish.jsonlines import JsonLines
from scripts.mqtt_examples import BUSY, HEALTH, QUIET


def _lines(put, *windows) -> list[str]:
    stream = io.StringIO()
    sink = JsonLines(stream, "00c0ffee")
    for window in windows:
        put(sink, window)
    sink.close()
    assert not stream.closed
    return stream.getvalue().splitlines()


def test_each_window_is_one_line_of_what_mqtt_would_carry(put):
    lines = _lines(put, BUSY, QUIET)
    windows = [decode(line.encode(), Window) for line in lines]
    assert [window.id for window in windows] == ["door/00c0ffee/1", "door/00c0ffee/2"]
    assert [encode(window).rstrip() for window in windows] == [line.encode() for line in lines]
    assert lines == _lines(put, BUSY, QUIET)


def test_a_window_that_is_too_long_leaves_no_half_line_and_uses_no_number(put):
    stream = io.StringIO()
    sink = JsonLines(stream)
    with pytest.raises(ValueError):
        put(sink, replace(BUSY, tags={"zone": "x" * 3000}))
    assert (stream.getvalue(), sink.number()) == ("", ("00000000", 1))


def test_health_is_not_written():
    stream = io.StringIO()
    JsonLines(stream).report(HEALTH)
    assert stream.getvalue() == ""
