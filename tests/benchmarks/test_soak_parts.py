"""The parts of a soak: its plan, its proxy, its stage, and how a trend is found."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.ports import HOST
from benchmarks.soak.plan import ORGANS, make_plan
from benchmarks.soak.proxy import Proxy
from benchmarks.soak.resources import Sample, find_trend
from benchmarks.soak.stage import Stage, StagedClock, StagedSource
from edge.clock import NS, SystemClock
from edge.config import CameraConfig
from edge.demo.scene import Scene
from edge.errors import CameraError


def test_an_hour_has_every_kind_of_fault_and_more_than_fifty_kills():
    plan = make_plan(60, 7)
    kinds = [fault.kind for faults in plan.values() for fault in faults]
    assert set(kinds) == {kind for kinds in ORGANS.values() for kind in kinds}
    assert kinds.count("kill") >= 50
    assert all(0 < fault.at_s <= 3600 for faults in plan.values() for fault in faults)
    assert any(fault.aimed for fault in plan["process"])


def test_the_same_seed_plans_the_same_and_another_does_not():
    assert make_plan(5, 1) == make_plan(5, 1)
    assert make_plan(5, 1) != make_plan(5, 2)


def test_a_short_soak_still_kills():
    assert [fault.kind for fault in make_plan(0.2, 1)["process"]].count("kill") == 1


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says everything back."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        while data := connection.recv(100):
                            connection.sendall(data)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    proxy = Proxy(echo)
    try:
        yield proxy
    finally:
        proxy.close()


def test_a_cut_network_ends_connections_and_takes_none_until_it_is_mended(proxy: Proxy):
    with socket.create_connection((HOST, proxy.port), 5) as line:
        line.sendall(b"one")
        assert line.recv(100) == b"one"
        proxy.cut()
        assert ended(line)
    with socket.create_connection((HOST, proxy.port), 5) as line:
        assert ended(line)
    proxy.mend()
    with socket.create_connection((HOST, proxy.port), 5) as line:
        line.sendall(b"two")
        assert line.recv(100) == b"two"


def test_a_silent_network_holds_what_is_sent_and_delivers_it_later(proxy: Proxy):
    with socket.create_connection((HOST, proxy.port), 5) as line:
        line.sendall(b"one")
        assert line.recv(100) == b"one"
        proxy.silence()
        line.settimeout(0.2)
        line.sendall(b"two")
        with pytest.raises(TimeoutError):
            line.recv(100)
        proxy.mend()
        line.settimeout(5)
        assert line.recv(100) == b"two"


def ended(line: socket.socket) -> bool:
    try:
        return line.recv(100) == b""
    except ConnectionResetError:
        return True


def test_a_staged_clock_moves_when_it_is_measured_and_not_before(tmp_path: Path):
    stage, system = Stage(tmp_path), SystemClock()
    clock = StagedClock(stage)
    assert clock.synced()
    stage.set_clock(-7200, synced=False)
    assert clock.synced()
    clock.refresh()
    assert not clock.synced()
    moved_ns = clock.utc_ns(0) - system.utc_ns(0)
    assert abs(moved_ns + 7200 * NS) < NS


def test_a_staged_camera_vanishes_freezes_and_stalls(tmp_path: Path):
    stage, clock = Stage(tmp_path), SystemClock()
    config = CameraConfig(backend="scene", width=160, height=120, fps=30)
    scene = Scene(config.width, config.height)
    source = StagedSource(scene, stage, clock, config.fps)
    assert source.grab() is not None
    first = source.read()
    stage.set_camera("frozen")
    assert source.grab() is not None
    assert source.read() is first
    stage.set_camera("stalled")
    assert source.grab() is None
    stage.set_camera("gone")
    with pytest.raises(CameraError, match="unplugged"):
        source.grab()
    with pytest.raises(CameraError, match="unplugged"):
        StagedSource(scene, stage, clock, config.fps)


def samples(*, mb_per_h: float = 0.0, slower: float = 0.0, fds: int = 0, count: int = 700) -> list[Sample]:
    """An hour of a process that starts at 100 MB, wobbles a little and has one sample that lies far apart."""
    return [
        Sample(
            at_s=1000 + 5.0 * i,
            run=1,
            rss_mb=100 + mb_per_h * 5 * i / 3600 + 0.2 * (i % 3) + 50 * (i == 300),
            uss_mb=80,
            fds=20 + fds * (i > count // 2),
            threads=5,
            frames=50,
            wall_p95_ms=10 * (1 + slower * i / count) + 0.1 * (i % 3),
            cpu_p95_ms=8 * (1 + slower * i / count),
            cpu_share=0.2,
            load=1.0,
        )
        for i in range(count)
    ]


def test_a_leak_is_measured_through_noise():
    trend = find_trend(samples(mb_per_h=5, fds=2))
    assert trend is not None
    assert trend.rss_growth_mb_per_h == pytest.approx(5, abs=0.2)
    assert trend.fd_growth == 2


def test_a_process_that_stays_as_it_is_has_no_trend():
    trend = find_trend(samples())
    assert trend is not None
    assert trend.rss_growth_mb_per_h == pytest.approx(0, abs=0.1)
    assert trend.latency_p95_end_ms == pytest.approx(trend.latency_p95_start_ms, abs=0.2)


def test_too_few_samples_give_no_trend():
    assert find_trend(samples(count=6)) is None
    assert find_trend([]) is None
