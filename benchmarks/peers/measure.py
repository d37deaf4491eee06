"""Times the contenders in the same rounds and puts each beside the kit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version

import cv2

from benchmarks.peers.contender import Contender
from benchmarks.peers.result import Peer
from benchmarks.rounds import Rounds, compare_rounds, time_rounds

PACKAGES = ("ai-edge-litert", "onnxruntime", "opencv-python-headless", "scikit-learn")


def measure_peers(
    contenders: Sequence[Contender], *, rounds: int, calls: int, advance: Callable[[], None] = lambda: None
) -> list[Peer]:
    """Times all; a ratio's other side is the first of the kit's with the same job.

    Args:
        contenders: the kit's as it ships before all others of its job.
        rounds, calls, advance: see `time_rounds`.
    """
    cv2.setNumThreads(1)  # one thread is what the figures say
    spent = time_rounds({one.key: one.run for one in contenders}, rounds=rounds, calls=calls, advance=advance)
    shipped: dict[str, str] = {}
    for one in contenders:
        if one.kit:
            shipped.setdefault(one.job, one.key)
    return [_peer(one, spent, shipped[one.job]) for one in contenders]


def describe_packages() -> dict[str, str]:
    """What computes, by package."""
    return {name: version(name) for name in PACKAGES}


def _peer(one: Contender, spent: dict[str, Rounds], shipped: str) -> Peer:
    own = spent[one.key]
    equal = one.equal if one.equal in spent else None
    return Peer(
        name=one.name,
        engine=one.engine,
        precision=one.precision,
        job=one.job,
        kit=one.kit,
        as_used=one.as_used,
        macs=one.macs,
        size_bytes=one.size_bytes,
        ms=own.cpu(),
        wall_ms=own.wall(),
        to_kit=None if one.key == shipped else compare_rounds(own, spent[shipped]),
        equal=equal,
        to_equal=None if equal is None else compare_rounds(own, spent[equal]),
        ccc=one.ccc,
        found=one.found,
        note=one.note,
    )
