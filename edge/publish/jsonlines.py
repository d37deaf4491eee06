"""Windows as lines of JSON in a text stream, with the same bytes as over MQTT."""

from __future__ import annotations

from typing import TextIO

from edge.contract import Window, encode
from edge.publish import Discard


class JsonLines(Discard):
    """Writes each window as one line, flushed, and no health. A `Sink`; the caller closes the stream.

    The `epoch` is fixed, so that two replays of one file give the same bytes.
    """

    def __init__(self, stream: TextIO, epoch: str = "00000000") -> None:
        self._stream, self._epoch, self._seq = stream, epoch, 0

    def number(self) -> tuple[str, int]:
        return self._epoch, self._seq + 1

    def publish(self, window: Window, boot_ns: tuple[int, int] | None) -> None:  # noqa: ARG002 - a file's time is final
        self._stream.write(encode(window).decode().rstrip() + "\n")
        self._seq = window.seq
        self._stream.flush()
