"""The report, for a reader who is no programmer: what was run, where bytes went, what they were, what was found."""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import edge
from benchmarks.egress.audit import Audit
from benchmarks.egress.laboratory import Recording, find_mosquitto
from benchmarks.egress.ledger import Touch
from benchmarks.egress.tracing import strace_version
from edge.version import VERSION, commit

_NUMBERS = (
    "A number is believed to mean what its field says. A program that wanted to deceive could put another one there; "
    "in this run it would have had {numbers} numbers for it, each rounded as the contract says, in {messages} messages."
)
_LIMITS = (
    "The kernel, its drivers, the firmware and an accelerator's driver are believed: what they do on their own is not "
    "seen from here.",
    "Side channels are not looked for: when a message is sent, how long a computation takes, how much current flows.",
    "It holds for this run, this version and these settings. Another camera backend or engine has to be run again.",
    "In its handshake TLS sends random numbers and a public key. They look like noise by design, so their content "
    "cannot be judged; their length is fixed and stands in the table. The same holds for the outbox's `epoch`, four "
    "random bytes made once, and for the salts in the head of SQLite's log, which stay on the device.",
    "What people conclude from the numbers that are meant to leave is not covered: they are counts and averages of "
    "several visits, an expression is not a feeling, and visits are not unique visitors.",
    "Root on the device, or who takes out its storage, is outside of this; on the storage lie only the files named "
    "here.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the report says, as plain values.

    Attributes:
        verdict: one sentence.
        clean: whether nothing was found.
        ran: what was run, by name.
        sinks: name, writes, bytes, and what the bytes were.
        seen: how often each kind of thing was seen.
        touches: what else was used, how often, and why it is known.
        findings: where, and what.
        rows: of the outbox at the end, by table.
        unexercised: what the device can do and did not do in this run.
        limits: what the proof does not cover.
    """

    verdict: str
    clean: bool
    ran: dict[str, str]
    sinks: list[dict[str, Any]]
    seen: dict[str, int]
    touches: list[dict[str, Any]]
    findings: list[dict[str, str]]
    rows: dict[str, int]
    unexercised: list[str]
    limits: list[str]


def make_report(recording: Recording, audit: Audit, *, source: str) -> Report:
    """Everything that the audit knows, without a path of this machine.

    Args:
        recording: the run.
        audit: of it.
        source: what the video is, in words.
    """
    ledger = audit.ledger
    video = Path(recording.config.camera.path)
    return Report(
        verdict=_verdict(audit),
        clean=audit.clean,
        ran={
            "date": f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d %H:%M} UTC",
            "command": f"`{recording.command}`, started by a launcher that has TLS note its keys, watched by "
            f"{strace_version()}",
            "release": f"affect-edge {VERSION}, commit {_commit()}",
            "model": f"the bundle that ships, SHA-256 {audit.model_sha256}",
            "video": f"{source}, {video.stat().st_size} bytes, SHA-256 {_sha256(video)}",
            "broker": f"{_mosquitto_version()}, TLS 1.3 on loopback",
            "machine": f"{platform.system()} {platform.release()}, {platform.machine()}, "
            f"Python {platform.python_version()}",
            "duration": f"{recording.seconds:.0f} s, {len(recording.calls)} watched system calls, exit code "
            f"{recording.exit_code}",
        },
        sinks=[
            {"name": sink.name, "writes": sink.writes, "bytes": sink.size, "accounted": dict(sink.accounted)}
            for sink in sorted(ledger.sinks.values(), key=lambda sink: -sink.size)
        ],
        seen=dict(sorted(ledger.seen.items())),
        touches=[
            {"name": t.name, "times": t.times, "why": t.why} for t in sorted(ledger.touches.values(), key=_by_reason)
        ],
        findings=[{"where": finding.where, "what": finding.what} for finding in ledger.findings],
        rows=audit.rows,
        unexercised=audit.unexercised,
        limits=[_numbers_limit(audit), *_LIMITS],
    )


def as_json(report: Report) -> str:
    """The report for a program."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def as_markdown(report: Report) -> str:
    """The report for a person."""
    sinks = (
        (
            f"`{sink['name']}`",
            sink["writes"],
            sink["bytes"],
            "; ".join(f"{what}: {size}" for what, size in sink["accounted"].items()) or "**nothing of it is known**",
        )
        for sink in report.sinks
    )
    parts = [
        "# Did a picture leave the device?",
        f"**{report.verdict}**",
        "Made by `python -m benchmarks egress`; [how it works and how to read it](egress.md). A number in the third "
        "column is the sum of the numbers in the fourth, or there is a finding.",
        "## What was run",
        _table(("", ""), report.ran.items()),
        "## Findings",
        _table(("where", "what"), ((f"`{f['where']}`", f["what"]) for f in report.findings))
        if report.findings
        else "None.",
        "## Every place that bytes were written to",
        _table(("place", "writes", "bytes", "what they were, in bytes"), sinks),
        "Left in the outbox at the end: "
        + (", ".join(f"{count} row(s) of `{table}`" for table, count in report.rows.items()) or "nothing")
        + ". Each was read, every column.",
        "## What was seen",
        _table(("what", "times"), report.seen.items()),
        "Not seen in this run, so not proven by it: " + (", ".join(report.unexercised) or "nothing") + ".",
        "## What else the process touched",
        "Each is known by name; one that is not on the list would be a finding. `<run>` is the folder of the run, "
        "`<python>` the interpreter with its packages, `<code>` affect-edge, `<instrument>` what notes TLS keys.",
        _table(
            ("what", "times", "why it is known"), ((f"`{t['name']}`", t["times"], t["why"]) for t in report.touches)
        ),
        "## What this does not prove",
        "\n".join(f"- {limit}" for limit in report.limits),
    ]
    return "\n\n".join(parts) + "\n"


def _by_reason(touch: Touch) -> tuple[str, str]:
    return touch.why, touch.name


def _verdict(audit: Audit) -> str:
    ledger = audit.ledger
    total = sum(sink.size for sink in ledger.sinks.values())
    if ledger.findings:
        places = sorted({finding.where for finding in ledger.findings})
        return f"Not passed: {len(ledger.findings)} findings, in {', '.join(places[:6])}."
    if not audit.clean:
        return "Nothing proven: no window was published in this run; give a longer video."
    return (
        f"Passed: each of the {total} bytes that the process wrote in {sum(s.writes for s in ledger.sinks.values())} "
        f"writes to {len(ledger.sinks)} places is accounted for, and none of them is part of a picture."
    )


def _numbers_limit(audit: Audit) -> str:
    seen = audit.ledger.seen
    messages = sum(count for name, count in seen.items() if name.startswith("PUBLISH"))
    return _NUMBERS.format(numbers=seen["number sent"], messages=messages)


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as data:
        while block := data.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _commit() -> str:
    """Of the wheel, or of the checkout, which may differ from it."""
    if commit() != "checkout":
        return commit()
    folder = Path(edge.__file__).parent
    named = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", "."], cwd=folder, capture_output=True, text=True, check=False
    )
    if named.returncode != 0:
        return "unknown, no checkout"
    return named.stdout.strip() + (" with changes in `edge`" if changed.stdout.strip() else "")


def _mosquitto_version() -> str:
    said = subprocess.run([find_mosquitto(), "-h"], capture_output=True, text=True, check=False).stdout
    return said.splitlines()[0] if said else "mosquitto"
