"""What the page tells an operator to write, and an analyst to ask, works as written."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from edge import contract
from edge.config import Config
from scripts.mqtt_examples import BUSY, ONLINE, ORIGIN, QUIET

REPO = Path(__file__).parents[3]
PAGE = (REPO / "docs" / "mqtt.md").read_text("utf-8")

REFUSED, NOT_AUTHORIZED = 0x80, 0x87  # reason codes of MQTT 5


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_broker_of_the_page_lets_a_device_write_its_own_topics_and_an_analyst_read(
    advised_broker: Any, send: Any
) -> None:
    port, ca_file = advised_broker.port, advised_broker.ca_file
    for kind, message in (("window", BUSY), ("status", ONLINE)):
        reason = send(port, ORIGIN.topic(kind), contract.encode(message), retain=True, user="door", ca_file=ca_file)
        assert reason < REFUSED
    for user, topic in (
        ("door", "affect/v1/berlin/till/window"),
        ("door", "affect/v1/paris/door/window"),
        ("door", "homeassistant/device/affect_berlin_till/config"),
        ("analyst", ORIGIN.topic("window")),
    ):
        assert send(port, topic, b"{}", user=user, ca_file=ca_file) == NOT_AUTHORIZED
    read = subprocess.run(
        [
            *f"mosquitto_sub -h 127.0.0.1 -p {port} -u analyst -P right -C 1 -W 5".split(),
            *("-t", "affect/v1/+/+/status", "--cafile", ca_file),
        ],
        capture_output=True,
        check=True,
    )
    assert contract.decode(read.stdout, contract.Status) == ONLINE


def test_the_pages_line_in_the_access_list_lets_discovery_pass(advised_broker: Any, send: Any) -> None:
    login = {"user": "door", "ca_file": advised_broker.ca_file}
    topic = "homeassistant/device/affect_berlin_door/config"
    assert send(advised_broker.port, topic, b"{}", retain=True, **login) < REFUSED


def test_the_device_configuration_of_the_page_is_valid() -> None:
    config = msgspec.toml.decode(blocks("toml")[0], type=Config)
    assert config.mqtt.tls


def test_the_subscriber_is_called_with_options_that_it_has() -> None:
    (line,) = [line for block in blocks("sh") for line in block.splitlines() if "subscriber.py" in line]
    source = (REPO / "examples" / "subscriber.py").read_text()
    options = re.findall(r"--[a-z-]+", line)
    assert options
    assert all(f'"{option}"' in source for option in options)


@pytest.fixture
def ask() -> Any:
    """Asks the subscriber's table, with some windows in it, in the words of the page."""
    columns = re.search(r"EXISTS windows\s+(\(.*?\));", (REPO / "examples" / "subscriber.py").read_text(), re.DOTALL)
    assert columns

    def answer(windows: list[contract.Window], words: str) -> list[dict[str, Any]]:
        if sqlite3.sqlite_version_info < (3, 38):
            pytest.skip("needs SQLite 3.38 or later, as the page says")
        (question,) = [block for block in blocks("sql") if words in block]
        with closing(sqlite3.connect(":memory:")) as database:
            database.row_factory = sqlite3.Row
            database.execute(f"CREATE TABLE windows {columns[1]}")
            for window in windows:
                body = contract.encode(window).decode()
                told = json.loads(body)
                hour = (window.start + timedelta(hours=1)).strftime("%Y-%m-%d %H")  # in Berlin, in winter
                row = (*(told[key] for key in ("id", "site", "device", "start", "end")), hour, body)
                database.execute("INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            return [dict(row) for row in database.execute(question)]

    return answer


def later(window: contract.Window, quarters: int, **change: Any) -> contract.Window:
    shift = timedelta(minutes=15 * quarters)
    told = {"id": f"door/9f3c21ab/{500 + quarters}", "start": BUSY.start + shift, "end": BUSY.end + shift}
    return replace(window, **told | change)


def test_the_page_adds_up_an_hour_as_it_says(ask: Any) -> None:
    closed = {"suppressed": "closed", "observed_s": 0.0, "visits": 0, "visits_begun": 0}
    windows = [
        BUSY,
        later(BUSY, 1, people=19, visits_begun=15, valence=contract.Spread(mean=-0.15, std=0.1)),
        later(QUIET, 2),
        later(QUIET, 3, **closed),
        later(BUSY, 3, id="door/9f3c21ab/9", clock="unsynced", visits_begun=1000),
        later(BUSY, 4),
        later(BUSY, 5, model=replace(BUSY.model, version=6), valence=contract.Spread(mean=0.9, std=0.1)),
    ]
    quarter = {"site": "berlin", "visits_begun": 45, "observed_h": pytest.approx(1 / 4)}
    assert ask(windows, "visits_begun") == [
        {
            "site": "berlin",
            "hour": "2026-11-02 12",
            "model": 5,
            "visits_begun": 45 + 15 + 5,
            "valence": pytest.approx((0.22 * 38 - 0.15 * 19) / 57),
            "observed_h": pytest.approx(3 / 4),
        },
        quarter | {"hour": "2026-11-02 13", "model": 5, "valence": pytest.approx(0.22)},
        quarter | {"hour": "2026-11-02 13", "model": 6, "valence": pytest.approx(0.9)},
    ]


def test_the_page_finds_the_time_that_no_window_covers(ask: Any) -> None:
    other = later(BUSY, 30, device="till", id="till/00c0ffee/1")
    windows = [later(BUSY, 0), later(BUSY, 1), other, later(BUSY, 5)]
    assert ask(windows, "LAG") == [
        {"site": "berlin", "device": "door", "gap_from": "2026-11-02T11:30:00Z", "gap_to": "2026-11-02T12:15:00Z"}
    ]
