"""Windows as lines of JSON in a text stream, with the same bytes and ids as over MQTT."""

from __future__ import annotations

from typing import TextIO

from edge.publish.message import Origin, number_window, window_message
from edge.values import HealthReport, WindowAggregate


class JsonLines:
    """Writes each window as one line. A `Sink`. The stream stays its caller's.

    Args:
        stream: where to; flushed after every line.
        origin: who sends.
        epoch: eight hexadecimal digits; not random here, so that two replays of one file give the same bytes.
    """

    def __init__(self, stream: TextIO, origin: Origin, epoch: str) -> None:
        self._stream = stream
        self._origin = origin
        self._epoch = epoch
        self._seq = 0

    def publish(self, aggregate: WindowAggregate) -> None:
        """Writes one window; never `historical`, since it is written as it closes.

        Raises:
            ValueError: the aggregate breaks the contract.
        """
        window = number_window(aggregate, self._origin, epoch=self._epoch, seq=self._seq + 1)
        line = window_message(window, historical=False).payload.decode("utf-8")
        self._seq = window.seq
        self._stream.write(line + "\n")
        self._stream.flush()

    def report(self, health: HealthReport) -> None:
        """Nothing: health has the machine's own times in it, which would make two replays differ."""

    def close(self, timeout_s: float = 5.0) -> None:
        """Nothing is held back, so nothing is left to do."""
