"""The file that `python -m benchmarks peers` leaves."""

from __future__ import annotations

import msgspec

from benchmarks.record import Figure, Record
from edge.cli.bench.result import Measured


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One contender, the kit's own among them. Times are the processor's, one thread, milliseconds.

    Attributes:
        name: what it is.
        engine, precision: what computes it, and in what.
        job: `face`: from a frame and a face's place to the answer; `frame`: from a frame to its faces.
        kit: whether it is the kit.
        as_used: whether people run it so; False for a form made to compare at equal engine and precision.
        macs: multiply-accumulates of one run; None where an operator cannot be counted.
        size_bytes: of its files.
        ms, wall_ms: a call.
        to_kit: its time over the kit's as it ships.
        equal: the contender of the kit's at its engine and precision; None where there is none, and `note` says why.
        to_equal: its time over that one's.
        ccc: agreement with the raters of the held-out pictures, by target; None where its weights are random.
        found: share of the drawn faces that a detector found.
        note: what a reader has to know.
    """

    name: str
    engine: str
    precision: str
    job: str
    kit: bool
    as_used: bool
    macs: int | None
    size_bytes: int
    ms: Figure | None
    wall_ms: Figure | None
    to_kit: Figure | None
    equal: str | None = None
    to_equal: Figure | None = None
    ccc: dict[str, Figure] | None = None
    found: float | None = None
    note: str = ""


class Peers(Record, frozen=True, kw_only=True):
    """The kit and its peers on one machine, in the same rounds.

    Attributes:
        bundle: the kit's, as it ships; the first of those that were measured.
        rounds, calls: of each contender, calls in each round.
        faces: pictures with a face that were shown in turn.
        frames: what the detectors were shown.
        data: the pictures whose ratings `ccc` agrees with, and their number.
        packages: versions of what computed.
        peers: the contenders.
    """

    bundle: Measured
    rounds: int
    calls: int
    faces: int
    frames: str
    data: str
    packages: dict[str, str]
    peers: list[Peer]
