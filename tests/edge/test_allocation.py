"""What the loop asks of memory once it runs: bytes and blocks are counted, no time is measured."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from edge.affect.network import load_model
from edge.cli.bench.crowd import draw_crowd
from edge.clock import NS, FileClock
from edge.config import Config
from edge.device import Device, build_device
from edge.values import Frame, Look

FACES, FPS, WARM_UP, FRAMES = 4, 30, 60, 48  # warm: each size of mosaic has been made
# docs/performance.md states both. Most of the second is the answer of the detector's graph, 157 KB, and one crop of
# four channels with what it was cut from; crops of the other faces lie beside them.
IDLE_BYTES, BUSY_BYTES = 4_000, 450_000


@pytest.fixture
def device(new_sink: Any, new_camera: Any) -> Device:
    model = load_model(Config().model, Config().engine)
    return build_device(Config(), camera=new_camera([]), model=model, sink=new_sink(), clock=FileClock())


class Account:
    """Works on frames and notes what each took at its worst, bytes, and what was left, bytes."""

    def __init__(self, device: Device) -> None:
        pictures = draw_crowd(FACES, count=6)
        self.idle: list[int] = []
        self.busy: list[int] = []
        for index in range(WARM_UP + FRAMES):
            if index == WARM_UP:
                tracemalloc.start()
            frame = Frame(pixels=pictures[index % 6].copy(), captured_ns=index * NS // FPS, index=index)
            if index == WARM_UP + 12:  # Python has made its caches
                begun = tracemalloc.get_traced_memory()[0]
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            look = device.step(frame)
            taken = tracemalloc.get_traced_memory()[1] - before
            if index >= WARM_UP:
                (self.busy if isinstance(look, Look) and look.worked else self.idle).append(taken)
        self.left = tracemalloc.get_traced_memory()[0] - begun
        tracemalloc.stop()


def test_frame_in_between_takes_next_to_nothing_and_a_frame_with_scores_a_bounded_amount(device: Device) -> None:
    account = Account(device)
    assert device.health.faces == FACES
    assert (len(account.busy), len(account.idle)) == (16, 32)
    assert max(account.idle) < IDLE_BYTES
    assert max(account.busy) < BUSY_BYTES
    assert account.left < 16_000  # of states replaced by their successors, and scores in the window: nothing that grows


def test_the_account_notices_what_is_kept_and_what_is_taken(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    observe = device.windower.observe

    def wasteful(*arguments: Any) -> None:
        kept.append(bytearray(10_000))
        bytearray(2_000_000)
        observe(*arguments)

    monkeypatch.setattr(device.windower, "observe", wasteful)
    account = Account(device)
    assert max(account.busy) > BUSY_BYTES
    assert account.left > 16_000
