"""Where the contract's messages go: over MQTT to a broker, as lines into a stream, or nowhere."""

from __future__ import annotations

from typing import Protocol

from edge.contract import Delivery, Health, Origin, Window


class Sink(Protocol):
    """Takes the loop's messages. No call waits for a network or fails because of one."""

    def number(self) -> tuple[str, int]:
        """Epoch and `seq` of the next window; the same until `publish`."""
        ...

    def adopt(self, origin: Origin) -> None:
        """Sends messages of another policy from now on."""
        ...

    def publish(self, window: Window, boot_ns: tuple[int, int] | None) -> None:
        """Takes one closed window.

        Args:
            window: with the number that `number` gave.
            boot_ns: its interval in monotonic nanoseconds while the clock is not synchronized, else None.

        Raises:
            ValueError: it is too long to be sent.
            PublishError: publishing has ended; end the process, so that it is started again.
        """
        ...

    def report(self, health: Health) -> None:
        """Takes a health report; a newer one may replace it before it is sent. Raises as `publish` does."""
        ...

    def delivery(self) -> Delivery:
        """Current counters, for the health report; may be called from any thread."""
        ...

    def close(self, timeout_s: float = 5.0) -> None:
        """Sends what it can within `timeout_s` seconds, then releases everything."""
        ...


class Discard:
    """A `Sink` that discards messages: for `watch` and benchmarks."""

    def number(self) -> tuple[str, int]:
        return "00000000", 1

    def adopt(self, origin: Origin) -> None:
        pass

    def publish(self, window: Window, boot_ns: tuple[int, int] | None) -> None:
        pass

    def report(self, health: Health) -> None:
        pass

    def delivery(self) -> Delivery:
        return Delivery()

    def close(self, timeout_s: float = 5.0) -> None:
        pass
