"""What several tests of the device share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from edge.contract import Health, Window

if TYPE_CHECKING:
    from edge.cli.doctor.finding import Finding


class Collected:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.reports: list[Health] = []

    def publish(self, window: Window, boot_ns: tuple[int, int] | None = None) -> None:
        self.windows.append(window)

    def report(self, health: Health) -> None:
        self.reports.append(health)

    def close(self, timeout_s: float = 5.0) -> None:
        pass


@pytest.fixture(scope="session")
def new_sink() -> type[Collected]:
    """Makes sinks that keep what they are given, in `windows` and `reports`."""
    return Collected


@pytest.fixture(scope="session")
def found():
    """Finds the one finding of a check, whose words are one line each."""

    def find(findings: Sequence[Finding], check: str) -> Finding:
        (finding,) = [one for one in findings if one.check == check]
        assert "\n" not in finding.said + finding.fix
        return finding

    return find
