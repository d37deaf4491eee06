"""The streaming head: one LSTM step for all faces due, on the bundle's time grid.

State is data: it comes in as an argument and leaves as a result; this module keeps none. Whatever the camera's
rate, a state sees one step each `step_s`: steps that no frame served are made with the last embedding held, and a
gap longer than `reset_s` starts anew. So a camera at 10 frames a second and one at 30 drive the same dynamics. A held
step moves the state, but it is no look: only steps in which the face was seen make a score `warm`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.affect.backbone import check_tensor
from edge.clock import NS, grid_step
from edge.model.bundle import Manifest
from edge.model.engines import Engine
from edge.values import AffectScore, Embedding, Float32Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamState:
    """What one face's stream remembers."""

    h: Float32Array  # (units,), the LSTM's output
    c: Float32Array  # (units,), its cell
    embedding: Float32Array  # (D,), the last one, held over missing steps
    slot: int  # number of the grid step that was made last
    seen: int  # in how many steps the face was seen since the state was made; held steps are not in it


class Stream:
    """Steps the head graph.

    Args:
        engine: the head's graph.
        manifest: of the bundle; names tensors, grid, reset and warm-up.

    Raises:
        BundleError: the graph's tensors are not those the manifest names.
    """

    def __init__(self, engine: Engine, manifest: Manifest) -> None:
        self.engine = engine
        self._graph = graph = manifest.head
        for tensor in (graph.embedding, graph.h, graph.c):
            check_tensor(engine.inputs, tensor, graph.file)
        for tensor in (graph.va, graph.next_h, graph.next_c):
            check_tensor(engine.outputs, tensor, graph.file)
        self._units = graph.h.shape[-1]
        self._step_ns = round(manifest.step_s * NS)
        self._reset_slots = round(manifest.reset_s / manifest.step_s)
        self._warmup_steps = manifest.warmup_steps

    def slot(self, captured_ns: int) -> int:
        """Number of the grid step that an instant is nearest to."""
        return grid_step(captured_ns, self._step_ns)

    def step(
        self, embeddings: Sequence[Embedding], states: Sequence[StreamState | None]
    ) -> tuple[list[AffectScore], list[StreamState]]:
        """Brings every face's stream to its embedding's instant.

        Args:
            embeddings: N of them, each in a later grid step than its state's.
            states: the N states, in the same order; None for a new face.

        Returns:
            N scores and N new states. One call of the graph, plus one for each missed step of the face that
            missed most.
        """
        slots = [self.slot(embedding.captured_ns) for embedding in embeddings]
        started = [self._start(e, s, slot) for e, s, slot in zip(embeddings, states, slots, strict=True)]
        h = np.stack([state.h for state in started])
        c = np.stack([state.c for state in started])
        missed = np.array([slot - state.slot - 1 for slot, state in zip(slots, started, strict=True)])
        for done in range(int(missed.max(initial=0))):
            late = np.flatnonzero(missed > done)
            held = np.stack([started[row].embedding for row in late])
            _, h[late], c[late] = self.run(held, h[late], c[late])
        va, h, c = self.run(np.stack([e.vector for e in embeddings]), h, c)
        answers = np.minimum(np.maximum(va, -1), 1).tolist()
        scores, after = [], []
        for row, (embedding, state) in enumerate(zip(embeddings, started, strict=True)):
            seen = state.seen + 1
            after.append(StreamState(h=h[row], c=c[row], embedding=embedding.vector, slot=slots[row], seen=seen))
            (valence, arousal), warm = answers[row], seen >= self._warmup_steps
            track_id, at_ns = embedding.track_id, embedding.captured_ns
            scores.append(
                AffectScore(track_id=track_id, captured_ns=at_ns, valence=valence, arousal=arousal, warm=warm)
            )
        return scores, after

    def run(
        self, embedding: Float32Array, h: Float32Array, c: Float32Array
    ) -> tuple[Float32Array, Float32Array, Float32Array]:
        """One call of the graph: float32 (N, D), (N, units), (N, units) in; (N, 2), (N, units), (N, units) out."""
        graph = self._graph
        out = self.engine.invoke({graph.embedding.name: embedding, graph.h.name: h, graph.c.name: c})
        return out[graph.va.name], out[graph.next_h.name], out[graph.next_c.name]

    def _start(self, embedding: Embedding, state: StreamState | None, slot: int) -> StreamState:
        if state is not None and slot - state.slot <= self._reset_slots:
            return state
        zero = np.zeros(self._units, np.float32)
        return StreamState(h=zero, c=zero, embedding=embedding.vector, slot=slot - 1, seen=0)
