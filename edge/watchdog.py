"""Tells the service manager over sd_notify that the device is ready, works, and stops.

There is no timer here, so a device that hangs is restarted.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress

_EVERY_S = 1.0


class Watchdog:
    """A context manager. `address` is `NOTIFY_SOCKET`: a path, `@` and an abstract name, or empty for no manager."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self._said_s = float("-inf")

    def ready(self) -> None:
        """The camera is open and the model proven."""
        self._say(b"READY=1")

    def alive(self) -> None:
        """To be called after each frame or tick; sent once a second at most."""
        now_s = time.monotonic()
        if now_s - self._said_s >= _EVERY_S:
            self._said_s = now_s
            self._say(b"WATCHDOG=1")

    def stopping(self) -> None:
        """The run ends in order."""
        self._say(b"STOPPING=1")

    def close(self) -> None:
        """Closes the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Watchdog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, word: bytes) -> None:
        if self._socket is not None:
            with suppress(OSError):  # the device goes on without a manager that listens
                self._socket.sendto(word, self._address)
