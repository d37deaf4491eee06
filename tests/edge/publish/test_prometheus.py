"""Metrics as Prometheus gets them: scraped over HTTP, read with its own parser and judged by its own tool."""

from __future__ import annotations

import builtins
import http.client
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta
from msgspec.structs import replace

from edge import contract
from edge.contract.fields import Count, Total
from edge.errors import ConfigError, EdgeError
from edge.publish.prometheus import HOST, Collector, MetricsServer
from scripts.mqtt_examples import HEALTH

parser = pytest.importorskip("prometheus_client.parser", reason="needs the `metrics` extra")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class FanBoard(contract.Board, frozen=True, kw_only=True):
    """A board of a later release, which tells how fast its fan turns and how often it stood."""

    fan_turn_ms: Annotated[Count | None, Meta(description="Time of one turn of the fan.")] = None
    fan_stops: Annotated[Total, Meta(description="Times the fan stood.")] = 0


class Grown(contract.Health, frozen=True, kw_only=True):
    """Health with that board."""

    board: Annotated[FanBoard, Meta(description="What the board tells about itself.")]


class Told:
    """What the device would say; tests change it between scrapes."""

    health: contract.Health = HEALTH

    def __call__(self) -> contract.Health:
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
    here = {"site": "berlin", "device": "door"}
    return found[(f"affect_edge_{name}", frozenset((here | labels).items()))]


def test_a_scrape_tells_what_the_health_message_tells(server: MetricsServer) -> None:
    found = samples(scrape(server))
    assert at(found, "uptime_seconds") == 86412.3
    assert at(found, "frames_total", kind="seen") == 2592369
    assert at(found, "frames_total", kind="dropped") == 12
    assert at(found, "rejections_total", kind="small") == 300
    assert at(found, "faces") == 1
    assert at(found, "stage_mean_seconds", stage="detect") == 0.00302
    assert at(found, "stage_p50_seconds", stage="detect") == 0.00298
    assert at(found, "stage_p95_seconds", stage="embed") == 0.0022
    assert at(found, "latency_p95_seconds") == 0.0369
    assert at(found, "windows_total", kind="few_people") == 15
    assert at(found, "load_level", level="normal") == 1
    assert at(found, "load_level", level="faces") == 0
    assert at(found, "load_demand") == 0.21
    assert at(found, "clock", clock="synced") == 1
    assert at(found, "board_temperature_celsius") == 58.4
    assert at(found, "board_throttled") == 0
    assert at(found, "board_cpu_hertz") == 2.4e9
    assert at(found, "delivery_connected") == 1
    assert at(found, "delivery_reconnects_total") == 1
    assert at(found, "camera_events_total", kind="gone") == 1
    assert at(found, "model_state", model_state="active") == 1
    assert at(found, "model_state", model_state="rolled_back") == 0
    model = {"model_name": "affect-112", "model_version": "5", "model_sha256": "5e" * 32}
    assert at(found, "build_info", version="0.1.0", commit="95a7b3e", **model) == 1


def test_every_number_of_the_health_message_is_a_metric(server: MetricsServer) -> None:
    """Nothing is forgotten when the message grows: each of its numbers is found again, scaled to base units."""

    def numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from numbers(inner, f"{key}.{name}")
        elif isinstance(value, (int, float)):
            yield key, float(value)

    message = msgspec.json.decode(contract.encode(HEALTH))
    values = samples(scrape(server)).values()
    for key, value in numbers(message):
        if key == ".model.version":  # a label
            continue
        scale = 1e-3 if "_ms" in key else 1e6 if "mhz" in key else 1
        assert any(other == pytest.approx(value * scale) for other in values), key


def test_a_number_that_is_added_to_the_contract_is_a_metric_without_further_code() -> None:
    parts = {name: getattr(HEALTH, name) for name in HEALTH.__struct_fields__}
    health = Grown(**parts | {"board": FanBoard(fan_turn_ms=25, fan_stops=2)})
    families = {family.name: family for family in Collector(lambda: health).collect()}
    turn, stops = families["affect_edge_board_fan_turn_seconds"], families["affect_edge_board_fan_stops"]
    assert (turn.type, turn.documentation) == ("gauge", "Time of one turn of the fan.")
    assert (stops.type, stops.documentation) == ("counter", "Times the fan stood.")
    assert [sample.value for family in (turn, stops) for sample in family.samples] == [0.025, 2]


def test_prometheus_own_linter_finds_nothing(told: Told) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool: apt-get install prometheus")
    nothing = contract.Latency(p50_ms=None, p95_ms=None)
    for health in (HEALTH, replace(HEALTH, board=contract.Board(), latency=nothing, accelerated=False)):
        told.health = health
        with MetricsServer(free_port(), told) as server:
            text = scrape(server)
        judged = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
        assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")


def test_no_two_metrics_have_the_same_help_text(server: MetricsServer) -> None:
    helps = Counter(family.documentation for family in parser.text_string_to_metric_families(scrape(server)))
    assert all(helps), "a metric without a help text"
    assert [text for text, count in helps.items() if count > 1] == []


def test_what_has_not_happened_is_counted_as_0(server: MetricsServer) -> None:
    found = samples(scrape(server))
    assert at(found, "rejections_total", kind="dark") == 0
    assert at(found, "camera_events_total", kind="stalled") == 0
    assert at(found, "delivery_interrupted_total") == 0


def test_a_scrape_is_at_most_a_minute_old_and_never_shows_a_minute_twice(told: Told) -> None:
    times, asked = iter((1000.0, 1000.1, 1030.0, 1059.9, 1060.0)), 0

    def read() -> contract.Health:
        nonlocal asked
        asked += 1
        return told()

    collector = Collector(read, lambda: next(times))
    before = list(collector.collect())
    told.health = replace(HEALTH, delivery=contract.Delivery(connected=False, waiting=7))
    for _ in range(3):
        assert list(collector.collect()) == before
    assert asked == 1
    assert list(collector.collect()) != before
    assert asked == 2


def test_whoever_scrapes_fast_sees_no_faces_come_and_go(server: MetricsServer, told: Told) -> None:
    seen = set()
    for faces in (1, 5, 1, 10):
        told.health = replace(HEALTH, faces=faces)
        seen.add(at(samples(scrape(server)), "faces"))
    assert seen == {1}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("localhost:9464", 200), ("LOCALHOST", 200), ("evil.example", 421),
        ("evil.example:9464", 421),
        ("127.0.0.1.evil.example", 421), ("localhost.evil.example", 421), ("", 421), ("[::1]", 421),
    ],
)  # fmt: skip
def test_a_name_that_was_made_to_lead_here_is_refused(server: MetricsServer, host: str, status: int) -> None:
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    connection.request("GET", "/metrics", headers={"Host": host})
    answer = connection.getresponse()
    assert (answer.status, b"affect_edge" in answer.read()) == (status, status == 200)
    connection.close()


def test_what_the_board_does_not_tell_has_no_sample(server: MetricsServer, told: Told) -> None:
    told.health = replace(HEALTH, board=contract.Board(), latency=contract.Latency(p50_ms=None, p95_ms=None))
    names = {name for name, _ in samples(scrape(server))}
    assert not [name for name in names if "board" in name or "latency" in name]


def test_names_have_their_prefix_and_nothing_is_about_people(server: MetricsServer) -> None:
    text = scrape(server)
    families = list(parser.text_string_to_metric_families(text))
    assert len(families) >= 30
    for family in families:
        assert family.name.startswith("affect_edge_")
        assert family.type in ("counter", "gauge")
        assert all({"site": "berlin", "device": "door"}.items() <= sample.labels.items() for sample in family.samples)
    for word in ("python_info", "valence", "arousal"):
        assert word not in text


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
        with pytest.raises(ConfigError, match=rf"metrics.port: {HOST}:{port} cannot be opened") as caught:
            MetricsServer(port, told)
    assert caught.value.fix.startswith("choose another port")


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


def test_a_server_that_has_ended_is_told(server: MetricsServer) -> None:
    server.check()
    server._server.shutdown()
    server._thread.join(5)
    with pytest.raises(EdgeError, match="the server of the metrics has ended"):
        server.check()


def test_a_client_that_says_nothing_is_hung_up_on_quietly(
    told: Told, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edge.publish.prometheus._SILENCE_S", 0.1)
    with MetricsServer(free_port(), told) as server, socket.create_connection(server.address, timeout=5) as silent:
        assert silent.recv(1) == b""
        assert at(samples(scrape(server)), "faces") == 1
    assert capfd.readouterr().err == ""
