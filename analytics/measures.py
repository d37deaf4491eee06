"""What a collector tells about itself, as Prometheus metrics on the loopback."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import cast

import ibis.expr.types as ir
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from analytics.queries import gaps, now_less
from analytics.table import Row
from edge.errors import ConfigError

LATE_S = 86_400  # a gap that is older is a loss; a device sends what waits within that time of an outage
_LAG_S = (1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400, 7 * 86_400)


class Measures:
    """Counters of one run.

    Attributes:
        connected: 1 while there is a connection.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "affect_collect"
        self._windows = Counter(
            f"{name}_windows", "Windows by what became of them.", ["result"], registry=self.registry
        )
        self._lag = Histogram(
            f"{name}_lag_seconds", "From a window's end to its row.", buckets=_LAG_S, registry=self.registry
        )
        self._missing = Gauge(
            f"{name}_missing_windows", f"Gaps in seq that are older than {LATE_S} s.", ["site"], registry=self.registry
        )
        self._last = Gauge(f"{name}_last_window_timestamp_seconds", "When the last came.", registry=self.registry)
        self.connected = Gauge(f"{name}_connected", "1 while there is a connection.", registry=self.registry)
        for result in ("new", "repeated", "quarantined"):
            self._windows.labels(result)

    def count(self, windows: Iterable[Row], *, new: int, came: int, quarantined: int) -> None:
        """Adds one batch: its windows, and how many were new, came as windows, and were set aside."""
        self._windows.labels("new").inc(new)
        self._windows.labels("quarantined").inc(quarantined)
        self._windows.labels("repeated").inc(max(0, came - new - quarantined))
        for one in windows:
            self._lag.observe((cast(datetime, one["received"]) - cast(datetime, one["stop"])).total_seconds())
            self._last.set(time.time())

    def count_losses(self, windows: ir.Table) -> None:
        """Counts the gaps of all windows that are stored, by site."""
        found = gaps(windows, before=now_less(LATE_S)).to_pyarrow().to_pylist()
        self._missing.clear()
        for site in {line["site"] for line in found}:
            self._missing.labels(site).set(sum(line["missing"] for line in found if line["site"] == site))

    @contextmanager
    def served(self, port: int) -> Iterator[None]:
        """Serves them on 127.0.0.1 while it lasts; nothing for port 0.

        Raises:
            ConfigError: the port is taken.
        """
        if not port:
            yield
            return
        try:
            server, thread = start_http_server(port, addr="127.0.0.1", registry=self.registry)
        except OSError as error:
            raise ConfigError(f"--metrics-port {port}: {error.strerror}", "name another one") from error
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
