"""What a fleet's load showed: the record for `benchmarks/reference/`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Windows = Literal["staggered", "together", "spread"]


class FleetLoad(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one load; simulated devices and broker shared one machine, which bounds every number here.

    Attributes:
        format: version of this record.
        devices: connections over TLS, MQTT 5.
        saved: whether the broker wrote what it owed as `docs/mqtt.md` advises, or kept it in memory.
        windows: when they are written after the moment at which all devices close them: `staggered`, each device by a
            time of its own, as the product does; `together`, at once; `spread`, at any time of the interval.
        connect_s: until all were in a session at first, 100 handshakes at a time.
        broker_rss_mb_empty, broker_rss_mb_connected: resident memory before, and with all connected.
        broker_kb_per_connection: of the difference; the same number is MB for 1,000 connections.
        windows_sent, …_acked, …_refused, …_unanswered: at QoS 1, by the devices.
        windows_heard, windows_heard_distinct: by a subscriber with QoS 1 behind the broker.
        messages_per_s: windows and health reports written, over the measured time.
        most_windows_in_a_second: written in the worst second of it.
        bytes_per_device_and_interval: above TLS, packets of windows and health.
        ack_p50_ms, ack_p99_ms, ack_max_ms: from writing a window to its acknowledgement.
        broker_cpu_share: of one core, broker's own, over the measured time.
        storm_p50_s, storm_p99_s, storm_all_s: after the broker was stopped and started, until so many devices were
            back, from when it listened again; null where they were not back within `storm_limit_s`.
        storm_back: devices that were back at the end.
        storm_failed_connects: tries in vain meanwhile.
        load: the machine's load averages at the beginning and at the end.
    """

    format: Literal[2] = 2
    devices: int
    minutes: float
    window_s: int
    saved: bool
    windows: Windows
    connect_s: float
    broker_rss_mb_empty: float
    broker_rss_mb_connected: float
    broker_kb_per_connection: float
    windows_sent: int
    windows_acked: int
    windows_refused: int
    windows_unanswered: int
    windows_heard: int
    windows_heard_distinct: int
    messages_per_s: float
    most_windows_in_a_second: int
    bytes_per_device_and_interval: float
    ack_p50_ms: float
    ack_p99_ms: float
    ack_max_ms: float
    broker_cpu_share: float
    storm_limit_s: float
    storm_p50_s: float | None
    storm_p99_s: float | None
    storm_all_s: float | None
    storm_back: int
    storm_failed_connects: int
    load: tuple[float, float]
    commit: str
    host: dict[str, Any]
    versions: dict[str, str]
