"""Windows of a small chain of shops, and a PostgreSQL that lives as long as the tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random

import pytest
from msgspec.structs import replace

from analytics.table import Row, row
from benchmarks.postgres import PostgreSQL
from edge.contract import Spread, Window
from scripts.mqtt_examples import BUSY, QUIET


def chain(days: int = 9, devices: int = 4) -> list[Window]:
    """Windows of 2 sites by the hour: some without scores, some lost, one device without a synchronized clock."""
    random, made = Random(1), []
    for number in range(devices):
        for seq in range(1, 24 * days + 1):
            if random.random() < 0.03:
                continue
            window = QUIET if random.random() < 0.3 else BUSY
            start = BUSY.start + timedelta(hours=seq)
            window = replace(
                window, id=f"cam-{number}/0000000{number}/{seq}", epoch=f"0000000{number}", seq=seq,
                site=f"store-{number % 2}", device=f"cam-{number}", start=start, end=start + timedelta(minutes=15),
                tags={"zone": random.choice(["door", 'till "2" é'])} if number else {},
                clock="unsynced" if number == 3 else "synced", observed_s=round(random.uniform(450, 900), 1),
            )  # fmt: skip
            if window.valence is not None:
                spread = Spread(mean=round(random.gauss(0.1, 0.1), 2), std=0.2)
                window = replace(window, people=random.randint(10, 60), valence=spread)
            made.append(window)
    return made


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    return [row(window) for window in chain()]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server
