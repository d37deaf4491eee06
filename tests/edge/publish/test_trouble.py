"""Every trouble that a broker can be in, and what the device owes in each: one table, so that a missing case is seen.

In each the device goes on to close windows, tries again after delays that grow and spread, says
what is wrong in one line and not in one a try, delivers what waited once the trouble is over, and the status that the
broker retains is right: `online` then, and `offline` when the device has vanished without a word.
"""

from __future__ import annotations

import json
import logging
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edge.backoff import Backoff
from edge.clock import NS, FileClock
from edge.contract import instant
from edge.publish import mqtt
from edge.publish import session as session_module
from scripts.mqtt_examples import BUSY, ORIGIN

pytestmark = pytest.mark.slow

LONGEST_S = 0.4
OPEN = "allow_anonymous true"


class Working:
    """What the device's loop does with a publisher: a window a minute of a clock that runs with the windows."""

    def __init__(self, put: Callable[..., Any], publisher: Any, clock: FileClock) -> None:
        self._put, self._publisher, self._clock = put, publisher, clock
        self.closed = 0

    def until(self, condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
        """Closes windows until the condition holds, and at least two."""
        end_s, done = time.monotonic() + timeout_s, False
        while not done:
            assert time.monotonic() < end_s, "waited in vain"
            for _ in range(2):
                start_ns, self._clock.now_ns = self._clock.now_ns, self._clock.now_ns + 60 * NS
                window = replace(BUSY, start=instant(start_ns), end=instant(self._clock.now_ns))
                self.closed = self._put(self._publisher, window).seq
            time.sleep(0.2)  # fewer windows than `bytes_per_minute` lets through, and time to deliver these
            done = condition()


@dataclass
class Stage:
    """What a trouble may lay hands on."""

    mosquitto: Any
    wire: Any
    folder: Path
    authority: Path
    make_publisher: Callable[..., Any]
    free_ports: Callable[[], int]
    rival: Any = None
    full: list[socket.socket] = field(default_factory=list)

    @property
    def acl(self) -> Path:
        return self.folder / "acl"

    def serve(self, certificate: str = "") -> None:
        """Starts the broker, with TLS where a certificate is named; who watches has a listener of its own."""
        rules = [OPEN]
        if certificate:
            files = {"certfile": f"{certificate}.pem", "keyfile": f"{certificate}.key", "cafile": "ca.pem"}
            rules += [f"{key} {self.authority / name}" for key, name in files.items()]
        self.watched = self.free_ports()
        self.mosquitto.start(*rules, f"listener {self.watched} 127.0.0.1")

    def retained(self) -> str:
        """The state that a newcomer is told, empty when there is none."""
        port = getattr(self, "watched", self.mosquitto.port)
        command = f"mosquitto_sub -h 127.0.0.1 -p {port} -u watcher -P seen -t {ORIGIN.topic('status')} -C 1 -W 1"
        said = subprocess.run([*command.split(), "--retained-only"], capture_output=True, check=False).stdout
        return json.loads(said)["state"] if said else ""


@dataclass
class Trouble:
    """One case.

    Attributes:
        begin, end: make it and mend it; the wire is plugged and the broker off when `begin` is called, unless
            `running`, where the device is connected before.
        says: what the log has to name, in order; nothing where the trouble is none.
        settings: of the device's session.
        works: windows arrive although there is trouble.
        repeats: how often one line may come: a session that breaks again and again is told twice, then never.
    """

    begin: Callable[[Stage], None]
    end: Callable[[Stage], None]
    says: tuple[str, ...]
    running: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    works: bool = False
    repeats: int = 1


def _refuse(stage: Stage) -> None:
    stage.serve()
    stage.wire.pull()


def _mute(stage: Stage) -> None:
    stage.serve()
    stage.wire.mute = True


def _mute_tls(stage: Stage) -> None:
    stage.serve("here")
    stage.wire.mute = True


def _speak(stage: Stage) -> None:
    stage.wire.pull()
    stage.wire.mute = stage.wire.deaf = False
    stage.wire.plug()


def _drop_syn(stage: Stage) -> None:
    """A listener whose queue is full: Linux drops the SYN of whoever comes next, as a firewall does."""
    stage.serve()
    stage.wire.pull()
    server = socket.create_server(("127.0.0.1", stage.wire.port), backlog=0)
    stage.full = [server]
    for _ in range(3):
        filler = socket.socket()
        filler.setblocking(False)
        with suppress(BlockingIOError):
            filler.connect(("127.0.0.1", stage.wire.port))
        stage.full.append(filler)


def _take_syn(stage: Stage) -> None:
    for each in stage.full:
        each.close()
    stage.wire.plug()


def _clog(stage: Stage) -> None:
    stage.wire.trickle, stage.wire.lag_s = 100, 0.2


def _unclog(stage: Stage) -> None:
    stage.wire.trickle, stage.wire.lag_s = 0, 0.0


def _deafen(stage: Stage) -> None:
    stage.wire.deaf = True


def _stop(stage: Stage) -> None:
    stage.mosquitto.stop()
    stage.wire.pull()


def _kill(stage: Stage) -> None:
    stage.mosquitto.kill()
    stage.wire.pull()


def _start(stage: Stage) -> None:
    stage.serve()
    stage.wire.plug()


def _password(stage: Stage, password: str) -> None:
    users = stage.folder / "users"
    users.touch()
    for user, word in (("door", password), ("watcher", "seen")):
        subprocess.run(["mosquitto_passwd", "-b", users, user, word], check=True, capture_output=True)


def _lock_out(stage: Stage) -> None:
    _password(stage, "another")
    (stage.folder / "secret").write_text("right\n")
    (stage.folder / "secret").chmod(0o600)
    stage.mosquitto.start("allow_anonymous false", f"password_file {stage.folder / 'users'}")


def _let_in(stage: Stage) -> None:
    _password(stage, "right")
    stage.mosquitto.process.send_signal(signal.SIGHUP)


def _certify(name: str) -> Callable[[Stage], None]:
    return lambda stage: stage.serve(name)


def _certify_anew(stage: Stage) -> None:
    stage.mosquitto.stop()
    stage.serve("here")


def _forbid(stage: Stage) -> None:
    stage.acl.write_text("pattern read affect/#\n")
    stage.mosquitto.start(OPEN, f"acl_file {stage.acl}")


def _allow(stage: Stage) -> None:
    stage.acl.write_text("pattern readwrite affect/#\n")
    stage.mosquitto.process.send_signal(signal.SIGHUP)


def _take_over(stage: Stage) -> None:
    stage.rival, _ = stage.make_publisher(port=stage.mosquitto.port, epoch="0badbeef", backoff_max_s=LONGEST_S)
    stage.rival.start()


def _leave(stage: Stage) -> None:
    stage.rival.close()


TLS = {"tls": True, "ca_file": "ca.pem"}
LOGIN = {"username": "door", "password_file": "secret"}
NO_ANSWER, BAD_CERTIFICATE = r"broker unreachable \(no answer\)", "broker rejected .*certificate is not accepted: .*"
TROUBLES = {
    "refused": Trouble(_refuse, lambda s: s.wire.plug(), (r"broker unreachable \(Connection refused\)",)),
    "never answers": Trouble(_mute, _speak, (r"broker unreachable \(it does not answer",)),
    "never answers TLS": Trouble(_mute_tls, _speak, (NO_ANSWER,), settings=TLS),
    "drops SYN": Trouble(_drop_syn, _take_syn, (NO_ANSWER,)),
    "slow": Trouble(_clog, _unclog, (), running=True, works=True),
    "stalls acknowledgements": Trouble(
        _deafen,
        _speak,
        (r"connection lost \(it acknowledged nothing for 1 s\)",),
        running=True,
        settings={"keepalive_s": 1},
        repeats=2,
    ),
    "restarts": Trouble(_stop, _start, ("connection lost", "Connection refused"), running=True),
    "is killed": Trouble(_kill, _start, ("connection lost", "Connection refused"), running=True),
    "wrong password": Trouble(_lock_out, _let_in, (r"broker rejected this device \(Not authorized\)",), settings=LOGIN),
    "expired certificate": Trouble(_certify("expired"), _certify_anew, (BAD_CERTIFICATE + "expired",), settings=TLS),
    "certificate of another host": Trouble(
        _certify("elsewhere"), _certify_anew, (BAD_CERTIFICATE + "mismatch",), settings=TLS
    ),
    "unknown authority": Trouble(_certify("foreign"), _certify_anew, (BAD_CERTIFICATE + "self.signed",), settings=TLS),
    "access list forbids all from the start": Trouble(
        _forbid, _allow, (r"refuses this device's status \(reason 0x87", r"refuses this device's window \(reason 0x87")
    ),
    "name taken over": Trouble(_take_over, _leave, ("connection lost", "another device"), running=True, repeats=2),
}


@pytest.fixture
def stage(mosquitto, wire, tmp_path, authority, make_publisher, free_ports) -> Iterator[Stage]:
    stage = Stage(mosquitto, wire, tmp_path, authority, make_publisher, free_ports)
    try:
        yield stage
    finally:
        for each in stage.full:
            each.close()


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the device waited between tries, in order."""
    waited: list[float] = []

    class Noted(Backoff):
        def next_s(self, *, lasted: bool) -> float:
            waited.append(super().next_s(lasted=lasted))
            return waited[-1]

    monkeypatch.setattr(mqtt, "Backoff", Noted)
    monkeypatch.setattr(mqtt, "FIRST_DELAY_S", 0.05)
    monkeypatch.setattr(session_module, "CONNECT_TIMEOUT_S", 0.4)
    return waited


@pytest.mark.parametrize("name", TROUBLES)
def test_in_trouble_the_device_works_on_says_so_once_and_delivers_afterwards(
    name: str, stage: Stage, put: Callable[..., Any], delays: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="edge.publish")
    trouble = TROUBLES[name]

    def lines() -> list[str]:
        # A rival of the same name logs under the broker's own port.
        mine = f"127.0.0.1:{stage.wire.port}: "
        said = [record.getMessage() for record in caplog.records]
        return [line.removeprefix(mine) for line in said if line.startswith(mine)]

    if not trouble.running:
        trouble.begin(stage)
    else:
        stage.serve()
    settings = {
        key: str((stage.authority if key == "ca_file" else stage.folder) / value) if key.endswith("_file") else value
        for key, value in trouble.settings.items()
    }
    clock = FileClock()
    given = {"bytes_per_minute": 1_000_000, "backoff_max_s": LONGEST_S, "port": stage.wire.port} | settings
    publisher, outbox = stage.make_publisher(clock=clock, path=stage.folder / "outbox.db", **given)
    device = Working(put, publisher, clock)
    publisher.start()
    if trouble.running:
        device.until(lambda: stage.retained() == "online")
        trouble.begin(stage)

    # In trouble: `until` itself closes windows.
    for words in trouble.says:
        device.until(lambda words=words: any(re.search(words, line) for line in lines()))
    if trouble.works:
        before = device.closed - outbox.delivery().waiting
        device.until(lambda: device.closed - outbox.delivery().waiting >= before + 10)
    elif "access list" not in name:
        device.until(lambda: len(delays) >= 2)
        assert all(0 < delay <= LONGEST_S for delay in delays)
        assert len(set(delays)) == len(delays)
    told = [line for line in lines() if line != "connected" and "delivered" not in line]
    assert all(told.count(line) <= trouble.repeats for line in told), told
    assert len(told) <= len(trouble.says) * trouble.repeats + (trouble.repeats > 1), told
    assert len([line for line in lines() if line == "connected"]) <= 2

    trouble.end(stage)
    device.until(lambda: outbox.delivery().waiting <= 2 and not [r for r in outbox._rows.values() if r.refused])
    device.until(lambda: stage.retained() == "online")
    counts = outbox.delivery()
    assert (counts.evicted, counts.resets, publisher.failed) == (0, 0, None)

    stage.wire.pull()  # the device is gone without a word
    device.until(lambda: stage.retained() == "offline")
