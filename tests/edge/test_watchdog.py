"""The service manager's view, with a socket in its place."""

from __future__ import annotations

import socket

import pytest

from edge.watchdog import Watchdog


@pytest.fixture
def manager(tmp_path):
    """The service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(1)
        yield manager


def test_the_manager_hears_ready_life_and_stop(manager):
    watchdog = Watchdog(manager.getsockname())
    watchdog.ready()
    watchdog.alive()
    watchdog.alive()  # within the same second
    watchdog.stopping()
    assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    watchdog.close()


def test_life_is_told_again_after_a_second(manager, monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr("edge.watchdog.time.monotonic", lambda: now_s[0])
    watchdog = Watchdog(manager.getsockname())
    for _ in range(20):
        watchdog.alive()
        now_s[0] += 0.125
    assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(100)
    watchdog.close()


def test_abstract_names_are_understood():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0affect-edge-test")
        manager.settimeout(1)
        watchdog = Watchdog("@affect-edge-test")
        watchdog.ready()
        assert manager.recv(100) == b"READY=1"
        watchdog.close()


@pytest.mark.parametrize("address", ["", "/nowhere/notify"])
def test_without_a_manager_nothing_happens(address):
    watchdog = Watchdog(address)
    watchdog.ready()
    watchdog.alive()
    watchdog.close()
    watchdog.alive()
