"""A broker inside the process, for the demo: loopback only, anonymous, and MQTT 3.1.1 only (amqtt 0.12.1, 2026-11)."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from functools import partial

from edge.errors import EdgeError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_START_S = 10.0


class EmbeddedBroker:
    """An amqtt broker in a thread with an event loop of its own; a context manager. `port` is known after `start`."""

    def __init__(self) -> None:
        self.port = 0
        self._thread = threading.Thread(target=self._main, name="affect-broker", daemon=True)
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._end: Callable[[], object] | None = None

    def start(self) -> None:
        """Starts on a free port of the loopback.

        Raises:
            EdgeError: amqtt is not installed, or the broker does not come up within ten seconds.
        """
        try:
            import amqtt.broker  # noqa: F401  (an extra; if it is missing, raise in the caller's thread)
        except ImportError as error:
            raise EdgeError("the demo's broker is not installed", fix="run: pip install 'affect-edge[demo]'") from error
        for name in ("amqtt", "transitions"):  # nothing of theirs on the terminal
            logging.getLogger(name).handlers = [logging.NullHandler()]
            logging.getLogger(name).propagate = False
        self._thread.start()
        if not self._ready.wait(_START_S) or self._failure is not None:
            self.stop()
            raise EdgeError(f"the demo's broker did not start: {self._failure or 'no sign of life'}")

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ends the broker within `timeout_s` seconds; may be called twice."""
        if self._end is not None and self._thread.is_alive():
            self._end()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # raised in `start`, or logged
            self._failure = error
            log.debug("the embedded broker ended", exc_info=True)
        self._ready.set()

    async def _serve(self) -> None:
        from amqtt.broker import Broker

        loop, over = asyncio.get_running_loop(), asyncio.Event()
        self._end = partial(loop.call_soon_threadsafe, over.set)
        loop.set_exception_handler(lambda _, context: log.debug("embedded broker: %s", context.get("message")))
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        with socket.socket() as holder:  # bound, not listening: keeps the port free for the broker
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((HOST, 0))
            port = int(holder.getsockname()[1])
            listener = {"type": "tcp", "bind": f"{HOST}:{port}"}
            broker = Broker({"listeners": {"default": listener}, "plugins": plugins})
            await broker.start()
        self.port = port
        self._ready.set()
        await over.wait()
        # Python 3.12 would wait until every client has disconnected.
        await asyncio.wait_for(broker.shutdown(), timeout=3.0)
