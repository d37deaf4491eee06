"""Reads what the checkout keeps: of each device the newest result of each kind, and of `bench` of each bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.device.result import read_result
from benchmarks.floor.result import Floor
from benchmarks.peers.result import Peers
from benchmarks.record import read_record
from benchmarks.reference.kept import find_kept, list_devices
from edge.cli.bench.result import Load, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device's results; what was not measured is empty.

    Attributes:
        name: of its folder.
        results: of `affect-edge bench`, one a bundle, the default one first.
        floor, peers: of the verbs of those names.
    """

    name: str
    results: list[Result]
    floor: Floor | None
    peers: Peers | None

    @property
    def records(self) -> list[Result | Floor | Peers]:
        """All of them."""
        return [*self.results, *(record for record in (self.floor, self.peers) if record is not None)]


def gather_devices(folder: Path) -> list[Device]:
    """The devices under a folder, by name.

    Raises:
        ConfigError, DataError: a file is malformed; names it.
    """
    return [_read_device(device) for device in list_devices(folder)]


def ramp(result: Result) -> list[Load]:
    """The loads as configured at the fastest pace that was measured, by number of faces."""
    loads = [load for load in result.loads if not load.every_frame]
    fastest = max((round(load.fps) for load in loads), default=0)
    return sorted((load for load in loads if round(load.fps) == fastest), key=lambda load: load.faces)


def _read_device(folder: Path) -> Device:
    by_bundle = {result.bundle.name: result for result in map(read_result, find_kept(folder, "bench"))}
    floors, peers = find_kept(folder, "floor"), find_kept(folder, "peers")
    return Device(
        name=folder.name,
        results=sorted(by_bundle.values(), key=lambda result: (result.bundle.name != "default", result.bundle.name)),
        floor=read_record(floors[-1], Floor) if floors else None,
        peers=read_record(peers[-1], Peers) if peers else None,
    )
