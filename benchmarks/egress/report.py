"""The report, for a reader who is no programmer: what was run, where bytes went, what they were, what was found."""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
import subprocess
from collections.abc import Iterable
from typing import Any

import msgspec

from benchmarks.egress.audit import Audit
from benchmarks.egress.laboratory import Recording
from benchmarks.egress.outbox import PAGE, SPARE
from benchmarks.record import this_commit
from benchmarks.soak.broker import mosquitto_version
from edge.version import VERSION

_PAGE = """\
# Did a picture leave the device?

**{verdict}**

Made by `python -m benchmarks egress`; [how it works and how to read it](egress.md). A number in the third column is the
sum of the numbers in the fourth, or there is a finding.

## What was run

{ran}

## Findings

{findings}

## Every place that bytes were written to

{places}

Left in the outbox at the end: {rows} row(s). SQLite read each, in every state that the file had.

## What was seen

{seen}

Not seen in this run, so not proven by it: {unexercised}.

## What else the process touched

Each call is known with all of its arguments; one that is not on the list would be a finding. `<run>` is the folder of
the run, `<python>` the interpreter with its packages, `<code>` affect-edge.

{touches}

## What this does not prove

- A number is believed to mean what its field says. A program that wanted to deceive could put another one there. In
  this run it would have had {numbers} numbers and times in messages for it, each rounded as the contract says, and
  those in {lines} lines of the log and {answers} answers with metrics.
- The kernel, its drivers, the firmware and an accelerator's driver are believed: what they do on their own is not seen
  from here.
- Side channels are not looked for: when something is sent, how long a computation takes, how much current flows.
- It holds for this run, this version and these settings. Another camera backend or engine has to be run again.
- Random by design, so that only their number can be judged: 96 bytes of TLS a connection, two of each question to a
  name server, the outbox's `epoch`, four bytes made once, and on the device's own disk the salts of SQLite's log.
  There SQLite also leaves up to {spare} bytes a page of {page} uncleared.
- What people conclude from the numbers that are meant to leave is not covered: they are counts and averages of several
  visits, an expression is not a feeling, and visits are not unique visitors.
- Root on the device, or who takes out its storage, is outside of this; on the storage lie only the files named here.
"""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a run, as it is kept in JSON: plain values, without a path of this machine."""

    verdict: str
    ran: dict[str, str]
    findings: list[tuple[str, str]]
    places: list[tuple[str, int, int, dict[str, int]]]  # name, writes, bytes, and what the bytes were
    rows: int
    seen: dict[str, int]
    unexercised: list[str]
    touches: list[tuple[str, int, str]]


def make_report(recording: Recording, audit: Audit, *, source: str) -> Report:
    """Everything that the audit of a recording knows; `source` says in words what the camera was."""
    ledger, now = audit.ledger, dt.datetime.now(dt.timezone.utc)
    if recording.pictures.is_file():
        source += f", SHA-256 {hashlib.sha256(recording.pictures.read_bytes()).hexdigest()}"
    strace = subprocess.run(["strace", "-V"], capture_output=True, text=True, check=False).stdout.partition("\n")[0]
    return Report(
        verdict=_verdict(audit),
        ran={
            "date": f"{now:%Y-%m-%d %H:%M} UTC",
            "command": f"`affect-edge run --config config.toml`, watched by {strace.replace(' -- version', '')}",
            "release": f"affect-edge {VERSION}, commit {this_commit()}",
            "model": f"the bundle that ships, SHA-256 {audit.model_sha256}",
            "camera": f"`{recording.config.camera.backend}`: {source}",
            "broker": f"Mosquitto {mosquitto_version()} behind an end of TLS 1.3, on loopback",
            "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
            "duration": f"{recording.seconds:.0f} s, {len(recording.calls)} watched system calls, exit code "
            f"{recording.exit_code}",
        },
        findings=ledger.findings,
        places=[
            (place, ledger.writes[place], size, dict(ledger.accounted[place]))
            for place, size in ledger.sizes.most_common()
        ],
        rows=audit.rows,
        seen=dict(sorted(ledger.seen.items())),
        unexercised=audit.unexercised,
        touches=[(name, times, why) for (name, why), times in sorted(ledger.touches.items(), key=lambda t: t[0][::-1])],
    )


def render(report: Report) -> str:
    """The page, in Markdown."""
    places = (
        (f"`{place}`", writes, size, "; ".join(f"{what}: {count}" for what, count in known.items()) or "not known")
        for place, writes, size, known in report.places
    )
    return _PAGE.format(
        verdict=report.verdict,
        ran=_table(("", ""), report.ran.items()),
        findings=_table(("where", "what"), report.findings) if report.findings else "None.",
        places=_table(("place", "writes", "bytes", "what they were, in bytes"), places),
        rows=report.rows,
        seen=_table(("what", "times"), report.seen.items()),
        unexercised=", ".join(report.unexercised) or "nothing",
        touches=_table(("what", "times", "why it is known"), ((f"`{a}`", b, c) for a, b, c in report.touches)),
        numbers=report.seen.get("number sent", 0),
        lines=report.seen.get("log line", 0),
        answers=report.seen.get("answer with metrics", 0),
        spare=SPARE,
        page=PAGE,
    )


def _verdict(audit: Audit) -> str:
    ledger = audit.ledger
    if ledger.findings:
        places = sorted({where for where, _ in ledger.findings})
        return f"Not passed: {len(ledger.findings)} findings, in {', '.join(places[:6])}."
    if not audit.clean:
        return "Nothing proven: no window was published in this run; give a longer video."
    return (
        f"Passed: each of the {ledger.sizes.total()} bytes that the process wrote in {ledger.writes.total()} writes to "
        f"{len(ledger.sizes)} places is accounted for, and none of them is part of a picture."
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)
