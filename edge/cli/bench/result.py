"""The file that a measurement leaves: what was measured, on what, with what. `python -m benchmarks` reads it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from edge.affect.model import AffectModel
from edge.cli.bench.busy import LoadAverage
from edge.cli.bench.cold import Cold
from edge.cli.bench.document import read_document, write_document
from edge.cli.bench.measure import Load
from edge.cli.bench.quantiles import Quantiles
from edge.config import EngineConfig
from edge.errors import ConfigError
from edge.release import VERSION, commit

FORMAT = 1
_SLUG = re.compile(r"[^a-z0-9]+")
_PACKAGES = {"litert": "ai-edge-litert", "tflite": "tflite-runtime", "onnx": "onnxruntime"}


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
    """The bundle that was measured: its hash, and what it is good for, so that time never stands without accuracy."""

    name: str
    version: int
    sha256: str
    ccc: dict[str, float]
    ccc_data: str


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """One minute of sustained work.

    Attributes:
        minute: from 1.
        frame_ms: as in `Load`.
        late: share of frames that were not done before the next one came.
        temperature_c, cpu_mhz, throttled: at its end; None where the system does not tell.
        joules_per_frame: of the whole package; None as above.
    """

    minute: int
    frame_ms: Quantiles
    late: float
    temperature_c: float | None = None
    cpu_mhz: int | None = None
    throttled: bool | None = None
    joules_per_frame: float | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement.

    Attributes:
        detect_every: the configuration's `face.detect_every`; older files searched in every frame.
        load: of the machine, while it was measured; None in older files and where the system does not tell.
        notes: what a reader of the figures has to know, in words.
    """

    format: int = FORMAT
    affect_edge: str = VERSION
    commit: str
    date: str
    host: Host
    bundle: Measured
    input: str
    detect_every: int | str = 1
    cold: Cold | None
    loads: list[Load]
    sustained: list[Minute] = []
    load: LoadAverage | None = None
    notes: list[str] = []

    @property
    def file_name(self) -> str:
        """`YYYY-MM-DD-<commit>-<device>.json`."""
        return f"{self.date}-{self.commit}-{self.host.device}.json"


def describe_host(engine: EngineConfig, runtime: str, name: str = "", *, root: Path = Path("/")) -> Host:
    """The machine this runs on, with the runtime that computes; `name` replaces what it calls itself."""
    model = _first_line(root / "proc/device-tree/model").rstrip("\0") or _cpu_name(root) or platform.machine()
    return Host(
        device=_SLUG.sub("-", (name or model).lower()).strip("-")[:48],
        model=model,
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        governor=_first_line(root / "sys/devices/system/cpu/cpufreq/policy0/scaling_governor") or None,
        python=platform.python_version(),
        runtime=f"{runtime} {_installed_version(runtime)}",
        threads=engine.threads,
        delegate=engine.delegate or None,
    )


def _installed_version(runtime: str) -> str:
    try:
        return version(_PACKAGES[runtime])
    except PackageNotFoundError:  # a vendor's build
        return "of its own"


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


def today() -> str:
    """The date, UTC."""
    return datetime.now(timezone.utc).date().isoformat()


def this_commit() -> str:
    """The commit this was built from, shortened; of a checkout, the one that is checked out, as far as git is here."""
    if commit() != "checkout":
        return commit()[:10]
    folder = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],
            cwd=folder, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return commit()
    return found.stdout.strip()


def write_result(result: Result, path: Path) -> Path:
    """Writes into a file, or into a folder under the result's own name; returns where.

    Raises:
        ConfigError: it cannot be written.
    """
    return write_document(result, path / result.file_name if path.is_dir() else path, ConfigError)


def read_result(path: Path) -> Result:
    """Reads a result.

    Raises:
        ConfigError: it cannot be read, is none, or of a later format; names the file.
    """
    return read_document(path, Result, made_by="affect-edge bench", newest=FORMAT, failure=ConfigError)


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[0].strip()
    except (OSError, IndexError):
        return ""


def _cpu_name(root: Path) -> str:
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
