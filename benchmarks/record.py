"""What every measurement's file says: format, origin, machine and its load; writing and reading such files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from benchmarks.document import read_document, write_document
from convert.errors import DataError
from edge.cli.bench.quantiles import percentile
from edge.cli.bench.result import Host, LoadAverage, describe_host, describe_load, today
from edge.config import EngineConfig
from edge.version import VERSION, commit

FORMAT = 1


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement.

    Attributes:
        load: of the machine, while it was measured; None where the system does not tell.
        notes: what a reader of the figures has to know, in words.
    """

    format: int = FORMAT
    affect_edge: str
    commit: str
    date: str
    host: Host
    load: LoadAverage | None
    notes: list[str] = []


RecordType = TypeVar("RecordType", bound=Record)


def read_load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def this_commit() -> str:
    """The commit this was built from, shortened; of a checkout, the one that is checked out, as far as git is here."""
    if commit() != "checkout":
        return commit()[:10]
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],
            cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return commit()
    return found.stdout.strip()


def describe_origin(device_name: str, *, load_before: float, threads: int = 1) -> dict[str, Any]:
    """The fields of a `Record` that do not depend on what was measured, at the end of a measurement.

    Args:
        device_name: replaces what the machine calls itself; "" for none.
        load_before: `read_load` at the start.
        threads: that the measurement kept busy.
    """
    load, notes = describe_load(load_before, threads=threads)
    return {
        "affect_edge": VERSION,
        "commit": this_commit(),
        "date": today(),
        "host": describe_host(EngineConfig(threads=threads), "litert", device_name),
        "load": load,
        "notes": notes,
    }


def median_figure(samples: Sequence[float] | np.ndarray, *, digits: int = 4) -> Figure | None:
    """The median of a sample with the interval that `percentile` gives it; None of fewer than 6."""
    found = percentile(np.sort(np.asarray(samples, np.float64)), 0.5, digits=digits)
    return None if found is None else Figure(value=found.value, low=found.low, high=found.high)


def write_record(record: Record, path: Path) -> Path:
    """Writes into a file, or into a folder as `KIND-YYYY-MM-DD-<commit>-<device>.json`; returns where.

    Raises:
        DataError: it cannot be written.
    """
    kind = type(record).__name__.lower()
    target = path / f"{kind}-{record.date}-{record.commit}-{record.host.device}.json" if path.is_dir() else path
    return write_document(record, target, DataError)


def read_record(path: Path, kind: type[RecordType]) -> RecordType:
    """Reads a file that `write_record` wrote.

    Raises:
        DataError: it cannot be read, is another kind's, or of a later format; names the file.
    """
    made_by = f"python -m benchmarks {kind.__name__.lower()}"
    return read_document(path, kind, made_by=made_by, newest=FORMAT, failure=DataError)
