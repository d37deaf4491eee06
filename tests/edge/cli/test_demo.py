"""What `affect-edge demo` says at its end."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

from edge.cli.demo import _summary
from edge.health import HealthMonitor


def test_times_of_stages_add_up_to_that_of_a_frame() -> None:
    health = HealthMonitor()
    health.seen, health.worked = 300, 100
    health.stages["detect"].add(200_000_000)
    health.stages["embed"].add(100_000_000)  # in one frame alone: a mean over its own frames would be 100 ms
    device: Any = SimpleNamespace(health=health, camera=SimpleNamespace(skipped=0))
    said = _summary(device, arrived=0, seconds=10)
    assert "30 frames a second" in said
    found = re.search(r"10 frames a second were due, (\S+) ms each: (.*)\.", said)
    assert found
    parts = [float(part.split()[1]) for part in found[2].split(", ")]
    assert float(found[1]) == sum(parts) == 3.0
