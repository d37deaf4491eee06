"""Reads what `affect-edge bench` and `python -m benchmarks device` write."""

from __future__ import annotations

from pathlib import Path

from benchmarks.document import read_document
from edge.cli.bench import result
from edge.cli.bench.measure import STAGES as BOARD_STAGES
from edge.cli.bench.result import Result
from edge.errors import ConfigError

# Of `embed`, a workstation tells conversion and graph apart.
STAGES = tuple(
    part for stage in BOARD_STAGES for part in ((stage, "quantize", "invoke") if stage == "embed" else (stage,))
)


def read_result(path: Path) -> Result:
    """Reads a result.

    Raises:
        ConfigError: it cannot be read, is none, or of a later format; names the file.
    """
    return read_document(path, Result, made_by="affect-edge bench", newest=result.FORMAT, failure=ConfigError)
