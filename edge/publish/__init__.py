"""Where messages go: over MQTT to a broker, or as lines into a stream. Each is one of the contract's structs."""

from __future__ import annotations

from typing import Protocol

from edge.contract import Delivery, Health, Window


class Sink(Protocol):
    """Takes what the loop makes. No call waits for a network, and none fails because of one."""

    def number(self) -> tuple[str, int]:
        """Epoch and `seq` that the next window has to carry; used up by `publish` alone."""
        ...

    def publish(self, window: Window, boot_ns: tuple[int, int] | None) -> None:
        """Takes one closed window.

        Args:
            window: with the number that `number` gave.
            boot_ns: its interval in monotonic nanoseconds while the clock is not synchronized, else None.

        Raises:
            ValueError: it is too long to be sent.
            PublishError: nothing is sent any more; let it end the process, so that a new one begins.
        """
        ...

    def report(self, health: Health) -> None:
        """Takes the latest health report; a newer one may replace it before it was sent. Raises as `publish` does."""
        ...

    def delivery(self) -> Delivery:
        """Current counters, for the health report; may be called from any thread."""
        ...

    def close(self, timeout_s: float = 5.0) -> None:
        """Sends what can still be sent within `timeout_s` seconds, then lets go of everything."""
        ...
