"""A broker inside the process, for the demo: loopback only, anonymous, gone when it stops.

Not for a deployment: it keeps nothing, and knows MQTT 3.1.1 only (amqtt 0.12.1 answers MQTT 5 with "Unsupported
protocol version", checked 2026-11), so it cannot report a refused message.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import Any

from edge.errors import EdgeError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_START_S = 10.0
_TALKATIVE = ("amqtt", "transitions")


class EmbeddedBroker:
    """An amqtt broker in a thread with an event loop of its own; a context manager. `port` is known after `start`."""

    def __init__(self) -> None:
        self.port = 0
        self._thread = threading.Thread(target=self._main, name="affect-broker", daemon=True)
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._silence = logging.NullHandler()
        self._propagated: dict[str, bool] = {}

    def start(self) -> None:
        """Starts on a free port of the loopback.

        Raises:
            EdgeError: amqtt is not installed, or the broker does not come up within ten seconds.
        """
        try:
            import amqtt.broker  # noqa: F401  (an extra: said here, in the caller's thread, if it is missing)
        except ImportError as error:
            raise EdgeError("the demo's broker is not installed", fix="run: pip install 'affect-edge[demo]'") from error
        for name in _TALKATIVE:  # off the terminal while the broker runs
            logger = logging.getLogger(name)
            self._propagated[name], logger.propagate = logger.propagate, False
            logger.addHandler(self._silence)
        self._thread.start()
        if not self._ready.wait(_START_S) or self._failure is not None:
            self.stop()
            raise EdgeError(f"the demo's broker did not start: {self._failure or 'no sign of life'}")

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ends the broker and its thread within `timeout_s` seconds; may be called twice."""
        if self._loop is not None and self._over is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        while self._propagated:
            name, propagate = self._propagated.popitem()
            logging.getLogger(name).propagate = propagate
            logging.getLogger(name).removeHandler(self._silence)

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # told to whoever waits in `start`, or logged
            self._failure = error
            log.debug("the embedded broker ended", exc_info=True)
        self._ready.set()

    async def _serve(self) -> None:
        from amqtt.broker import Broker

        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(_note)
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        with socket.socket() as holder:  # bound and not listening: nobody else gets its port, but the broker does
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((HOST, 0))
            port = int(holder.getsockname()[1])
            listener = {"type": "tcp", "bind": f"{HOST}:{port}"}
            broker = Broker({"listeners": {"default": listener}, "plugins": plugins})
            await broker.start()
        self.port = port
        self._ready.set()
        await self._over.wait()
        # Python 3.12 waits in there until every client has hung up; a client that does not must not hold us.
        await asyncio.wait_for(broker.shutdown(), timeout=3.0)


def _note(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.debug("embedded broker: %s", context.get("message"))
