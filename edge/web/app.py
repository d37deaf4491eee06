"""The page's requests: its few files, one login, a stream of views, and three changes. Everything else is refused.

Each request has to name this device as its host, and a change has to come from the page itself. The token travels in
a header, never in a cookie, so that no other page's request can carry it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from edge.exclusions import Corners
from edge.web.access import Access
from edge.web.view import Name

FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/words.js": ("words.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
MOST_VIEWERS = 2
_MAX_BODY = 8 * 1024
_BODY_S = 3.0
_WRONG_S = 1.0  # before a wrong code is answered

Kind = TypeVar("Kind")


class Login(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The code that `affect-edge setup` printed."""

    code: str


class AddZone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="add"):
    """A place that is not to be looked at from now on."""

    name: Name
    corners: Corners


class RemoveZone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="remove"):
    """Takes away a zone that the page added."""

    name: Name


class RenameZone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="rename"):
    """Names a zone that the page added anew."""

    name: Name
    to: Name


class SetHours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="hours"):
    """Hours within those of the configuration; none: those of the configuration."""

    open: list[str]


Change = AddZone | RemoveZone | RenameZone | SetHours


class RefusedError(Exception):
    """A request that is not answered; `status` says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Viewers:
    """Those who look now, and the newest view, which each gets once; a slow one misses some."""

    def __init__(self) -> None:
        self.count = 0  # also read by the device's loop
        self.fresh = 0  # how many have come
        self._data = b""
        self._number = 0
        self._news = asyncio.Condition()

    async def tell(self, data: bytes) -> None:
        """Hands a view to all."""
        async with self._news:
            self._data, self._number = data, self._number + 1
            self._news.notify_all()

    async def stream(self, admitted: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Views as server-sent events, while the session lasts."""
        self.count += 1
        self.fresh += 1
        try:
            seen = self._number
            while admitted():
                async with self._news:
                    while self._number == seen:
                        await self._news.wait()
                    seen, data = self._number, self._data
                yield b"data: " + data + b"\n\n"
        finally:
            self.count -= 1


def _static(name: str) -> bytes:
    return files(__package__).joinpath("static").joinpath(name).read_bytes()


def make_app(access: Access, viewers: Viewers, change: Callable[[Change], None]) -> Starlette:
    """The application.

    Args:
        access: who may come in.
        viewers: who looks.
        change: makes a change, or raises ValueError or OSError with the reason why it is not made.
    """
    static = {path: _static(name) for path, (name, _) in FILES.items()}

    def guarded(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def guard(request: Request) -> Response:
            try:
                host = request.headers.get("host", "")
                if not access.knows(host):
                    raise RefusedError(421, "not a name of this device")
                if request.method == "POST":
                    _check_origin(request, host)
                response: Response = await answer(request)
            except RefusedError as error:
                response = Response(str(error), error.status, media_type="text/plain")
            except (TimeoutError, asyncio.TimeoutError, ClientDisconnect):
                response = Response("too slow", 408, media_type="text/plain")
            response.headers.update(HEADERS | {"Connection": "close"})
            return response

        return guard

    def admitted(request: Request) -> bool:
        return access.admits(request.headers.get("authorization", "").removeprefix("Bearer "))

    def require_session(request: Request) -> None:
        if not admitted(request):
            raise RefusedError(401, "no code was given, or its half hour is over")

    async def file(request: Request) -> Response:
        path = request.url.path
        return Response(static[path], media_type=FILES[path][1])

    async def enter(request: Request) -> Response:
        token = access.enter((await _body(request, Login)).code)
        if token is None:
            await asyncio.sleep(_WRONG_S)
            raise RefusedError(403, "a wrong code, one that was used, or one that was guessed at too often")
        return Response(msgspec.json.encode({"token": token}), media_type="application/json")

    async def events(request: Request) -> Response:
        require_session(request)
        if viewers.count >= MOST_VIEWERS:
            raise RefusedError(503, "others are looking")
        return StreamingResponse(viewers.stream(lambda: admitted(request)), media_type="text/event-stream")

    async def make_change(request: Request) -> Response:
        require_session(request)
        wanted = await _body(request, Change)
        if not access.may_change():
            raise RefusedError(429, "too many changes in a minute")
        try:
            await asyncio.to_thread(change, wanted)
        except (ValueError, OSError) as error:
            raise RefusedError(409, str(error)) from error
        return Response(b"{}", media_type="application/json")

    routes = [Route(path, guarded(file), methods=["GET"]) for path in FILES]
    routes += [
        Route("/login", guarded(enter), methods=["POST"]),
        Route("/events", guarded(events), methods=["GET"]),
        Route("/change", guarded(make_change), methods=["POST"]),
    ]
    return Starlette(routes=routes)


def _check_origin(request: Request, host: str) -> None:
    """A browser names the page from which it sends; only this one may."""
    if request.headers.get("origin") not in (f"http://{host}", f"https://{host}"):
        raise RefusedError(403, "not from this page")
    if request.headers.get("content-type") != "application/json":
        raise RefusedError(415, "not JSON")


async def _body(request: Request, kind: Any) -> Any:
    """The request's body, which is small and comes soon."""
    if int(request.headers.get("content-length", "0")) > _MAX_BODY:
        raise RefusedError(413, "too large")

    async def read() -> bytes:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > _MAX_BODY:
                raise RefusedError(413, "too large")
        return bytes(data)

    try:
        return msgspec.json.decode(await asyncio.wait_for(read(), _BODY_S), type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RefusedError(400, "not a request of the page") from error
