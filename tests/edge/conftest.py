"""What several tests of the device share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from edge.clock import FileClock
from edge.contract import CameraEvents, Delivery, Health, Window, zeros
from edge.values import Frame, Tick

if TYPE_CHECKING:
    from edge.cli.doctor.finding import Finding

EPOCH = "0123abcd"


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Commands keep an audit log in the home of whoever runs them; tests leave nothing there."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home", numbered=True)))


class Collected:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.boot_ns: list[tuple[int, int] | None] = []
        self.reports: list[Health] = []

    def number(self) -> tuple[str, int]:
        return EPOCH, len(self.windows) + 1

    def publish(self, window: Window, boot_ns: tuple[int, int] | None = None) -> None:
        self.windows.append(window)
        self.boot_ns.append(boot_ns)

    def report(self, health: Health) -> None:
        self.reports.append(health)

    def delivery(self) -> Delivery:
        return Delivery(connected=True, waiting=0, evicted=0, refused=0, reconnects=0, interrupted=0, resets=0)

    def close(self, timeout_s: float = 5.0) -> None:
        pass


class ListCamera:
    """Gives frames and ticks from a list, moves a file's clock along, and raises at the end if told to."""

    length = None
    dropped = failed = skipped = 0

    def __init__(
        self, events: Iterable[Frame | Tick], clock: FileClock | None = None, error: Exception | None = None
    ) -> None:
        self._events, self._clock, self._error = events, clock, error
        self.events = zeros(CameraEvents)
        self.closed = False

    def __iter__(self) -> Iterator[Frame | Tick]:
        for event in self._events:
            if self.closed:
                return
            if self._clock is not None:
                self._clock.now_ns = event.captured_ns if isinstance(event, Frame) else event.at_ns
            yield event
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> ListCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture(scope="session")
def new_sink() -> type[Collected]:
    """Makes sinks that keep what they are given, in `windows`, `boot_ns` and `reports`."""
    return Collected


@pytest.fixture(scope="session")
def new_camera() -> type[ListCamera]:
    """Makes cameras that give a list of frames and ticks."""
    return ListCamera


@pytest.fixture(scope="session")
def found():
    """Finds the one finding of a check, whose words are one line each."""

    def find(findings: Iterable[Finding], check: str) -> Finding:
        (finding,) = [one for one in findings if one.check == check]
        assert "\n" not in finding.said + finding.fix
        return finding

    return find
