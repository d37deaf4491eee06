"""The health message as Prometheus metrics, over HTTP on this machine's loopback and nowhere else.

Owns the server. What it shows is the payload that goes out over MQTT, asked for anew at each scrape: numbers about the
machine, none about a person. The package `prometheus_client` is the extra `metrics`, imported only here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, cast, get_args

from edge.errors import ConfigError
from edge.publish.machine import BundleState, HealthPayload, Level, Stages

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_STOP_S = 3.0
_SILENCE_S = 5.0  # a client that says nothing for so long is hung up on: each holds a thread


class MetricsServer:
    """Answers scrapes while it runs; usable as a context manager.

    Args:
        port: on 127.0.0.1.
        read: gives the health payload of now; called by the server's own threads.

    Raises:
        ConfigError: `prometheus_client` is not installed, or the port cannot be had.
    """

    def __init__(self, port: int, read: Callable[[], HealthPayload]) -> None:
        try:
            from prometheus_client import CollectorRegistry, start_http_server
        except ImportError:
            raise ConfigError(
                "metrics.port: needs a package that is not installed; run: pip install 'affect-edge[metrics]'"
            ) from None
        registry = CollectorRegistry()  # its own: the default one would add the process's and the interpreter's
        registry.register(_Collector(read))
        try:
            self._server, self._thread = start_http_server(port, addr=HOST, registry=registry)
        except OSError as error:
            raise ConfigError(
                f"metrics.port: {HOST}:{port} cannot be opened ({error.strerror or error}); choose another port, or "
                "allow this one in the service's unit (SocketBindAllow=)"
            ) from error
        self._server.RequestHandlerClass = _impatient(self._server.RequestHandlerClass)
        log.info("metrics on http://%s:%d/metrics, for this machine only", HOST, port)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def close(self) -> None:
        """Stops answering; may be called twice."""
        self._server.shutdown()
        self._server.server_close()
        thread: threading.Thread = self._thread
        thread.join(_STOP_S)

    def __enter__(self) -> MetricsServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _impatient(handler: Any) -> Any:
    """The library's request handler, which would wait for ever for a request."""

    class Impatient(handler):  # type: ignore[misc]  # a class known at run time only
        timeout = _SILENCE_S

        def handle(self) -> None:
            with suppress(TimeoutError, ConnectionError):  # their end of it; nothing to report
                super().handle()

    return Impatient


class _Collector:
    """Turns a health payload into metric families at each scrape."""

    def __init__(self, read: Callable[[], HealthPayload]) -> None:
        self._read = read

    def describe(self) -> list[Any]:
        """Nothing: registering must not read the health of a device that has not begun."""
        return []

    def collect(self) -> Iterator[Any]:
        """The families of now; a value that the device does not know has no sample."""
        health = self._read()
        yield from _machine(health)
        yield from _work(health)
        yield from _delivery(health)


def _machine(health: HealthPayload) -> Iterator[Any]:
    from prometheus_client.core import InfoMetricFamily

    bundle = health.bundle or None
    labels = {"version": health.version or "", "commit": health.commit or ""}
    if bundle is not None:
        labels |= {"bundle": bundle.name, "bundle_version": str(bundle.version), "bundle_sha256": bundle.sha256}
    yield InfoMetricFamily("affect_edge_build", "Release and model bundle in use.", labels)
    if health.bundle_state:
        reason = _family("bundle_state", "1 for why this bundle runs; see docs/updates.md.", ("state",))
        for name in get_args(BundleState):
            reason.add_metric((name,), float(name == health.bundle_state))
        yield reason
    yield _gauge("uptime_seconds", "Since the run started.", health.uptime_s)
    yield _gauge("clock_synced", "Whether the clock is known to be right.", health.clock == "synced")
    accelerated = health.accelerated if isinstance(health.accelerated, bool) else None
    yield _gauge("accelerated", "The configured accelerator computes; 0: the CPU instead.", accelerated)
    board = health.board or None
    if board is None:
        return
    yield _gauge("board_temperature_celsius", "Hottest part of the board.", board.temperature_c)
    yield _gauge("board_throttled", "The processor is held below its full speed now.", board.throttled)
    yield _gauge(
        "board_throttled_since_boot", "It was at some time since the board started.", board.throttled_since_boot
    )
    yield _gauge("board_under_voltage", "The power supply is too weak now.", board.under_voltage)
    for name, mhz in (("cpu_frequency_hertz", board.cpu_mhz), ("cpu_frequency_max_hertz", board.cpu_max_mhz)):
        yield _gauge(name, "Clock of the fastest core.", None if mhz is None else mhz * 1e6)


def _work(health: HealthPayload) -> Iterator[Any]:
    yield _counter("frames", "Frames by outcome.", "outcome", health.frames)
    yield _counter("rejections", "Looks at a face that gave no score, by reason.", "reason", health.rejections)
    yield _counter("camera_events", "What a live camera went through.", "kind", health.camera or {})
    yield _gauge("faces", "Faces in view. Not visits.", health.faces)
    mean = _family("stage_mean_seconds", "Mean time a frame spent in a stage since the run started.", ("stage",))
    for stage, ms in _times(health.stage_ms):
        mean.add_metric((stage,), _seconds(ms))
    yield mean
    lately = _family("stage_seconds", "Time a frame spent in a stage, of the last 2,048 frames.", ("stage", "quantile"))
    for quantile, stages in (("0.5", health.stage_p50_ms), ("0.95", health.stage_p95_ms)):
        for stage, ms in _times(stages or {}):
            lately.add_metric((stage, quantile), _seconds(ms))
    yield lately
    latency = _family("latency_seconds", "From a frame's capture to its scores, lately.", ("quantile",))
    if health.latency_ms:
        latency.add_metric(("0.5",), _seconds(health.latency_ms.p50))
        latency.add_metric(("0.95",), _seconds(health.latency_ms.p95))
    yield latency
    if health.load:
        level = _family("load_level", "1 for what an overload costs now; see docs/overload.md.", ("level",))
        for name in get_args(Level):
            level.add_metric((name,), float(name == health.load.level))
        yield level
        yield _gauge(
            "load_demand_ratio", "Time that all faces at every step need, of the time there is.", health.load.demand
        )
        yield _counter("steps_skipped", "Face-steps that were due and found no time.", "", {"": health.load.skipped})


def _delivery(health: HealthPayload) -> Iterator[Any]:
    yield _counter("windows", "Windows closed, by what they say.", "content", health.windows or {})
    share = health.suppressed_share
    yield _gauge(
        "windows_suppressed_ratio",
        "Share without scores because of too few visits.",
        share if isinstance(share, (int, float)) else None,
    )
    yield _gauge("outbox_windows", "Windows waiting for the broker.", health.outbox)
    for name, help_text, count in (
        ("windows_evicted", "Windows lost because the outbox was full or they were too old.", health.evicted),
        ("windows_refused", "Windows that the broker refused.", health.refused),
        ("broker_reconnects", "Times the broker session was made anew.", health.reconnects),
        ("runs_interrupted", "Runs that were killed or lost power.", health.interrupted or 0),
        ("outbox_resets", "Broken outbox databases set aside.", health.resets or 0),
    ):
        yield _counter(name, help_text, "", {"": count})


def _times(stages: Stages) -> Iterator[tuple[str, float]]:
    yield from cast("dict[str, float]", stages).items()


def _seconds(ms: float) -> float:
    return round(ms / 1000, 5)  # as exact as the payload, and no 0.012400000000000001


def _family(name: str, help_text: str, labels: tuple[str, ...] = ()) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"affect_edge_{name}", help_text, labels=labels)


def _gauge(name: str, help_text: str, value: float | None) -> Any:
    family = _family(name, help_text)
    if value is not None:
        family.add_metric((), float(value))
    return family


def _counter(name: str, help_text: str, label: str, counts: Mapping[str, Any]) -> Any:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"affect_edge_{name}", help_text, labels=(label,) if label else ())
    for kind, count in counts.items():
        family.add_metric((kind,) if label else (), count)
    return family
