"""What the service manager is told over sd_notify: that the device is ready, that it lives, that it stops.

Owns the socket. Whoever calls `alive` has just done something; there is no timer here, so a device that hangs is
restarted. Nothing but three fixed words is ever sent.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import suppress

log = logging.getLogger(__name__)

_EVERY_S = 1.0


class Watchdog:
    """Tells the service manager; silent where there is none.

    Args:
        address: `NOTIFY_SOCKET`: a path, or `@` and an abstract name; empty without a service manager.
    """

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self._lock = threading.Lock()
        self._said_s = float("-inf")

    def ready(self) -> None:
        """The camera is open and the model proven."""
        self._say(b"READY=1")

    def alive(self) -> None:
        """A frame was worked on, or a try to open the camera came to its end; said once a second at most."""
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._said_s < _EVERY_S:
                return
            self._said_s = now_s
        self._say(b"WATCHDOG=1")

    def stopping(self) -> None:
        """The run ends in order."""
        self._say(b"STOPPING=1")

    def close(self) -> None:
        """Lets go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _say(self, word: bytes) -> None:
        if self._socket is not None:
            with suppress(OSError):  # a manager that does not listen has its reasons; the device goes on
                self._socket.sendto(word, self._address)
