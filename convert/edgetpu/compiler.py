"""Runs `edgetpu_compiler` and reads its report, in the form of compiler 14 to 16 as published logs show it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from convert.edgetpu.audit import Audit
from convert.errors import CompilerError

PROGRAM, KNOWN_VERSION, MAPPED = "edgetpu_compiler", "16", "Mapped to Edge TPU"
_ROW = re.compile(r"^([A-Za-z][\w-]*)\s+(\d+)\s+(\S.*)$")
_TROUBLE = re.compile(r"^(ERROR: |Invalid model|Model (not|could not)|Compilation (failed|timed)|Internal).*$")


class Report(NamedTuple):
    """What the compiler said: its version, the compiled graph, and operators by (name, status)."""

    version: str
    output: Path
    statuses: Counter[tuple[str, str]]


def compile_graph(graph: Path, out: Path, *, runtime: int, timeout_s: int = 300) -> Report:
    """Compiles a `.tflite` file for an Edge TPU runtime of this version or later, into the folder `out`.

    The compiler runs in the graph's folder, so that a container needs to see that folder only.

    Raises:
        CompilerError: the compiler is missing, gave up, took too long, or said nothing that can be read.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise CompilerError(
            f"{PROGRAM} is not on the PATH. It runs on x86-64 Debian: install the package edgetpu-compiler as Coral's "
            'page "Edge TPU Compiler" says (coral.ai/docs/edgetpu/compiler), or use the container of docs/bundles.md'
        )
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
        told = "; ".join(dict.fromkeys(line.strip() for line in said.splitlines() if _TROUBLE.match(line.strip())))
        ended = f" and ended with {done.returncode}" if done.returncode else ""
        raise CompilerError(f"{graph}: {PROGRAM} gave up{ended}: {told[:400] or 'said nothing that can be read'}")
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
    statuses: Counter[tuple[str, str]] = Counter()
    for line in lines[heads[-1] + 1 :]:
        row = _ROW.match(line.strip())
        if row is not None:
            statuses[row[1], row[3].strip()] += int(row[2])
        elif line.strip() and statuses:
            break
    return Report(version[1], output, statuses)


def disagreements(audit: Audit, report: Report) -> list[str]:
    """Where the compiler did something else than the audit predicted, one line each; empty if they agree."""
    found = []
    if report.version.partition(".")[0] != KNOWN_VERSION:
        found.append(f"the compiler is version {report.version}; the audit follows version {KNOWN_VERSION}")
    if audit.rejected:
        found.append(f"the compiler took a graph that the audit rejects ({audit.rejected[0]})")
    expected = Counter((each.name, each.place == "tpu") for each in audit.operators)
    given: Counter[tuple[str, bool]] = Counter()
    for (name, status), number in report.statuses.items():
        given[name, status == MAPPED] += number
    for name in sorted({name for name, _ in expected | given}):
        if any(expected[name, tpu] != given[name, tpu] for tpu in (True, False)):
            why = "; ".join(sorted({s for (n, s) in report.statuses if n == name and s != MAPPED}))
            found.append(
                f"{name}: the audit expects {expected[name, True]} on the Edge TPU and {expected[name, False]} on the "
                f"CPU, the compiler says {given[name, True]} and {given[name, False]}" + (f" ({why})" if why else "")
            )
    return found
