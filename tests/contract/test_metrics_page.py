"""The page names every metric that a device serves, and none that it does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.publish.example import example_health
from edge.publish.prometheus import _Collector

PAGE = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text("utf-8")


def test_the_page_names_every_metric_that_a_device_serves() -> None:
    pytest.importorskip("prometheus_client", reason="needs the `metrics` extra")
    served = {sample.name for family in _Collector(example_health).collect() for sample in family.samples}
    named = {f"affect_edge_{name}" for name in re.findall(r"`(?:affect_edge_|…_)(\w+)`", PAGE)}
    assert named == served
