"""The page of a running service: what it tells, what it changes, and every attack that it refuses."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from itertools import islice
from typing import Any

import msgspec
import pytest

from edge.config import load_config
from edge.publish.gate import GateError
from edge.web.access import grant_file, write_grant
from edge.web.view import Dot, View, ViewGate
from scripts.mqtt_examples import ORIGIN

LEFT = [[0.0, 0.0], [0.4, 0.0], [0.4, 1.0], [0.0, 1.0]]


@pytest.fixture
def token(service: Any) -> str:
    return service.enter()


def states(views: Any, within_s: float = 20.0) -> Any:
    """The views that hold the state, for some seconds."""
    until_s = time.monotonic() + within_s
    for view in views:
        if view["state"]:
            yield view
        assert time.monotonic() < until_s, "no such view in time"


def test_the_page_tells_places_sizes_and_state_and_no_score_of_a_face(service: Any, token: str) -> None:
    with service.views(token) as views:
        first = next(views)
        later = list(islice(views, 10))
    assert first["state"]["health"]["device"] == "device"
    assert [zone["name"] for zone in first["state"]["zones"]] == ["till"]
    assert all(view["dots"] for view in later)
    assert {*later[0]["dots"][0]} == {"x", "y", "size_px", "judgement", "light", "sharpness"}
    assert {dot["judgement"] for view in later for dot in view["dots"]} <= {"scored", "waiting", "turned", "small"}


def test_a_zone_is_in_force_in_the_next_frame_saved_and_kept_over_a_restart(service: Any, token: str) -> None:
    with service.views(token) as views:
        assert any(dot["x"] < 0.3 for dot in next(views)["dots"])
        assert service.change(token, {"type": "add", "name": "desk", "corners": LEFT}) == (200, b"{}")
        for view in states(views):
            if [zone["name"] for zone in view["state"]["zones"]] == ["till", "desk"]:
                break
        assert view["state"]["health"]["covered"] == pytest.approx(0.41, abs=0.011)
        after = [dot["x"] for view in islice(views, 8) for dot in view["dots"]]
        assert after
        assert min(after) > 0.4
    assert [zone.name for zone in loaded(service).zones] == ["till", "desk"]
    assert service.change(token, {"type": "rename", "name": "desk", "to": "Tür „1“"})[0] == 200
    assert [zone.name for zone in loaded(service).zones] == ["till", "Tür „1“"]
    assert service.change(token, {"type": "remove", "name": "Tür „1“"})[0] == 200
    assert [zone.name for zone in loaded(service).zones] == ["till"]


def loaded(service: Any) -> Any:
    """The configuration as a restarted service would read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STATE_DIRECTORY", str(service.folder))
        return load_config(service.config)


def test_the_page_cannot_take_away_or_reuse_what_the_configuration_says(service: Any, token: str) -> None:
    assert service.change(token, {"type": "remove", "name": "till"})[0] == 409
    assert service.change(token, {"type": "rename", "name": "till", "to": "x"})[0] == 409
    assert service.change(token, {"type": "add", "name": "till", "corners": LEFT})[0] == 409


def test_hours_close_the_camera_at_once_and_open_it_again(service: Any, token: str) -> None:
    shut = f"{time.strftime('%a', time.gmtime(time.time() + 3 * 86_400)).lower()} 09:00-09:01"
    with service.views(token) as views:
        assert service.change(token, {"type": "hours", "open": [shut]})[0] == 200
        assert any(view["absent"] == "closed" for view in states(views))
        assert service.change(token, {"type": "hours", "open": []})[0] == 200
        assert any(view["absent"] == "no" for view in states(views))
    assert service.change(token, {"type": "hours", "open": ["always"]})[0] == 409


def test_each_change_is_noted(service: Any, token: str) -> None:
    before = service.log.count("zones_changed: the page: noted added")
    service.change(token, {"type": "add", "name": "noted", "corners": LEFT})
    service.change(token, {"type": "remove", "name": "noted"})
    assert service.log.count("zones_changed: the page: noted added") == before + 1


# Attacks.


def test_nobody_comes_in_without_a_code(service: Any) -> None:
    for method, path in (("GET", "/events"), ("POST", "/change")):
        for header in ("", "Bearer ", "Bearer x"):
            assert service.ask(method, path, {} if method == "POST" else None, Authorization=header)[0] == 401


def test_a_code_works_once(service: Any) -> None:
    code = write_grant(grant_file(service.folder), [])
    assert [service.ask("POST", "/login", {"code": code})[0] for _ in range(2)] == [200, 403]


def test_after_five_wrong_codes_the_right_one_is_void(service: Any) -> None:
    code = write_grant(grant_file(service.folder), [])
    begun_s = time.monotonic()
    for guess in range(5):
        assert service.ask("POST", "/login", {"code": f"AAAAA-AAAA{guess}"})[0] == 403
    assert time.monotonic() - begun_s >= 5
    assert service.ask("POST", "/login", {"code": code})[0] == 403


def test_a_request_from_another_page_changes_nothing(service: Any, token: str) -> None:
    change = {"type": "add", "name": "csrf", "corners": LEFT}
    for origin in ("", "null", "http://evil.example", f"http://localhost:{service.port}.evil.example"):
        assert service.change(token, change, Origin=origin)[0] == 403
    assert service.change(token, change, Content_Type="text/plain")[0] == 415
    assert service.change("", change)[0] == 401  # a browser sends no token by itself: it is in no cookie
    assert "csrf" not in [zone.name for zone in loaded(service).zones]


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:{port}", "localhost", "127.0.0.1:1", "[::1]:{port}"]
)
def test_a_name_that_was_made_to_lead_here_is_refused(service: Any, token: str, host: str) -> None:
    host = host.format(port=service.port)
    assert service.ask("GET", "/", Host=host or "x")[0] == 421
    assert service.ask("GET", "/events", Host=host or "x", Authorization=f"Bearer {token}")[0] == 421


@pytest.mark.parametrize(
    "path",
    ["/../config.toml", "/..%2f..%2fetc/passwd", "//etc/passwd", "/page.html", "/static/page.js", "/%2e%2e/page.toml"],
)
def test_only_the_page_s_own_files_are_served(service: Any, path: str) -> None:
    assert service.ask("GET", path)[0] == 404


def test_a_body_of_10_mb_is_refused_unread(service: Any, token: str) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as attacker:
        head = f"POST /change HTTP/1.1\r\nHost: localhost:{service.port}\r\nOrigin: {service.url}\r\n"
        head += f"Content-Type: application/json\r\nAuthorization: Bearer {token}\r\nContent-Length: 10485760\r\n\r\n"
        attacker.sendall(head.encode())
        assert attacker.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_without_end_is_refused_after_some_kilobytes(service: Any, token: str) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as attacker:
        head = f"POST /change HTTP/1.1\r\nHost: localhost:{service.port}\r\nOrigin: {service.url}\r\n"
        head += f"Content-Type: application/json\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
        attacker.sendall(head.encode())
        with suppress(ConnectionError):
            for _ in range(1024):
                attacker.sendall(b"2800\r\n" + b"[" * 10_240 + b"\r\n")
        with suppress(ConnectionError):
            assert attacker.recv(100).startswith(b"HTTP/1.1 413")
    assert service.process.poll() is None


def test_a_thousand_connections_stop_neither_the_device_nor_the_page(service: Any, token: str) -> None:
    attackers = []
    for _ in range(1000):
        attacker = socket.socket()
        attacker.setblocking(False)
        attacker.connect_ex(("127.0.0.1", service.port))
        attackers.append(attacker)
    try:
        time.sleep(1)
        assert len(psutil_connections(service)) < 60
    finally:
        for attacker in attackers:
            attacker.close()
    with service.views(token) as views:
        frames = next(states(views))["state"]["health"]["frames"]
        assert next(states(views))["state"]["health"]["frames"]["worked"] > frames["worked"]


def test_a_slow_request_is_hung_up_on(service: Any) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as attacker:
        begun_s = time.monotonic()
        attacker.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        assert attacker.recv(10) == b""
        assert 6 < time.monotonic() - begun_s < 12


def psutil_connections(service: Any) -> list[Any]:
    import psutil

    return psutil.Process(service.process.pid).net_connections("inet")


def test_the_policy_of_the_page_allows_nothing_from_elsewhere_and_nothing_inline(service: Any) -> None:
    status, page, headers = service.ask("GET", "/")
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert b"style=" not in page
    assert b"http" not in page


def test_changes_are_limited_to_thirty_a_minute(service: Any) -> None:
    token = service.enter()
    answers = [service.change(token, {"type": "remove", "name": "nothing"})[0] for _ in range(32)]
    assert answers[-1] == 429


# The gate.

VIEW = View(
    at_ms=1, size_px=(640, 480), absent="no",
    dots=[Dot(x=0.5, y=0.25, size_px=80, judgement="scored", light=120, sharpness=0.2)],
)  # fmt: skip


@pytest.mark.parametrize(
    "planted",
    [
        {"dots": [{**msgspec.to_builtins(VIEW.dots[0]), "x": 0.123456789}]},
        {"dots": [{**msgspec.to_builtins(VIEW.dots[0]), "valence": 0.5}]},
        {"dots": [msgspec.to_builtins(VIEW.dots[0])] * 65},
        {"absent": "/9j/4AAQSkZJRgABAQ"},
        {"picture": "/9j/4AAQSkZJRgABAQ"},
    ],
)
def test_the_gate_stops_a_view_with_more_than_the_page_may_know(planted: dict[str, Any]) -> None:
    gate = ViewGate(ORIGIN)
    assert gate.check(msgspec.json.encode(VIEW), ()) == VIEW
    with pytest.raises(GateError):
        gate.check(json.dumps(msgspec.to_builtins(VIEW) | planted, separators=(",", ":")).encode(), ())
