"""Streaming on the time grid, with a small head computed in NumPy in place of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest

from edge.affect.backbone import Backbone
from edge.affect.stream import Stream, StreamState
from edge.clock import NS
from edge.model.bundle import Manifest, default_bundle, load_bundle
from edge.model.engines import TensorSpec
from edge.model.engines.choice import open_engine
from edge.values import AffectScore, Embedding, FaceCrop

UNITS, WIDTH = 4, 3
STEP_NS = NS // 10


class LeakyHead:
    """A step of `c' = 0.8 c + 0.2 mean(embedding)`, which counts its calls and rows."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        spec = TensorSpec((1, UNITS), np.dtype(np.float32), 0.0, 0)
        self.inputs = {"embedding": spec._replace(shape=(1, WIDTH)), "h": spec, "c": spec}
        self.outputs = {"va": spec._replace(shape=(1, 2)), "next_h": spec, "next_c": spec}

    def invoke(self, tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
        self.batches.append(len(tensors["c"]))
        c = 0.8 * tensors["c"] + 0.2 * tensors["embedding"].mean(axis=1, keepdims=True)
        return {"va": c[:, :2], "next_h": c * 0, "next_c": c.astype(np.float32)}


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    real = load_bundle(default_bundle()).manifest
    replace = msgspec.structs.replace
    head = real.head

    def tensor(name: str, width: int) -> Any:
        return replace(head.h, name=name, shape=(-1, width))

    return replace(
        real,
        step_s=0.1,
        reset_s=1.0,
        warmup_steps=5,
        head=replace(
            head,
            embedding=tensor("embedding", WIDTH),
            h=tensor("h", UNITS),
            c=tensor("c", UNITS),
            va=tensor("va", 2),
            next_h=tensor("next_h", UNITS),
            next_c=tensor("next_c", UNITS),
        ),
    )


def embedding(track_id: int, at_ns: int, value: float = 1.0) -> Embedding:
    return Embedding(
        track_id=track_id, captured_ns=at_ns, vector=np.full(WIDTH, value, np.float32), va=np.zeros(2, np.float32)
    )


def play(stream: Stream, times_ns: list[int], value: float = 1.0) -> tuple[list[AffectScore], StreamState | None]:
    """Feeds one face at each instant that starts a new grid step."""
    state: StreamState | None = None
    scores = []
    for at_ns in times_ns:
        if state is None or stream.slot(at_ns) > state.slot:
            (score,), (state,) = stream.step([embedding(1, at_ns, value)], [state])
            scores.append(score)
    return scores, state


def test_camera_rate_does_not_change_the_dynamics(manifest: Manifest) -> None:
    ends = {}
    for fps in (30, 15, 10, 5, 2):
        scores, state = play(Stream(LeakyHead(), manifest), [round(i * NS / fps) for i in range(3 * fps + 1)])
        assert state is not None
        ends[fps] = scores[-1].valence
    assert len(set(ends.values())) == 1, ends


@pytest.mark.parametrize("jitter_ns", [0, 20_000_000, 45_000_000])
def test_camera_at_the_grid_s_own_rate_fills_each_step_once_despite_its_jitter(
    manifest: Manifest, jitter_ns: int
) -> None:
    times = [i * STEP_NS + (jitter_ns if i % 2 else -jitter_ns) for i in range(1, 40)]
    scores, state = play(Stream(LeakyHead(), manifest), times)
    assert state is not None
    assert len(scores) == state.seen == 39


def test_missing_steps_hold_the_last_embedding(manifest: Manifest) -> None:
    stream = Stream(LeakyHead(), manifest)
    _, (state,) = stream.step([embedding(1, 0, 1.0)], [None])
    (score,), (state,) = stream.step([embedding(1, 4 * STEP_NS, 0.0)], [state])
    c = 0.0
    for value in (1.0, 1.0, 1.0, 1.0, 0.0):
        c = 0.8 * c + 0.2 * value
    assert score.valence == pytest.approx(c)
    assert state.seen == 2


def test_gap_longer_than_reset_starts_anew(manifest: Manifest) -> None:
    stream = Stream(LeakyHead(), manifest)
    _, state = play(stream, [i * STEP_NS for i in range(20)])
    _, (kept,) = stream.step([embedding(1, 29 * STEP_NS)], [state])
    _, (fresh,) = stream.step([embedding(1, 30 * STEP_NS)], [state])
    assert (kept.seen, fresh.seen) == (21, 1)


def test_score_is_warm_after_the_warm_up(manifest: Manifest) -> None:
    scores, _ = play(Stream(LeakyHead(), manifest), [i * STEP_NS for i in range(8)])
    assert [s.warm for s in scores] == [False] * 4 + [True] * 4


def test_held_steps_warm_nothing(manifest: Manifest) -> None:
    """A face seen in five steps of forty: the state moved forty times, the face was looked at five times."""
    scores, state = play(Stream(LeakyHead(), manifest), [i * STEP_NS for i in range(0, 40, 8)])
    assert state is not None
    assert state.seen == 5
    assert [score.warm for score in scores] == [False] * 4 + [True]


def test_all_faces_due_share_one_call(manifest: Manifest) -> None:
    head = LeakyHead()
    stream = Stream(head, manifest)
    stream.step([embedding(i, 0) for i in range(6)], [None] * 6)
    assert head.batches == [6]


def test_faces_together_equal_each_alone(manifest: Manifest) -> None:
    stream = Stream(LeakyHead(), manifest)
    late = play(stream, [0], 0.5)[1]
    early = play(stream, [2 * STEP_NS], -0.3)[1]
    faces = [embedding(1, 3 * STEP_NS, 0.1), embedding(2, 3 * STEP_NS, 0.9), embedding(3, 3 * STEP_NS, 0.4)]
    states = [late, early, None]
    together, _ = stream.step(faces, states)
    alone = [stream.step([face], [state])[0][0] for face, state in zip(faces, states, strict=True)]
    assert together == alone


def test_step_changes_no_state_it_was_given(manifest: Manifest) -> None:
    stream = Stream(LeakyHead(), manifest)
    _, state = play(stream, [0, STEP_NS])
    assert state is not None
    before = state.c.copy()
    stream.step([embedding(1, 5 * STEP_NS, -1)], [state])
    assert np.array_equal(state.c, before)


def test_a_bundle_that_mirrors_shows_every_second_step_mirrored_and_others_none() -> None:
    bundle = load_bundle(default_bundle())
    graph = bundle.manifest.backbone
    engine = open_engine(bundle, graph.file, runtime="litert")
    pixels = np.random.default_rng(1).integers(0, 256, (*graph.image.shape[1:3], 3), dtype=np.uint8)
    at = [FaceCrop(track_id=1, pixels=pixels, captured_ns=step * STEP_NS + NS // 50) for step in range(3)]
    plain, mirrored = Backbone(engine, graph).run([pixels, pixels[:, ::-1]])[1]
    assert (plain != mirrored).any()
    said = [each.va for each in Backbone(engine, graph, STEP_NS).embed_all(at)]
    assert np.array_equal(said, [plain, mirrored, plain])
    assert np.array_equal([each.va for each in Backbone(engine, graph).embed_all(at)], [plain] * 3)
