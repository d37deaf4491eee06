"""Measures the rungs of this machine: agreement, differences, time, and that streaming equals the whole sequence."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from convert.ladder.contenders import Contender, Look, make_contenders
from convert.ladder.float_network import FloatNetwork
from convert.ladder.record import Answers, Ladder, Result, SequenceCheck, measure_gaps, name_answers, name_graphs, score
from convert.ladder.rungs import COMPARED_ELSEWHERE, find_rung
from convert.package.trained import Trained
from convert.predict.evaluation import Device
from convert.predict.temporal import measure_drift
from convert.progress import Progress
from convert.quantize.recipes import QuantizationRecipe
from convert.train.material import VALIDATION_DATA, Pictures
from convert.train.sequences import Sequences
from edge.affect.stream import Stream
from edge.model.bundle import Bundle
from edge.model.golden import step_through
from edge.values import Float32Array, UInt8Array

_REPEATS, _FACES = 15, 4  # of every contender in turn, so that what else the machine does falls on all alike
_SEQUENCE_STEPS = 10_000
_HOLD = (2, 20)  # steps that the sequence stays with a face


def measure(trained: Trained, pictures: Pictures, way: QuantizationRecipe) -> Ladder:
    """Climbs the ladder.

    Args:
        trained: weights and bundle.
        pictures: with a held-out part that raters judged.
        way: names the budget.

    Raises:
        TrainingError: a converter failed.
    """
    contenders, keras = make_contenders(trained, pictures.to_calibrate_on(trained.recipe))
    names = [face.name for face in pictures.held]
    answers: dict[str, dict[str, Answers]] = {}
    results = []
    with Progress("answers", len(contenders), every=1) as progress:
        for contender in contenders:
            embeddings, frame = contender.look(pictures.images)
            stream = contender.follow(embeddings)
            both = {"frame": name_answers(names, frame), "stream": name_answers(names, stream)}
            answers[contender.rung] = both
            before = find_rung(contender.rung).before
            results.append(
                Result(
                    rung=contender.rung,
                    host=f"{platform.machine()}, {contender.host}",
                    agreement={"frame": score(pictures.rated, frame), "stream": score(pictures.rated, stream)},
                    gap=measure_gaps(both, answers[before]) if before else {},
                    bytes=contender.size,
                    macs=contender.macs,
                    answers=both if contender.rung in COMPARED_ELSEWHERE else {},
                )
            )
            progress.advance()
    spent = time_contenders(contenders, pictures.images)
    by_rung = {contender.rung: contender for contender in contenders}
    manifest = trained.bundle.manifest
    return Ladder(
        bundle=f"{manifest.name} {manifest.version}",
        graphs=name_graphs(manifest),
        data=VALIDATION_DATA,
        count=len(names),
        quantization=way.name,
        budget_ccc=way.budget_ccc,
        measured=f"{time.strftime('%Y-%m-%d', time.gmtime())} on {platform.machine()}, {_processor()}",
        results=[_with_time(result, spent[result.rung]) for result in results],
        sequence=check_sequence(
            trained.bundle,
            keras,
            by_rung["int8-xnnpack"].look,
            pictures.images,
            steps=_SEQUENCE_STEPS,
            others={each.rung: each.stream for each in contenders if each.stream and not find_rung(each.rung).gated},
        ),
    )


def time_contenders(contenders: Sequence[Contender], images: UInt8Array) -> dict[str, float]:
    """Milliseconds a face by rung: the median over interleaved repeats, after one warm-up each.

    Of the processor's time, which on one thread is the clock's, less what other programs took in between.
    """
    took: dict[str, list[float]] = {contender.rung: [] for contender in contenders}
    with Progress("times", _REPEATS, every=5) as progress:
        for repeat in range(_REPEATS):
            for contender in contenders:
                contender.once(images[:1])
                for number in range(_FACES):
                    crop = images[(repeat * _FACES + number) % len(images)][None]
                    started = time.process_time()
                    contender.once(crop)
                    took[contender.rung].append(time.process_time() - started)
            progress.advance()
    return {rung: round(1e3 * float(np.median(seconds)), 4) for rung, seconds in took.items()}


def check_sequence(
    bundle: Bundle,
    keras: FloatNetwork,
    look: Look,
    images: UInt8Array,
    *,
    steps: int,
    others: Mapping[str, Stream] | None = None,
    seed: int = 0,
) -> SequenceCheck:
    """Steps the bundle's head on int8 features of faces that come and stay, and compares with Keras's whole sequence.

    Args:
        bundle: whose head is stepped.
        keras: the float network.
        look: the int8 backbone.
        images: uint8 (N, S, S, 3) RGB, the faces.
        steps: without a reset.
        others: further steps to compare, for the record.
        seed: which face when, and for how long.
    """
    rng = np.random.default_rng(seed)
    order: list[int] = []
    while len(order) < steps:
        order += [int(rng.integers(len(images)))] * int(rng.integers(*_HOLD))
    shown = np.array(order[:steps])
    features, frame = (values[shown] for values in look(images))
    whole = keras.follow(features[None])[0]
    on_float = keras.follow(keras.look(images)[0][shown][None])[0]
    device = Device(bundle)
    stepped = _step(device.stream, features, bundle)
    apart = np.sqrt(np.mean((stepped - whole) ** 2, axis=1))
    tenth = max(steps // 10, 1)
    drift = measure_drift(device, Sequences(features[None], frame[None], frame[None]), steps=steps)
    return SequenceCheck(
        steps=steps,
        rms=_rms(apart),
        largest=float(np.abs(stepped - whole).max()),
        first_rms=_rms(apart[:tenth]),
        last_rms=_rms(apart[-tenth:]),
        float_rms=_rms(stepped - on_float),
        drift=drift.largest,
        cell=drift.cell,
        others={name: _rms(_step(stream, features, bundle) - whole) for name, stream in (others or {}).items()},
    )


def _step(stream: Stream, features: Float32Array, bundle: Bundle) -> Float32Array:
    """Answers (T, 2), cut to −1..1, to features (T, D) from a zero state, one after the other."""
    return np.clip(step_through(stream.run, features[:, None], bundle.manifest.head.h.shape[-1])[:, 0], -1, 1)


def _rms(values: Float32Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _with_time(result: Result, ms: float) -> Result:
    return msgspec.structs.replace(result, ms=ms)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"
