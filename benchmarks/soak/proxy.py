"""The network between device and broker: a TCP relay that can be cut and can fall silent, and that sees PUBACKs.

Owns its thread and event loop. It changes no byte.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from benchmarks.packet_stream import cut_packets
from benchmarks.ports import HOST

_PUBLISH, _PUBACK = 3, 4
_Each = Callable[[int, bytes], None]


class Proxy:
    """Relays connections to a broker.

    Attributes:
        port: where devices connect.
        acknowledged: window ids that a broker has acknowledged with success, and the last time, monotonic seconds.

    Args:
        broker_port: on this machine.
    """

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self.acknowledged: dict[str, float] = {}
        self._cut = False
        self._flows: asyncio.Event
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def cut(self) -> None:
        """Resets every connection, and refuses new ones until `mend`."""
        self._cut = True
        self._loop.call_soon_threadsafe(self._abort)

    def silence(self) -> None:
        """Lets nothing through in either direction until `mend`, which then delivers what was under way."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def mend(self) -> None:
        """All is well again."""
        self._cut = False
        self._loop.call_soon_threadsafe(self._flows.set)

    def close(self) -> None:
        """Ends all connections and the thread."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> int:
        self._flows = asyncio.Event()
        self._flows.set()
        self._server = await asyncio.start_server(self._relay, HOST, 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _shut(self) -> None:
        self._server.close()
        self._abort()
        self._flows.set()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._writers.add(writer)
        try:
            await self._flows.wait()
            if self._cut:
                return
            from_broker, to_broker = await asyncio.open_connection(HOST, self._broker_port)
            ends.add(to_broker)
            self._writers.add(to_broker)
            ears = _Ears(self.acknowledged)
            up = asyncio.ensure_future(self._pump(reader, to_broker, ears.published))
            down = asyncio.ensure_future(self._pump(from_broker, writer, ears.answered))
            try:
                await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        except OSError:  # the broker is down
            pass
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear: _Packets) -> None:
        with suppress(OSError):
            while data := await reader.read(4096):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
                hear.feed(data)


class _Packets:
    """Hands on the packets of one kind in a stream of bytes.

    Args:
        kind: packet type.
        each: called with the first byte and the body.
    """

    def __init__(self, kind: int, each: _Each) -> None:
        self._kind, self._each = kind, each
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        self._bytes += data
        for first, body in cut_packets(self._bytes):
            if first >> 4 == self._kind:
                self._each(first, body)


class _Ears:
    """One connection's publications, by packet id, and what the broker said to them."""

    def __init__(self, acknowledged: dict[str, float]) -> None:
        self._acknowledged = acknowledged
        self._windows: dict[bytes, str] = {}
        self.published = _Packets(_PUBLISH, self._publish)
        self.answered = _Packets(_PUBACK, self._puback)

    def _publish(self, first: int, body: bytes) -> None:
        topic_end = 2 + int.from_bytes(body[:2], "big")
        if first & 0x06 and body[2:topic_end].endswith(b"/window"):
            name = body.partition(b'"id":"')[2].partition(b'"')[0].decode()
            self._windows[body[topic_end : topic_end + 2]] = name

    def _puback(self, _first: int, body: bytes) -> None:
        name = self._windows.pop(body[:2], None)
        if name is not None and (len(body) < 3 or body[2] < 0x80):
            self._acknowledged[name] = time.monotonic()
