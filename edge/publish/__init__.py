"""What leaves the device: aggregated windows, a status and the machine's health, as JSON over MQTT. Nothing else.

Home Assistant, where it is asked for, gets a fixed description of these topics besides.
"""

from __future__ import annotations

from typing import Protocol

from edge.contract import Delivery, Health, Window


class Sink(Protocol):
    """Where closed windows go. No call waits for a network, and none fails because of one."""

    def number(self) -> tuple[str, int]:
        """Epoch and sequence number that the next window gets; not used up until `publish`."""
        ...

    def publish(self, window: Window, boot_ns: tuple[int, int] | None) -> None:
        """Takes one closed window.

        Args:
            window: numbered by `number`.
            boot_ns: its interval in monotonic nanoseconds, where the clock was not synchronized; None where its
                stamps are final.

        Raises:
            ValueError: the window breaks the contract: a defect.
        """
        ...

    def report(self, health: Health) -> None:
        """Takes the latest health report; a newer one may replace it before it was sent."""
        ...

    def delivery(self) -> Delivery:
        """What waits, was lost, was refused, and whether the broker is there."""
        ...

    def close(self, timeout_s: float = 5.0) -> None:
        """Hands over what can still be handed over within `timeout_s` seconds, then lets go."""
        ...
