"""What `affect-edge bench` writes, and what is measured besides on a workstation: one kind of file, read here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.document import read_document
from edge.cli.bench import result as board
from edge.cli.bench.measure import STAGES as BOARD_STAGES
from edge.cli.bench.quantiles import Percentile
from edge.errors import ConfigError

# Of `embed`, a workstation tells conversion and graph apart.
STAGES = tuple(
    part for stage in BOARD_STAGES for part in ((stage, "quantize", "invoke") if stage == "embed" else (stage,))
)


class Load(board.Load, frozen=True, kw_only=True):
    """One load. What a board does not measure, or an older file does not have, is None.

    Attributes:
        outside: share of a frame's time that is neither capture, detector nor graph.
        cpu_core_p50: `cpu_core` by seconds of the input: their median; None of fewer than 6 seconds.
        work: processor time of a second of the input over that of a fixed calculation beside it (`Baseline`); the
            median of the seconds; None of fewer than 6.
        every_frame: whether faces were searched for in every frame and each was scored in it, the most that can be
            asked; else as configured.
    """

    outside: float | None = None
    cpu_core_p50: Percentile | None = None
    work: Percentile | None = None
    every_frame: bool = False


class Minute(board.Minute, frozen=True, kw_only=True):
    """One minute of sustained work.

    Attributes:
        joules_per_frame: of the whole package; None where the system does not tell.
    """

    joules_per_frame: float | None = None


class Cold(msgspec.Struct, frozen=True, kw_only=True):
    """The fastest of some starts with files cached, which load from elsewhere only lengthens.

    Attributes:
        tries: starts.
        first_score_s: from the process's start to its first score.
        import_s: of `import edge` and what the run needs.
        rss_mb: most resident memory, after some seconds of work on a crowd of `faces`.
        faces: in view.
    """

    tries: int
    first_score_s: float
    import_s: float
    rss_mb: float
    faces: int


class Result(board.Result, frozen=True, kw_only=True):
    """One measurement of `affect-edge bench`, and what a workstation adds.

    Attributes:
        cold: start-up and memory; None where they were not measured.
    """

    loads: Sequence[Load]
    sustained: Sequence[Minute] = msgspec.field(default_factory=list)
    cold: Cold | None = None


def read_result(path: Path) -> Result:
    """Reads a result of `affect-edge bench` or of `python -m benchmarks device`.

    Raises:
        ConfigError: it cannot be read, is none, or of a later format; names the file.
    """
    return read_document(path, Result, made_by="affect-edge bench", newest=board.FORMAT, failure=ConfigError)
