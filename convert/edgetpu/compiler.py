"""Runs `edgetpu_compiler` and reads its report. The format is that of compiler 14 to 16, as published logs show it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from convert.edgetpu.audit import Audit
from convert.errors import CompilerError

PROGRAM = "edgetpu_compiler"
KNOWN_VERSION = "16"
MAPPED = "Mapped to Edge TPU"
HOW_TO_GET_IT = (
    f"{PROGRAM} is not on the PATH. It runs on x86-64 Debian: install the package edgetpu-compiler as Coral's page "
    '"Edge TPU Compiler" says (coral.ai/docs/edgetpu/compiler), or use the container of docs/bundles.md'
)
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_ROW = re.compile(r"^([A-Za-z][A-Za-z0-9_-]*)\s+(\d+)\s+(\S.*)$")
_TROUBLE = re.compile(
    r"^(ERROR: .*|Invalid model: .*|Model not quantized.*|Model could not be parsed.*|Compilation failed: .*"
    r"|Internal compiler error.*|Compilation timed out.*)$"
)
# What the compiler says, and what helps.
_FIXES = (
    ("not quantized", "quantize it to int8 first (python -m convert quantize)"),
    ("dynamic-sized", "export it with a fixed batch of 1"),
    (
        "find op for builtin opcode",
        "the graph comes from a newer converter; `python -m convert audit` names the operator",
    ),
    ("Internal compiler error", "seen with very large tensors; try a smaller input or fewer channels"),
    ("failed to prepare", "check that it runs in TensorFlow Lite: `python -m convert audit`"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the compiler said.

    Attributes:
        version: such as `16.0.384591198`.
        output: the compiled graph.
        subgraphs: how many parts of the graph run on the Edge TPU.
        cached_bytes, free_bytes, streamed_bytes: parameters on the chip, room left there, and what is sent each time.
        statuses: operators by (name, status).
    """

    version: str
    output: Path
    subgraphs: int
    cached_bytes: int
    free_bytes: int
    streamed_bytes: int
    statuses: dict[tuple[str, str], int]

    def count(self, *, mapped: bool) -> Counter[str]:
        """Operators by name, those on the Edge TPU or the others."""
        found: Counter[str] = Counter()
        for (name, status), number in self.statuses.items():
            if (status == MAPPED) is mapped:
                found[name] += number
        return found


def find_compiler() -> str:
    """The compiler's path.

    Raises:
        CompilerError: it is not here; says how to get it.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise CompilerError(HOW_TO_GET_IT)
    return program


def compile_graph(program: str, graph: Path, out: Path, *, runtime: int, timeout_s: int = 300) -> Report:
    """Compiles a `.tflite` file.

    Args:
        program: the compiler.
        graph: the file; the compiler runs in its folder, so that a container needs to see that folder only.
        out: folder for the result.
        runtime: lowest Edge TPU runtime that the result has to run on.
        timeout_s: for the whole run.

    Raises:
        CompilerError: the compiler cannot be started, gave up, took too long, or said nothing that can be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    folder = graph.resolve().parent
    target = "." if out.resolve() == folder else str(out.resolve())
    command = [program, "-s", "-m", str(runtime), "-o", target, graph.name]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise CompilerError(f"{graph}: {PROGRAM} took more than {timeout_s} s; raise --timeout") from None
    except OSError as error:
        raise CompilerError(f"{program}: cannot be started ({error.strerror}); it runs on x86-64 only") from error
    said = f"{done.stdout}\n{done.stderr}"
    report = read_report(said, out / f"{graph.stem}_edgetpu.tflite")
    if done.returncode != 0 or report is None:
        raise CompilerError(f"{graph}: {PROGRAM} {_trouble(said, done.returncode)}")
    if not report.output.is_file():
        raise CompilerError(f"{report.output}: {PROGRAM} says that it wrote it, but it is not there")
    return report


def read_report(said: str, output: Path) -> Report | None:
    """Reads what `edgetpu_compiler -s` prints; None if it does not tell of a compiled graph."""
    version = re.search(r"^Edge TPU Compiler version (\S+)", said, re.MULTILINE)
    lines = said.splitlines()
    heads = [number for number, line in enumerate(lines) if line.split() == ["Operator", "Count", "Status"]]
    if version is None or not heads or "compiled successfully" not in said:
        return None
    statuses: dict[tuple[str, str], int] = {}
    for line in lines[heads[-1] + 1 :]:
        row = _ROW.match(line.strip())
        if row is not None:
            key = (row[1], row[3].strip())
            statuses[key] = statuses.get(key, 0) + int(row[2])
        elif line.strip() and statuses:
            break
    return Report(
        version=version[1],
        output=output,
        subgraphs=int(_value(said, "Number of Edge TPU subgraphs") or 0),
        cached_bytes=_bytes(said, "On-chip memory used for caching model parameters"),
        free_bytes=_bytes(said, "On-chip memory remaining for caching model parameters"),
        streamed_bytes=_bytes(said, "Off-chip memory used for streaming uncached model parameters"),
        statuses=statuses,
    )


def disagreements(audit: Audit, report: Report) -> list[str]:
    """Where the compiler did something else than the audit predicted, one line each; empty if they agree."""
    found = []
    if report.version.partition(".")[0] != KNOWN_VERSION:
        found.append(f"the compiler is version {report.version}; the audit follows version {KNOWN_VERSION}")
    if audit.rejected:
        found.append(f"the compiler took a graph that the audit rejects ({audit.rejected[0]})")
    predicted = Counter(verdict.layer.operator for verdict in audit.mapped)
    left = Counter(verdict.layer.operator for verdict in audit.verdicts if verdict.place != "tpu")
    mapped, on_cpu = report.count(mapped=True), report.count(mapped=False)
    for name in sorted(predicted.keys() | left.keys() | mapped.keys() | on_cpu.keys()):
        if predicted[name] != mapped[name] or left[name] != on_cpu[name]:
            why = "; ".join(sorted({s for (n, s) in report.statuses if n == name and s != MAPPED}))
            found.append(
                f"{name}: the audit expects {predicted[name]} on the Edge TPU and {left[name]} on the CPU, "
                f"the compiler says {mapped[name]} and {on_cpu[name]}" + (f" ({why})" if why else "")
            )
    if bool(audit.streamed_bytes) != bool(report.streamed_bytes):
        found.append(
            f"parameters off the chip: the audit expects {audit.streamed_bytes} bytes, "
            f"the compiler says {report.streamed_bytes}"
        )
    return found


def _trouble(said: str, code: int) -> str:
    lines = [line.strip() for line in said.splitlines() if _TROUBLE.match(line.strip())]
    told = "; ".join(dict.fromkeys(lines))[:400] or "said nothing that can be read as a report"
    fix = next((fix for sign, fix in _FIXES if sign in told), "")
    ended = "" if code == 0 else f" and ended with {code}"
    return f"gave up{ended}: {told}" + (f"; {fix}" if fix else "")


def _value(said: str, label: str) -> str | None:
    found = re.search(rf"^{re.escape(label)}: (\S+)$", said, re.MULTILINE)
    return found[1] if found else None


def _bytes(said: str, label: str) -> int:
    """`6.86MiB` in bytes, as exactly as the compiler's two digits allow."""
    match = re.match(r"^([\d.]+)(B|KiB|MiB|GiB)$", _value(said, label) or "")
    return round(float(match[1]) * _UNITS[match[2]]) if match else 0
