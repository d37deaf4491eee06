"""The health message as Prometheus metrics, over HTTP on this machine's loopback and nowhere else.

Names, help texts and types follow from the annotations of `contract.Health`; nothing is listed here. The message is
made at most once a minute: whoever scraped every second would see people come and go. The package `prometheus_client`
is the extra `metrics`, imported only here.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import inspect

from edge.contract import Health, Model
from edge.errors import ConfigError, EdgeError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
FRESH_S = 60.0
_HOSTS = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)
_STOP_S = 3.0
_SILENCE_S = 5.0  # a client that says nothing for so long is hung up on: each holds a thread
_BASE_UNITS = (("_ms", "_seconds", 1e-3), ("_mhz", "_hertz", 1e6), ("_s", "_seconds", 1), ("_c", "_celsius", 1))


class MetricsServer:
    """Answers scrapes while it runs; usable as a context manager.

    Args:
        port: on 127.0.0.1.
        read: gives the health of now; called by the server's own threads, at most once a minute.

    Raises:
        ConfigError: `prometheus_client` is not installed, or the port cannot be had.
    """

    def __init__(self, port: int, read: Callable[[], Health]) -> None:
        try:
            from prometheus_client import CollectorRegistry, start_http_server
        except ImportError:
            raise ConfigError(
                "metrics.port: needs a package that is not installed", fix="run: pip install 'affect-edge[metrics]'"
            ) from None
        registry = CollectorRegistry()  # its own: the default one would add the process's and the interpreter's
        registry.register(Collector(read))
        try:
            self._server, self._thread = start_http_server(port, addr=HOST, registry=registry)
        except OSError as error:
            raise ConfigError(
                f"metrics.port: {HOST}:{port} cannot be opened ({error.strerror or error})",
                fix="choose another port, or allow this one in the service's unit (SocketBindAllow=)",
            ) from error
        self._server.RequestHandlerClass = _impatient(self._server.RequestHandlerClass)
        self._server.set_app(_guarded(self._server.get_app()))
        log.info("metrics on http://%s:%d/metrics, for this machine only", HOST, port)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def check(self) -> None:
        """Raises EdgeError once the server has ended by itself."""
        if not self._thread.is_alive():
            raise EdgeError("metrics.port: the server of the metrics has ended", fix="see the log")

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


class Collector:
    """Gives the health of now, or of less than a minute ago, as metric families; for any thread.

    What the device does not know has no sample.
    """

    def __init__(self, read: Callable[[], Health], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock, self._lock = read, clock, threading.Lock()
        self._made: tuple[float, Health] | None = None

    def describe(self) -> list[Any]:
        """Nothing: registering must not read the health of a device that has not begun."""
        return []

    def collect(self) -> Iterator[Any]:
        with self._lock:
            now_s = self._clock()
            if self._made is None or now_s - self._made[0] >= FRESH_S:
                self._made = now_s, self._read()
            health = self._made[1]
        values = msgspec.to_builtins(health)
        where = {"site": health.site, "device": health.device}
        build = [health.version, health.commit, *(str(value) for value in values["model"].values())]
        names = ("version", "commit", *(f"model_{name}" for name in values["model"]))
        yield _family(where, "build_info", "gauge", "Release and model in use.", {tuple(build): 1.0}, names)
        for metric in _metrics(inspect.type_info(type(health)), values):
            yield _family(where, *metric)


def _metrics(section: Any, values: dict[str, Any], prefix: str = "") -> Iterator[tuple[Any, ...]]:
    """Name, type, help text, values by labels and labels of each metric of a section."""
    for field in section.fields:
        name, value = prefix + field.name, values[field.name]
        plain, metric, about = _plain(field.type)
        if isinstance(plain, inspect.TypedDictType):
            inner, metric, _ = _plain(plain.fields[0].type)
            if not isinstance(inner, inspect.StructType):  # counts by kind
                yield name, metric, about, {(kind,): count for kind, count in value.items()}, ("kind",)
                continue
            one = name.removesuffix("s")  # times by stage: a metric for each number of a stage
            for number in inner.fields:
                _, metric, about = _plain(number.type)
                found = {(kind,): part[number.name] for kind, part in value.items()}
                yield f"{one}_{number.name}", metric, about, found, (one,)
        elif isinstance(plain, inspect.StructType):
            if plain.cls is not Model:
                yield from _metrics(plain, value, f"{name}_")
        elif isinstance(plain, inspect.LiteralType):
            if len(plain.values) > 1:
                yield name, "gauge", about, {(state,): state == value for state in plain.values}, (field.name,)
        elif isinstance(plain, (inspect.BoolType, inspect.IntType, inspect.FloatType)):
            yield name, metric, about, {(): value}, ()


def _plain(annotated: Any) -> tuple[Any, str, str]:
    """A field's type without null, the type of its metric, and its description."""
    metric, about = "gauge", ""
    while isinstance(annotated, (inspect.Metadata, inspect.UnionType)):
        if isinstance(annotated, inspect.Metadata):
            metric = (annotated.extra or {}).get("metric", metric)
            about = (annotated.extra_json_schema or {}).get("description", about)
            annotated = annotated.type
        else:
            annotated = next(one for one in annotated.types if not isinstance(one, inspect.NoneType))
    return annotated, metric, about


def _family(
    where: Mapping[str, str], name: str, metric: str, about: str, values: Mapping[Any, Any], labels: Sequence[str]
) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    scale = 1.0
    for suffix, base, factor in _BASE_UNITS:
        if name.endswith(suffix):
            name, scale = name.removesuffix(suffix) + base, factor
            break
    make = CounterMetricFamily if metric == "counter" else GaugeMetricFamily
    family = make(f"affect_edge_{name}", about, labels=[*where, *labels])
    for texts, value in values.items():
        if value is not None:
            family.add_metric([*where.values(), *texts], round(value * scale, 5))  # no 0.012400000000000001
    return family


def _guarded(app: Any) -> Any:
    """The library's application for requests that name this machine: a web page whose own name was made to lead here
    (DNS rebinding) is refused.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if _HOSTS.fullmatch(environ.get("HTTP_HOST", "")):
            return app(environ, start_response)
        start_response("421 Misdirected Request", [("Content-Length", "0")])
        return []

    return answer


def _impatient(handler: Any) -> Any:
    """The library's request handler, which would wait for ever for a request."""

    class Impatient(handler):  # type: ignore[misc]  # a class known at run time only
        timeout = _SILENCE_S

        def handle(self) -> None:
            with suppress(TimeoutError, ConnectionError):  # their end of it; nothing to report
                super().handle()

    return Impatient
