"""What leaves the device: aggregated windows, a status and the machine's health, as JSON over MQTT. Nothing else.

Home Assistant, where it is asked for, gets a fixed description of these topics besides.
"""

from __future__ import annotations

from typing import Protocol

from edge.values import HealthReport, WindowAggregate


class Sink(Protocol):
    """Where closed windows go. No call waits for a network, and none fails because of one."""

    def publish(self, aggregate: WindowAggregate) -> None:
        """Takes one closed window.

        Raises:
            ValueError: the aggregate breaks the contract (a number that is none, a share above 1): a defect.
        """
        ...

    def report(self, health: HealthReport) -> None:
        """Takes the latest health report; a newer one may replace it before it was sent.

        Raises:
            ValueError: the report breaks the contract: a defect.
        """
        ...

    def close(self, timeout_s: float = 5.0) -> None:
        """Hands over what can still be handed over within `timeout_s` seconds, then lets go."""
        ...
