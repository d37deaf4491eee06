"""The page's server: a thread beside the device's loop, on loopback only.

The loop hands over what it sees, and takes zones and hours between two frames; it owns both. While nobody looks, that
costs it two comparisons a frame.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.camera import Exclusions
from edge.config import Config, narrowed, overlay_of
from edge.device import Device
from edge.errors import ConfigError, EdgeError
from edge.exclusions import HoursConfig, Overlay, ZoneConfig, read_overlay, write_overlay
from edge.publish.gate import GateError
from edge.values import Look, Tick
from edge.web.access import Access, grant_file
from edge.web.app import AddZone, Change, RemoveZone, RenameZone, SetHours, Viewers, make_app
from edge.web.view import ViewGate, state_of, view_of

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_MOST_ZONES = 32
_MOST_CONNECTIONS = 24
_REQUEST_S = 8.0  # a connection that carries no stream is over by then
_VIEW_NS, _STATE_NS = 190_000_000, 2_000_000_000  # five views a second, and every two seconds the state
_STOP_S = 3.0

Audit = Callable[..., None]  # notes a change: (act, **details), all texts


class Page:
    """Serves the page while it runs; a context manager.

    Args:
        path, given: the configuration's file, and what it says without the page's own zones and hours.
        device, exclusions: the loop's; used in `turn` only.
        audit: notes each change once it is saved.

    Raises:
        ConfigError: the port cannot be had, or what was set on the page cannot be read.
    """

    def __init__(self, path: Path, given: Config, device: Device, exclusions: Exclusions, audit: Audit) -> None:
        self._file, self._given, self._device, self._audit = overlay_of(path, given), given, device, audit
        self._overlay = read_overlay(self._file)
        self._config = narrowed(given, self._overlay)
        self._exclusions, self._gate = exclusions, ViewGate(device.origin)
        self._changing = threading.Lock()
        self._wanted: Config | None = None  # from the server's thread to the loop
        self._next_ns, self._due_ns, self._known = 0, 0, 0  # the next view and state, and how many viewers have had one
        port, self._viewers, self._loop = given.web.port, Viewers(), asyncio.new_event_loop()
        app = make_app(Access(grant_file(self._file.parent), port), self._viewers, self._change)
        self._socket = _listen(port)
        settings = uvicorn.Config(
            app, http=_Bounded, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
            date_header=False, proxy_headers=False, timeout_graceful_shutdown=1, backlog=16,
        )  # fmt: skip
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # a stranger's bad request is no news
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._serve, name="affect-page", daemon=True)

    def __enter__(self) -> Page:
        self._thread.start()
        log.info("page on http://%s:%d/, for whoever has a code of `affect-edge setup`", HOST, self._given.web.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(_STOP_S)
        self._socket.close()

    def turn(self, event: Look | Tick) -> None:
        """Takes what the loop has just seen, and makes changes; the loop calls it between two frames.

        Raises:
            EdgeError: the server has ended by itself.
        """
        if not self._thread.is_alive():
            raise EdgeError("web.port: the server of the page has ended", fix="see the log")
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self._config = wanted
            self._exclusions.change(wanted)
            self._device.health.covered = self._exclusions.transform.covered
            self._device.adopt(wanted)
            self._gate = ViewGate(self._device.origin)
        if self._viewers.count and (isinstance(event, Tick) or event.worked):
            self._tell(event, at_once=wanted is not None)

    def _tell(self, event: Look | Tick, *, at_once: bool) -> None:
        now_ns, come = time.monotonic_ns(), self._viewers.fresh
        config, overlay, state = self._config, self._overlay, None
        if now_ns < self._next_ns and not at_once:
            return
        self._next_ns = now_ns + _VIEW_NS
        captured_ns = event.at_ns if isinstance(event, Tick) else event.captured_ns
        if at_once or now_ns >= self._due_ns or come != self._known:
            self._due_ns, self._known = now_ns + _STATE_NS, come
            own = {zone.name for zone in overlay.zones}
            size_px = (0, 0) if isinstance(event, Tick) else event.size_px
            state = state_of(config, own, self._device.snapshot(), self._device.health.last_window, size_px)
        data = msgspec.json.encode(view_of(event, self._device.clock.utc_ns(captured_ns), state))
        try:
            self._gate.check(data, [*(zone.name for zone in config.zones), *config.hours.open])
        except GateError as error:
            log.error("page: a view was stopped: %s", error)
            return
        asyncio.run_coroutine_threadsafe(self._viewers.tell(data), self._loop)

    def _change(self, wanted: Change) -> None:
        """Saves a change and hands it to the loop; one at a time, in a thread of the server.

        Raises:
            ValueError: it cannot be made, and why.
            OSError: it cannot be saved, so it is not made.
        """
        with self._changing:
            overlay, details = changed(self._overlay, wanted, {zone.name for zone in self._given.zones})
            config = narrowed(self._given, overlay)
            write_overlay(self._file, overlay)
            self._overlay, self._wanted = overlay, config
            self._audit(**details)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[self._socket]))
        self._loop.close()


def changed(overlay: Overlay, wanted: Change, given: Collection[str]) -> tuple[Overlay, dict[str, str]]:
    """The overlay after a change, and what the audit log notes of it; `given` are names of the configuration's zones.

    Raises:
        ValueError: a name is taken or unknown, there are too many zones, or an hour is none.
    """
    zones = {zone.name: zone for zone in overlay.zones}
    if isinstance(wanted, SetHours):
        hours = HoursConfig(open=wanted.open)
        said = ", ".join(wanted.open) or "those of the configuration"
        return msgspec.structs.replace(overlay, hours=hours), {"act": "hours_changed", "by": f"the page: {said}"}
    new_name = wanted.to if isinstance(wanted, RenameZone) else wanted.name
    if not isinstance(wanted, RemoveZone) and (new_name in zones or new_name in given):
        raise ValueError(f"{new_name}: another zone has this name")
    if not isinstance(wanted, AddZone) and wanted.name not in zones:
        raise ValueError(f"{wanted.name}: no zone that was drawn here; those of the configuration stay")
    if isinstance(wanted, AddZone):
        if len(zones) >= _MOST_ZONES:
            raise ValueError(f"at most {_MOST_ZONES} zones")
        zone = ZoneConfig(name=wanted.name, exclude=wanted.corners)
        corners = " ".join(f"{x:g},{y:g}" for x, y in wanted.corners)
        told = {"act": "zones_changed", "by": f"the page: {zone.name} added, {corners}"}
        return _with(overlay, [*zones.values(), zone]), told
    if isinstance(wanted, RemoveZone):
        left = [zone for zone in zones.values() if zone.name != wanted.name]
        return _with(overlay, left), {"act": "zones_changed", "by": f"the page: {wanted.name} removed"}
    zones[wanted.name] = msgspec.structs.replace(zones[wanted.name], name=new_name)
    told = {"act": "names_changed", "by": f"the page: zone {wanted.name} is {new_name}"}
    return _with(overlay, list(zones.values())), told


def _with(overlay: Overlay, zones: list[ZoneConfig]) -> Overlay:
    return msgspec.structs.replace(overlay, zones=zones)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"web.port: {HOST}:{port} cannot be opened ({error.strerror or error})",
            fix="choose another port, or allow this one in the service's unit (SocketBindAllow=)",
        ) from error
    return listener


class _Bounded(H11Protocol):
    """The library's connection, of which there are few at a time, and none that waits for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the library has it
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()
            return
        self.loop.call_later(_REQUEST_S, self._end)

    def _end(self) -> None:
        streams = self.scope is not None and self.scope["path"] == "/events" and not self.cycle.response_complete
        if not streams:
            self.transport.abort()
