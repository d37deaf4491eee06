"""The report, for a reader who is no programmer: what was run, where bytes went, what they were, what was found."""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

import edge
from benchmarks.egress.audit import Audit
from benchmarks.egress.laboratory import Recording
from benchmarks.egress.outbox import PAGE, SPARE
from benchmarks.soak.broker import mosquitto_version
from edge.release import VERSION, commit

_LIMITS = (
    "A number is believed to mean what its field says. A program that wanted to deceive could put another one there. In "
    "this run it would have had {numbers} numbers and times in messages for it, each rounded as the contract says, and "
    "those in {lines} lines of the log and {answers} answers with metrics.",
    "The kernel, its drivers, the firmware and an accelerator's driver are believed: what they do on their own is not "
    "seen from here.",
    "Side channels are not looked for: when something is sent, how long a computation takes, how much current flows.",
    "It holds for this run, this version and these settings. Another camera backend or engine has to be run again.",
    "Random by design, so that only their number can be judged: 96 bytes of TLS a connection, two of each question to a "
    "name server, the outbox's `epoch`, four bytes made once, and on the device's own disk the salts of SQLite's log. "
    f"There SQLite also leaves up to {SPARE} bytes a page of {PAGE} uncleared.",
    "What people conclude from the numbers that are meant to leave is not covered: they are counts and averages of "
    "several visits, an expression is not a feeling, and visits are not unique visitors.",
    "Root on the device, or who takes out its storage, is outside of this; on the storage lie only the files named here.",
)
_PAGE = """\
# Did a picture leave the device?

**{verdict}**

Made by `python -m benchmarks egress`; [how it works and how to read it](egress.md). A number in the third column is the \
sum of the numbers in the fourth, or there is a finding.

## What was run

{ran}

## Findings

{findings}

## Every place that bytes were written to

{sinks}

Left in the outbox at the end: {rows} row(s). SQLite read each, in every state that the file had.

## What was seen

{seen}

Not seen in this run, so not proven by it: {unexercised}.

## What else the process touched

Each call is known with all of its arguments; one that is not on the list would be a finding. `<run>` is the folder of \
the run, `<python>` the interpreter with its packages, `<code>` affect-edge.

{touches}

## What this does not prove

{limits}
"""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a run, as it is kept in JSON: plain values, without a path of this machine."""

    verdict: str
    ran: dict[str, str]
    findings: list[tuple[str, str]]
    sinks: list[tuple[str, int, int, dict[str, int]]]  # place, writes, bytes, and what the bytes were
    rows: int
    seen: dict[str, int]
    unexercised: list[str]
    touches: list[tuple[str, int, str]]
    limits: list[str]


def make_report(recording: Recording, audit: Audit, *, source: str) -> Report:
    """Everything that the audit knows.

    Args:
        recording: the run.
        audit: of it.
        source: what the camera was, in words.
    """
    ledger, seen, now = audit.ledger, audit.ledger.seen, dt.datetime.now(dt.timezone.utc)
    counts = {"numbers": seen["number sent"], "lines": seen["log line"], "answers": seen["answer with metrics"]}
    if recording.pictures.is_file():
        digest = hashlib.sha256(recording.pictures.read_bytes()).hexdigest()
        source += f", {recording.pictures.stat().st_size} bytes, SHA-256 {digest}"
    strace = subprocess.run(["strace", "-V"], capture_output=True, text=True, check=False).stdout.partition("\n")[0]
    system = f"{platform.system()} {platform.release()}, {platform.machine()}, Python {platform.python_version()}"
    return Report(
        verdict=_verdict(audit),
        ran={
            "date": f"{now:%Y-%m-%d %H:%M} UTC",
            "command": f"`affect-edge run --config config.toml`, watched by {strace.replace(' -- version', '')}",
            "release": f"affect-edge {VERSION}, commit {_commit()}",
            "model": f"the bundle that ships, SHA-256 {audit.model_sha256}",
            "camera": f"`{recording.config.camera.backend}`: {source}",
            "broker": f"Mosquitto {mosquitto_version()} behind an end of TLS 1.3, on loopback",
            "machine": system,
            "duration": f"{recording.seconds:.0f} s, {len(recording.calls)} watched system calls, exit code "
            f"{recording.exit_code}",
        },
        findings=[(where, what) for where, what in ledger.findings],
        sinks=sorted(
            ((name, sink.writes, sink.size, dict(sink.accounted)) for name, sink in ledger.sinks.items()),
            key=lambda sink: -sink[2],
        ),
        rows=audit.rows,
        seen=dict(sorted(seen.items())),
        unexercised=audit.unexercised,
        touches=[(name, times, why) for (name, why), times in sorted(ledger.touches.items(), key=lambda t: t[0][::-1])],
        limits=[limit.format(**counts) for limit in _LIMITS],
    )


def render(report: Report) -> str:
    """The page, in Markdown."""
    known = ("; ".join(f"{what}: {size}" for what, size in sink[3].items()) or "**nothing" for sink in report.sinks)
    sinks = ((f"`{name}`", writes, size, what) for (name, writes, size, _), what in zip(report.sinks, known, strict=True))
    return _PAGE.format(
        verdict=report.verdict,
        ran=_table(("", ""), report.ran.items()),
        findings=_table(("where", "what"), report.findings) if report.findings else "None.",
        sinks=_table(("place", "writes", "bytes", "what they were, in bytes"), sinks),
        rows=report.rows,
        seen=_table(("what", "times"), report.seen.items()),
        unexercised=", ".join(report.unexercised) or "nothing",
        touches=_table(("what", "times", "why it is known"), ((f"`{a}`", b, c) for a, b, c in report.touches)),
        limits="\n".join(f"- {limit}" for limit in report.limits),
    )


def _verdict(audit: Audit) -> str:
    ledger = audit.ledger
    if ledger.findings:
        places = sorted({finding.where for finding in ledger.findings})
        return f"Not passed: {len(ledger.findings)} findings, in {', '.join(places[:6])}."
    if not audit.clean:
        return "Nothing proven: no window was published in this run; give a longer video."
    total, writes = (sum(getattr(sink, name) for sink in ledger.sinks.values()) for name in ("size", "writes"))
    return (
        f"Passed: each of the {total} bytes that the process wrote in {writes} writes to {len(ledger.sinks)} places is "
        "accounted for, and none of them is part of a picture."
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)


def _commit() -> str:
    """Of the wheel, or of the checkout, which may differ from it."""
    if commit() != "checkout":
        return commit()
    git = ["git", "-C", str(Path(edge.__file__).parent)]
    named = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "status", "--porcelain", "--", "."], capture_output=True, text=True, check=False)
    return (named.stdout.strip() or "unknown") + (" with changes in `edge`" if changed.stdout.strip() else "")
