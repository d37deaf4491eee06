"""A real broker for what soaks are made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.soak.broker import Broker


@pytest.fixture
def broker(tmp_path: Path, needs_mosquitto: str) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker")
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
