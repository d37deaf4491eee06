"""What a ladder measured, as JSON beside its table; and what a board measured, which is merged into it.

A board's file is one `Measurement`:

```json
{"format": 1, "rung": "device", "host": "Raspberry Pi 5, LiteRT 2.3.0, 1 thread", "ms": 2.4,
 "graphs": {"backbone.tflite": "…", "head.tflite": "…"},
 "frame": {"diffusionfer/1.jpg": [0.31, -0.12]}, "stream": {"diffusionfer/1.jpg": [0.3, -0.1]}}
```

`rung` is one of `rungs.RUNGS`, `ms` the median for one face, `graphs` the SHA-256 of the bundle's two graphs, as its
`manifest.json` names them: a manifest that gained a licence or a metric is still the same network. Either answer may be
left out, or the pictures' answers be replaced by `agreement`,
`{"stream": {"valence": {"ccc": …, "cc": …, "rmse": …, "sagr": …}, "arousal": {…}}}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np

from convert.errors import DataError
from convert.ladder.rungs import RUNGS, find_rung
from convert.metrics import TARGETS, cc, ccc, rmse, sagr
from convert.predict.evaluation import ANSWERS
from edge.model.bundle import Manifest
from edge.values import Float32Array

_DECIMALS = 5

T = TypeVar("T")
Answers = dict[str, tuple[float, float]]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class Score(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Agreement of one target with its ratings."""

    ccc: float
    cc: float
    rmse: float
    sagr: float


class Gap(NamedTuple):
    """Difference of answers between two rungs, over pictures and targets: the largest, and the root mean square."""

    largest: float
    rms: float


Agreement = dict[str, dict[str, Score]]  # by answer (`frame`, `stream`), then by target


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rung, as measured on one host.

    Attributes:
        ms: median for one face: the backbone, and the step where it is streamed.
        agreement: with the ratings.
        gap: of either answer, to the rung before.
        bytes: of backbone and step; 0 where there is no file.
        macs: of both, for one face.
        answers: by answer and picture, valence and arousal; kept where a board's rung is compared with them.
    """

    rung: str
    host: str
    ms: Positive | None = None
    agreement: Agreement = {}
    gap: dict[str, Gap] = {}
    bytes: int = 0
    macs: int = 0
    answers: dict[str, Answers] = {}


class SequenceCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The step, one by one on int8 features, against Keras's whole sequence.

    Attributes:
        steps: without a reset.
        rms, largest: to the whole sequence on the same features.
        first_rms, last_rms: of the first and of the last tenth.
        float_rms: to the whole sequence on the float network's features: int8's own part.
        drift: largest difference between a passage's first answers and those at the end of the stream.
        cell: largest value that a cell state took.
        others: RMS to the whole sequence of the steps that are here for the record, by rung.
    """

    steps: int
    rms: float
    largest: float
    first_rms: float
    last_rms: float
    float_rms: float
    drift: float
    cell: float
    others: dict[str, float] = {}


class Ladder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole record.

    Attributes:
        bundle: name and version.
        graphs: SHA-256 of its backbone and head, by file; the rest of a bundle may change and the ladder still holds.
        data: what the pictures are; `count` how many.
        quantization, budget_ccc: the recipe and what it allows.
    """

    format: Literal[1] = 1
    bundle: str
    graphs: dict[str, str]
    data: str
    count: int
    quantization: str
    budget_ccc: Positive
    measured: str
    results: list[Result]
    sequence: SequenceCheck | None = None


class Measurement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a board measured; see this module's docstring."""

    format: Literal[1]
    rung: str
    host: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    ms: Positive | None = None
    graphs: dict[str, str] = {}
    frame: Answers = {}
    stream: Answers = {}
    agreement: Agreement = {}


def name_graphs(manifest: Manifest) -> dict[str, str]:
    """SHA-256 of a bundle's backbone and head, by file."""
    return {file: manifest.files[file] for file in (manifest.backbone.file, manifest.head.file)}


def score(rated: Float32Array, answers: Float32Array) -> dict[str, Score]:
    """Agreement of answers (N, 2) with ratings (N, 2), by target."""
    return {
        target: Score(**{f.__name__: round(f(rated[:, t], answers[:, t]), _DECIMALS) for f in (ccc, cc, rmse, sagr)})
        for t, target in enumerate(TARGETS)
    }


def name_answers(names: Sequence[str], answers: Float32Array) -> Answers:
    """Answers (N, 2) by picture."""
    return {
        name: (round(float(v), _DECIMALS), round(float(a), _DECIMALS))
        for name, (v, a) in zip(names, answers, strict=True)
    }


def measure_gaps(answers: Mapping[str, Answers], before: Mapping[str, Answers]) -> dict[str, Gap]:
    """The difference by answer, over the pictures that both have."""
    gaps = {}
    for kind in ANSWERS:
        ours, others = answers.get(kind, {}), before.get(kind, {})
        shared = [name for name in ours if name in others]
        if shared:
            a, b = (np.array([one[name] for name in shared]) for one in (ours, others))
            gaps[kind] = Gap(round(float(np.abs(a - b).max()), _DECIMALS), round(rmse(b, a), _DECIMALS))
    return gaps


def merge(ladder: Ladder, new: Measurement, ratings: Mapping[str, tuple[float, float]], where: str) -> Ladder:
    """The ladder with a board's rung; what the same host said of it before is replaced.

    Args:
        ladder: to add to.
        new: what the board measured.
        ratings: by picture; needed where the board gives answers.
        where: the file, for messages.

    Raises:
        DataError: the rung is none, another network was measured, or a picture is not one of the ladder's.
    """
    rung = find_rung(new.rung)
    for file, digest in new.graphs.items():
        if digest != ladder.graphs.get(file):
            ours = ladder.graphs.get(file, "none")
            raise DataError(f"{where}: measured a {file} {digest[:12]}, the ladder's is {ours[:12]}")
    answers = {kind: given for kind in ANSWERS if (given := getattr(new, kind))}
    agreement = dict(new.agreement)
    for kind, given in answers.items():
        unknown = sorted(given.keys() - ratings.keys())
        if unknown:
            raise DataError(f"{where}: {unknown[0]} is no picture that this ladder's data rates")
        names = sorted(given)
        rated = np.array([ratings[name] for name in names], np.float32)
        agreement[kind] = score(rated, np.array([given[name] for name in names], np.float32))
    before = next((result for result in ladder.results if result.rung == rung.before), None)
    added = Result(
        rung=rung.name,
        host=new.host,
        ms=new.ms,
        agreement=agreement,
        gap=measure_gaps(answers, before.answers if before is not None else {}),
        answers=answers,
    )
    kept = [result for result in ladder.results if (result.rung, result.host) != (rung.name, new.host)]
    order = {each.name: number for number, each in enumerate(RUNGS)}
    results = sorted([*kept, added], key=lambda result: order[result.rung])
    return msgspec.structs.replace(ladder, results=results)


def read_measurement(path: Path) -> Measurement:
    """Reads a board's file.

    Raises:
        DataError: it is missing or not what the module's docstring says.
    """
    return _read(path, Measurement)


def read_ladder(path: Path) -> Ladder:
    """Reads a record; raises as `read_measurement`."""
    return _read(path, Ladder)


def write_ladder(path: Path, ladder: Ladder) -> None:
    """Writes a record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(ladder) + b"\n")


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error
