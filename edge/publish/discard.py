"""A sink that discards what it is given: for `watch`, which publishes nothing, and for benchmarks."""

from __future__ import annotations

from edge.contract import Delivery, Health, Window


class Discard:
    """A `Sink` without a broker, an outbox or a file."""

    def number(self) -> tuple[str, int]:
        return "00000000", 1

    def publish(self, window: Window, boot_ns: tuple[int, int] | None) -> None:
        """Discards it."""

    def report(self, health: Health) -> None:
        """Discards it."""

    def delivery(self) -> Delivery:
        return Delivery(connected=False, waiting=0, evicted=0, refused=0, reconnects=0, interrupted=0, resets=0)

    def close(self, timeout_s: float = 5.0) -> None:
        """Nothing is open."""
