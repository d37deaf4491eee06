"""Metrics as Prometheus gets them: scraped over HTTP and read with its own parser."""

from __future__ import annotations

import builtins
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.errors import ConfigError
from edge.publish.example import example_health
from edge.publish.machine import HealthPayload
from edge.publish.payload import encode
from edge.publish.prometheus import HOST, MetricsServer

parser = pytest.importorskip("prometheus_client.parser", reason="needs the `metrics` extra")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Told:
    """What the device would say; tests change it between scrapes."""

    def __init__(self) -> None:
        self.health = example_health()

    def __call__(self) -> HealthPayload:
        return self.health


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def server(told: Told) -> Iterator[MetricsServer]:
    with MetricsServer(free_port(), told) as server:
        yield server


def scrape(server: MetricsServer) -> str:
    host, port = server.address
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=5) as answer:
        assert answer.status == 200
        return answer.read().decode()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = parser.text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def at(found: dict[Any, float], name: str, **labels: str) -> float:
    return found[(f"affect_edge_{name}", frozenset(labels.items()))]


def test_a_scrape_tells_what_the_health_message_tells(server: MetricsServer) -> None:
    found = samples(scrape(server))
    assert at(found, "uptime_seconds") == 86412.3
    assert at(found, "frames_total", outcome="seen") == 2592369
    assert at(found, "frames_total", outcome="dropped") == 12
    assert at(found, "rejections_total", reason="small") == 310
    assert at(found, "faces") == 2
    assert at(found, "stage_seconds", stage="detect", quantile="0.5") == 0.00298
    assert at(found, "stage_seconds", stage="embed", quantile="0.95") == 0.0022
    assert at(found, "stage_mean_seconds", stage="detect") == 0.00302
    assert at(found, "latency_seconds", quantile="0.95") == 0.0369
    assert at(found, "windows_total", content="min_visits") == 229
    assert at(found, "windows_suppressed_ratio") == 0.27
    assert at(found, "load_level", level="normal") == 1
    assert at(found, "load_level", level="faces") == 0
    assert at(found, "load_demand_ratio") == 0.21
    assert at(found, "board_temperature_celsius") == 58.4
    assert at(found, "board_throttled") == 0
    assert at(found, "cpu_frequency_hertz") == 2.4e9
    assert at(found, "broker_reconnects_total") == 1
    assert at(found, "camera_events_total", kind="gone") == 1
    assert at(found, "bundle_state", state="confirmed") == 1
    assert at(found, "bundle_state", state="rolled_back") == 0
    bundle = example_health().bundle
    assert bundle
    labels = {"bundle": "affect-112", "bundle_version": "3", "bundle_sha256": bundle.sha256}
    assert at(found, "build_info", version="0.1.0", commit="95a7b3e", **labels) == 1


def test_every_number_of_the_health_message_is_a_metric(server: MetricsServer) -> None:
    """Nothing is forgotten when the message grows: each of its numbers is found again, scaled to base units."""

    def numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from numbers(inner, f"{key}.{name}")
        elif isinstance(value, (int, float)):
            yield key, float(value)

    message = msgspec.json.decode(encode(example_health()))
    values = samples(scrape(server)).values()
    for key, value in numbers(message):
        if key == ".bundle.version":  # a label
            continue
        scale = 1e-3 if "_ms" in key else 1e6 if "mhz" in key else 1
        assert any(other == pytest.approx(value * scale) for other in values), key


def test_a_scrape_is_about_now(server: MetricsServer, told: Told) -> None:
    before = at(samples(scrape(server)), "outbox_windows")
    told.health = msgspec.structs.replace(told.health, outbox=7)
    assert (before, at(samples(scrape(server)), "outbox_windows")) == (0, 7)


def test_what_the_board_does_not_tell_has_no_sample(server: MetricsServer, told: Told) -> None:
    assert told.health.board
    silent = dict.fromkeys(told.health.board.__struct_fields__)
    board = msgspec.structs.replace(told.health.board, **silent)
    told.health = msgspec.structs.replace(told.health, board=board, suppressed_share=None, latency_ms=None)
    names = {name for name, _ in samples(scrape(server))}
    assert not [name for name in names if any(part in name for part in ("board", "cpu", "latency", "suppressed"))]


def test_names_have_their_prefix_their_unit_and_help(server: MetricsServer) -> None:
    families = list(parser.text_string_to_metric_families(scrape(server)))
    assert len(families) >= 20
    for family in families:
        assert family.name.startswith("affect_edge_")
        assert family.documentation
        assert family.type in ("counter", "gauge")
    text = scrape(server)
    assert "python_info" not in text
    assert "valence" not in text
    assert "arousal" not in text


def test_only_the_loopback_is_listened_on(server: MetricsServer) -> None:
    host, port = server.address
    assert host == HOST
    connections = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [columns[1] for columns in connections if columns[3] == "0A"]
    assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]
    # Another address of this very machine finds nobody.
    with socket.socket() as other:
        other.settimeout(1)
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_a_taken_port_is_named_with_the_fix(told: Told) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"metrics.port: {HOST}:{port} cannot be opened .*choose another port"):
            MetricsServer(port, told)


def test_a_missing_package_is_named_with_the_fix(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("prometheus_client"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'affect-edge\[metrics\]'"):
        MetricsServer(free_port(), told)


def test_after_closing_nobody_answers(told: Told) -> None:
    server = MetricsServer(free_port(), told)
    host, port = server.address
    server.close()
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=1)


def test_a_client_that_says_nothing_is_hung_up_on_quietly(
    told: Told, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edge.publish.prometheus._SILENCE_S", 0.1)
    with MetricsServer(free_port(), told) as server, socket.create_connection(server.address, timeout=5) as silent:
        assert silent.recv(1) == b""
        assert at(samples(scrape(server)), "faces") == 2
    assert capfd.readouterr().err == ""
