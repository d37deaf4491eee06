"""The file that a measurement leaves: what was measured, on what, with what. `python -m benchmarks` reads it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from edge.affect.network import AffectModel
from edge.cli.bench.quantiles import Percentile, Quantiles
from edge.config import Config, EngineConfig
from edge.errors import ConfigError
from edge.version import VERSION

FORMAT = 1
_PACKAGES = {"litert": "ai-edge-litert", "tflite": "tflite-runtime", "onnx": "onnxruntime"}
_OTHERS = 1.0  # runnable tasks beside the measurement's own threads


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The machine, in words that another one of its kind would give too."""

    device: str
    model: str
    cores: int
    kernel: str
    governor: str | None
    python: str
    runtime: str
    threads: int
    delegate: str | None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The bundle that was measured: its hash and its accuracy, so that time never stands without accuracy."""

    name: str
    version: int
    sha256: str
    ccc: dict[str, float]
    ccc_data: str


class LoadAverage(msgspec.Struct, frozen=True, kw_only=True):
    """Runnable tasks, mean over the last minute; the measurement itself is one for each of its threads."""

    start: float
    end: float

    def busy(self, threads: int) -> bool:
        """Whether more worked than a measurement on so many threads."""
        return max(self.start, self.end) > threads + _OTHERS


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one load; what stands from `outside` on, by `python -m benchmarks device` alone."""

    faces: float  # in view, mean a frame
    fps: float  # frames a second by the input's own time; how often a face is due follows from it
    frame_ms: Quantiles  # from a frame's arrival until its scores lie in the window, where something was due
    stage_ms: dict[str, Quantiles]  # one sample for each frame in which the stage had something to do
    message_ms: Quantiles  # from a window's end until its message lies, encoded, in the outbox on disk
    cpu_core: float  # of one core, at `fps` frames a second; capture is in it
    scores_per_face_s: float  # how often each face was scored, a second of the input
    outside: float | None = None  # share of a frame's time that is neither capture, detector nor graph
    cpu_core_p50: Percentile | None = None  # `cpu_core` by seconds of the input, six or more: their median
    work: Percentile | None = None  # processor time of a second over that of a fixed calculation: the median
    every_frame: bool = False  # everything was asked for in every frame; else as configured


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """One minute of sustained work. What the system does not tell is None."""

    minute: int  # from 1
    frame_ms: Quantiles  # as in `Load`
    late: float  # share of frames that were not done before the next one came
    temperature_c: float | None = None  # at the end, like the next two
    cpu_mhz: int | None = None
    throttled: bool | None = None
    joules_per_frame: float | None = None  # of the whole processor; by `python -m benchmarks device` alone


class Cold(msgspec.Struct, frozen=True, kw_only=True):
    """The fastest of some starts with files cached, which load from elsewhere only lengthens."""

    tries: int
    first_score_s: float  # from the process's start
    import_s: float  # of `import edge` and what the run needs
    rss_mb: float  # most resident memory, after some seconds of work
    faces: int  # in view


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement."""

    format: int = FORMAT
    affect_edge: str = VERSION
    commit: str
    date: str
    host: Host
    bundle: Measured
    input: str
    detect_every: int | str = 1  # frames for each search, or `step`: one a step of the time grid; older files have 1
    loads: Sequence[Load]
    sustained: Sequence[Minute] = []
    cold: Cold | None = None  # by `python -m benchmarks device` alone
    load: LoadAverage | None = None  # while it was measured; None in older files
    notes: list[str] = []  # what a reader of the figures has to know, in words


def describe_host(engine: EngineConfig, runtime: str, name: str = "", *, root: Path = Path("/")) -> Host:
    """The machine this runs on, with the runtime that computes; `name` replaces what it calls itself."""
    model = _find(root / "proc/device-tree/model", r"([^\0]+)")
    model = model or _find(root / "proc/cpuinfo", r"model name\s*:\s*(.+)") or platform.machine()
    try:
        released = version(_PACKAGES[runtime])
    except PackageNotFoundError:  # a vendor's build
        released = "of its own"
    return Host(
        device=re.sub(r"[^a-z0-9]+", "-", (name or model).lower()).strip("-")[:48],
        model=model,
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        governor=_find(root / "sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "(.+)") or None,
        python=platform.python_version(),
        runtime=f"{runtime} {released}",
        threads=engine.threads,
        delegate=engine.delegate or None,
    )


def describe_bundle(model: AffectModel) -> Measured:
    """The bundle and its streamed accuracy, from its manifest."""
    manifest = model.bundle.manifest
    streamed = [metric for metric in manifest.metrics if metric.answer == "stream"]
    return Measured(
        name=manifest.name,
        version=manifest.version,
        sha256=model.bundle.sha256,
        ccc={metric.target: metric.ccc for metric in streamed},
        ccc_data=", ".join(sorted({f"{metric.data}, n = {metric.n}" for metric in streamed})),
    )


def describe_load(start: float, *, threads: int) -> tuple[LoadAverage, list[str]]:
    """The load average from an earlier reading until now, and what a reader has to know of it, in words."""
    load = LoadAverage(start=round(start, 2), end=round(os.getloadavg()[0], 2))
    said = f"others worked on the machine: load average {load.start:g} at the start, {load.end:g} at the end"
    return load, [f"{said}; times are longer than on a quiet one"] if load.busy(threads) else []


def make_result(
    config: Config,
    model: AffectModel,
    load_before: float,
    *,
    commit: str,
    device_name: str,
    source: str,
    loads: Sequence[Load],
    sustained: Sequence[Minute],
    cold: Cold | None = None,
) -> Result:
    """What was measured, with the machine and the bundle; `load_before` is the load average at the start."""
    load, notes = describe_load(load_before, threads=config.engine.threads)
    return Result(
        commit=commit,
        date=today(),
        host=describe_host(config.engine, model.runtime, device_name),
        bundle=describe_bundle(model),
        input=source,
        detect_every="step",
        loads=loads,
        sustained=sustained,
        cold=cold,
        load=load,
        notes=notes,
    )


def today() -> str:
    """The date, UTC."""
    return datetime.now(timezone.utc).date().isoformat()


def write_result(result: Result, path: Path) -> Path:
    """Writes into a file, or into a folder as `YYYY-MM-DD-<commit>-<device>.json`; returns where.

    Raises:
        ConfigError: it cannot be written.
    """
    target = path / f"{result.date}-{result.commit}-{result.host.device}.json" if path.is_dir() else path
    try:
        target.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    except OSError as error:
        raise ConfigError(f"--out {target}: cannot be written ({error.strerror})") from error
    return target


def _find(path: Path, pattern: str) -> str:
    """The group of the first line that begins like a pattern; empty where there is none."""
    try:
        found = re.search(f"^{pattern}", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""
