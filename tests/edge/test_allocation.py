"""What the loop asks of memory once it runs: bytes and blocks are counted, no time is measured."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from edge.affect.model import load_model
from edge.cli.bench.crowd import draw_crowd
from edge.cli.bench.measure import ask_most
from edge.cli.bench.nobody import NoCamera
from edge.clock import NS, FileClock
from edge.config import Config
from edge.device import Pipeline, build_pipeline
from edge.values import Frame

FACES, FPS, WARM_UP, FRAMES = 4, 30, 24, 48
# docs/performance.md states both. Most of the second is the answer of the detector's graph, 157 KB, and one crop of
# four channels with what it was cut from; crops of the other faces lie beside them.
IDLE_BYTES, BUSY_BYTES = 4_000, 450_000


@pytest.fixture
def pipeline(new_sink: Any, detector_asset: Any) -> Pipeline:
    return make(Config(), new_sink())


def make(config: Config, sink: Any, *, most: bool = False) -> Pipeline:
    model = load_model(config.model, config.engine)
    if most:
        config, model = ask_most(config, model, FPS)
    return build_pipeline(config, camera=NoCamera(), model=model, sink=sink, clock=FileClock())


class Account:
    """Works on frames and notes what each took at its worst, bytes, and what was left, bytes."""

    def __init__(self, pipeline: Pipeline) -> None:
        pictures = draw_crowd(FACES, count=6)
        self.idle: list[int] = []
        self.busy: list[int] = []
        for index in range(WARM_UP + FRAMES):
            if index == WARM_UP:
                tracemalloc.start()
            frame = Frame(pixels=pictures[index % 6].copy(), captured_ns=index * NS // FPS, index=index)
            worked = pipeline.health.stages["window"].frames
            if index == WARM_UP + 12:  # Python has made its caches
                begun = tracemalloc.get_traced_memory()[0]
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            pipeline.step(frame)
            taken = tracemalloc.get_traced_memory()[1] - before
            if index >= WARM_UP:
                (self.busy if pipeline.health.stages["window"].frames > worked else self.idle).append(taken)
        self.left = tracemalloc.get_traced_memory()[0] - begun
        tracemalloc.stop()


def test_frame_in_between_takes_next_to_nothing_and_a_frame_with_scores_a_bounded_amount(pipeline: Pipeline) -> None:
    account = Account(pipeline)
    assert pipeline.health.faces == FACES
    assert (len(account.busy), len(account.idle)) == (16, 32)
    assert max(account.idle) < IDLE_BYTES
    assert max(account.busy) < BUSY_BYTES
    assert account.left < 16_000  # of states replaced by their successors, and scores in the window: nothing that grows


def test_more_that_is_asked_takes_no_more_at_a_time(new_sink: Any, detector_asset: Any) -> None:
    account = Account(make(Config(), new_sink(), most=True))
    assert (len(account.busy), len(account.idle)) == (48, 0)
    assert max(account.busy) < BUSY_BYTES
    assert account.left < 16_000


def test_the_account_notices_what_is_kept_and_what_is_taken(pipeline: Pipeline) -> None:
    kept = []
    pipeline.on_frame = None
    step = pipeline.windower.observe

    def wasteful(*arguments: Any) -> None:
        kept.append(bytearray(10_000))
        bytearray(2_000_000)
        step(*arguments)

    object.__setattr__(pipeline.windower, "observe", wasteful)
    account = Account(pipeline)
    assert max(account.busy) > BUSY_BYTES
    assert account.left > 16_000
