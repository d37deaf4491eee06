"""What `python -m benchmarks soak` says while it runs and at its end."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.soak.report import Soak
from benchmarks.soak.run import run_soak
from convert.progress import Progress
from edge.errors import ConfigError


def soak_and_tell(minutes: float, seed: int, fps: float, out: Path | None, keep: Path | None) -> bool:
    """Runs a soak, tells it in words and writes its record.

    Args:
        minutes, seed, fps: see `run_soak`.
        out: the record's file, or a folder that gets `soak-DATE.json`.
        keep: an empty or new folder for logs, journals and databases; None for one that is removed.

    Returns:
        Whether every limit holds.

    Raises:
        ConfigError: the folder is not empty, or there is no broker.
    """
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise ConfigError(f"{keep}: not empty; name another folder for --keep")
    begun_s = time.monotonic()

    def say(words: str) -> None:
        print(f"[{time.monotonic() - begun_s:6.0f} s] {words}", file=sys.stderr, flush=True)

    say(f"{minutes:g} minutes with seed {seed}")
    with tempfile.TemporaryDirectory(prefix="soak-") as spare, Progress("soak", round(60 * minutes), every=60) as bar:
        folder = keep or Path(spare)
        soak = run_soak(minutes, seed, folder, fps=fps, say=say, tick=lambda spent_s: bar.advance(done=int(spent_s)))
    _print(soak)
    if out is not None:
        path = out / f"soak-{soak.host['started'][:10]}.json" if out.is_dir() or not out.suffix else out
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(soak), indent=2) + b"\n")
        say(f"record: {path}")
    return not soak.broken


def _print(soak: Soak) -> None:
    console = Console(highlight=False)
    table = Table("what", "n", title=f"soak of {soak.minutes:g} minutes, seed {soak.seed}", title_justify="left")
    for kind, number in soak.faults.items():
        table.add_row(kind.replace("_", " "), str(number))
    table.add_section()
    for name in (
        "windows_closed", "windows_arrived", "windows_lost", "windows_lost_by_broker", "windows_unjournaled",
        "windows_altered", "windows_suppressed", "windows_unsynced", "repeats",
        "repeats_differing", "overlaps", "overlaps_across_restarts",
    ):  # fmt: skip
        table.add_row(name.replace("_", " "), str(getattr(soak, name)))
    console.print(table)
    exits = ", ".join(f"{code}: {number}" for code, number in soak.exits.items())
    console.print(f"{soak.starts} starts, ends by exit code {exits}; backlog gone in {soak.drain_s} s")
    trend = soak.steady
    if trend is not None:
        console.print(
            f"never killed: {trend.frames} frames; RSS {trend.rss_mb:.1f} MB, {trend.rss_growth_mb_per_h:+.2f} MB/h; "
            f"USS {trend.uss_mb:.1f} MB, {trend.uss_growth_mb_per_h:+.2f} MB/h; descriptors {trend.fds} "
            f"({trend.fd_growth:+d}), threads {trend.threads} ({trend.thread_growth:+d})"
        )
        console.print(
            f"p95 a frame: {trend.latency_p95_start_ms:.1f} ms at first, {trend.latency_p95_end_ms:.1f} ms at the end; "
            f"of processor time {trend.cpu_p95_start_ms:.1f} and {trend.cpu_p95_end_ms:.1f} ms; "
            f"load of the machine {trend.load_start:.1f} and {trend.load_end:.1f}"
        )
    for kind, found in soak.details.items():
        console.print(f"{kind}: {'; '.join(found[:5])}{' …' if len(found) > 5 else ''}")
    for words in soak.broken:
        console.print(f"BROKEN: {words}")
    if not soak.broken:
        console.print("every limit holds")
