"""What a ladder measured, as JSON beside its page; its gate; and what a board measured, which is added to it.

A board's file:

```json
{"format": 1, "step": "device", "host": "Raspberry Pi 5, LiteRT 2.3.0, 1 thread", "ms": 2.4,
 "graphs": {"backbone.tflite": "…", "head.tflite": "…"},
 "stream": {"diffusionfer/images/1.jpg": [0.3, -0.1]}, "frame": {}}
```

`step` is one of `STEPS`, `ms` the median for one face, `graphs` the SHA-256 of the bundle's two graphs as its manifest
names them, `stream` and `frame` valence and arousal by face id.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
import numpy as np

from convert.errors import DataError, GateError
from convert.metrics import TARGETS, cc, ccc, rmse, sagr
from convert.predict.evaluation import ANSWERS
from edge.values import Float32Array

FIRST = "keras"
# Each form that the network takes on its way to a device: its title, and the one that it is made from.
STEPS: dict[str, tuple[str, str | None]] = {
    FIRST: ("Keras float, whole sequence", None),
    "tflite-float": ("TFLite float", FIRST),
    "int8-builtin": ("int8, built-in kernels", "tflite-float"),
    "int8-xnnpack": ("int8, XNNPACK", "int8-builtin"),
    "streamed": ("**streamed int8 + float32 LSTM step**", "int8-xnnpack"),
    "onnx-fp16": ("ONNX fp16 + float32 step", FIRST),
    "onnx-qdq": ("ONNX QDQ int8 + float32 step", FIRST),
    "edge-tpu": ("Edge TPU", "streamed"),
    "tensorrt": ("TensorRT", "onnx-qdq"),
    "device": ("on the device", "streamed"),
}
MOST_RMS = 0.002  # between stepping and the whole sequence
_GROWTH, _NOISE = 2.0, 1e-5  # of that difference from the first tenth to the last; float32 rounding
T = TypeVar("T")
Answers = dict[str, tuple[float, float]]
Scores = dict[str, dict[str, dict[str, float]]]  # by answer (`frame`, `stream`), target and measure


class _Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Result(_Struct, frozen=True, kw_only=True):
    """One step on one host: agreement with the ratings; `gap`: largest and RMS difference of streamed answers to the
    step before; `ms` a face; `kb` of the files; `mmac` of one face.
    """

    step: str
    host: str
    scores: Scores
    gap: tuple[float, float] | None = None
    ms: float | None = None
    kb: float | None = None
    mmac: float | None = None


class SequenceCheck(_Struct, frozen=True, kw_only=True):
    """The step, one by one on int8 features, against Keras's whole sequence: RMS over all steps without a reset, over
    the first and the last tenth, and the largest difference.
    """

    steps: int
    rms: float
    largest: float
    first_rms: float
    last_rms: float


class Ladder(_Struct, frozen=True, kw_only=True):
    """The whole record; `graphs`: SHA-256 of backbone and head by file."""

    format: Literal[2] = 2
    bundle: str
    graphs: dict[str, str]
    data: str
    count: int
    quantization: str
    budget_ccc: float
    measured: str
    results: list[Result]
    sequence: SequenceCheck


class Measurement(_Struct, frozen=True, kw_only=True):
    """What a board measured; see this module's docstring."""

    format: Literal[1]
    step: str
    host: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    ms: float | None = None
    graphs: dict[str, str]
    frame: Answers = {}
    stream: Answers = {}


def score(rated: Float32Array, answers: Float32Array) -> dict[str, dict[str, float]]:
    """Agreement of answers (N, 2) with ratings (N, 2), by target and measure."""
    return {
        target: {each.__name__: round(each(rated[:, t], answers[:, t]), 5) for each in (ccc, cc, rmse, sagr)}
        for t, target in enumerate(TARGETS)
    }


def add_board(ladder: Ladder, new: Measurement, ratings: Mapping[str, tuple[float, float]], where: str) -> Ladder:
    """The ladder with a board's result in place of an earlier one of the same host.

    Args:
        ladder: to add to.
        new: what the board measured.
        ratings: by face id.
        where: the file, for messages.

    Raises:
        DataError: the step is none, another network was measured, or a face is not rated.
    """
    if new.step not in STEPS:
        raise DataError(f"{where}: {new.step} is no step; there are {', '.join(STEPS)}")
    if new.graphs != ladder.graphs:
        raise DataError(f"{where}: measured the graphs {new.graphs}, the ladder's are {ladder.graphs}")
    scores = {}
    for answer in ANSWERS:
        given: Answers = getattr(new, answer)
        unknown = sorted(given.keys() - ratings.keys())
        if unknown:
            raise DataError(f"{where}: {unknown[0]} is no face that this ladder's data rates")
        if given:
            rated, said = (np.array([by[name] for name in sorted(given)], np.float32) for by in (ratings, given))
            scores[answer] = score(rated, said)
    added = Result(step=new.step, host=new.host, ms=new.ms, scores=scores)
    kept = [result for result in ladder.results if (result.step, result.host) != (new.step, new.host)]
    order = list(STEPS)
    results = sorted([*kept, added], key=lambda result: order.index(result.step))
    return msgspec.structs.replace(ladder, results=results)


def losses(ladder: Ladder) -> list[str]:
    """What lost more than the budget, against the step before or the float network; a sentence each."""
    firsts = {result.step: result for result in reversed(ladder.results)}
    told = []
    for result in ladder.results:
        for against in dict.fromkeys((STEPS[result.step][1], FIRST)):
            before = firsts.get(against or "")
            for answer, by_target in result.scores.items() if before and before is not result else ():
                for target, found in by_target.items():
                    drop = before.scores.get(answer, {}).get(target, found)["ccc"] - found["ccc"] if before else 0.0
                    if drop > ladder.budget_ccc:
                        told.append(
                            f"{result.step} on {result.host} loses {drop:.4f} of {target} ({answer}) to {against}"
                        )
    return told


def check(ladder: Ladder) -> None:
    """Lets a ladder pass, or says what is wrong with it.

    Raises:
        GateError: a step lost more than the budget, or stepping drifts from the whole sequence.
    """
    told, found = losses(ladder), ladder.sequence
    if told:
        more = f"; {len(told) - 1} more above it" if len(told) > 1 else ""
        raise GateError(f"{told[0]}; {ladder.quantization} allows {ladder.budget_ccc:g}{more}")
    if not found.rms <= MOST_RMS:
        raise GateError(f"streamed: {found.rms:.4f} RMS from the whole sequence, above {MOST_RMS}")
    if not found.last_rms <= max(_GROWTH * found.first_rms, _NOISE):
        raise GateError(
            f"streamed: the difference to the whole sequence grows, {found.first_rms:.1e} RMS in the first tenth of "
            f"{found.steps} steps, {found.last_rms:.1e} in the last"
        )


def read(path: Path, kind: type[T]) -> T:
    """Reads a `Ladder` or a `Measurement`.

    Raises:
        DataError: it is missing or not what the module's docstring says.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error
