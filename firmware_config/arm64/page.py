"""The page about a check, made from its result and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from edge.cli.doctor.finding import Finding
from edge.errors import ConfigError
from firmware_config.arm64.comparison import AXES, TOLERANCE
from firmware_config.arm64.report import NO_BROKER, Report

_HEAD = """\
# The package for arm64, without a board

**{verdict}**

Written by `make arm64-check` from [{source}]({source}); no number here was typed. **No board was measured.** Everything
below ran under emulation, whose times mean nothing, so none is given: how long a board's processor takes, how warm it
gets and what its camera does is not known from this. On the board `affect-edge doctor` and `affect-edge bench` say it.

## What was compared

The package is installed with dpkg in a fresh Debian for arm64 (Raspberry Pi OS 12 is made of bookworm, 13 of trixie)
and run by QEMU {emulator} as a {cpu}, without a network. The same videos are replayed there and on this machine.
Windows, visits, faces and scored steps have to be equal in number; valence and arousal of every window, and of the
single steps on average, within {tolerance} on their scale of −1 to 1. A single step may swing further and is never
sent; how far is in the table. Scores describe expressions, not feelings; here only their sameness counts.
"""
_MACHINES = """
Golden vectors: the largest difference between what the bundle says should come out and what did. This machine:
{processor}, {date}. Packages: {packages}.

## Windows and steps
"""
_STEPS = """
Differences are absolute, valence / arousal. A window's numbers are rounded to 0.01, so a hair can show as 0.01.
Windows are of 10 s here; one of too few people carries no scores.

## What `doctor` said
"""
_FOOT = """
`{no_broker}` fails by design: what is emulated here has no network. The camera is a video; there is no sensor for heat
and no service manager.

## Run it

```sh
sudo apt-get install debootstrap qemu-user-static
sudo make arm64-check      # as root: chroot and mount
```

The Debian roots are made once and kept in `~/.cache/affect-edge/arm64` (`--cache`); later runs unpack them. What a step
mounts and starts is in namespaces of its own and ends with it. Exit code: 0 the same, 1 a tool is missing or a step
failed, 2 usage, 11 something differs. `python -m firmware_config arm64-check --render` writes this page anew.
Why it is done so: [decision 40](decisions/0040-arm64-under-emulation.md).
"""


def write_page(report: Report, result: Path) -> Path:
    """Writes the page beside the result; returns its path.

    Raises:
        ConfigError: it cannot be written.
    """
    page = result.with_suffix(".md")
    try:
        page.write_text(render(report, result.name), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{page}: cannot be written ({error.strerror})") from error
    return page


def render(report: Report, source: str) -> str:
    """The page, Markdown; `source` is the result's file name."""
    packages = "; ".join(f"`{one.package}`, commit `{one.machine.commit[:10]}`" for one in report.suites)
    return "\n".join(
        [
            _HEAD.format(
                verdict=_verdict(report),
                source=source,
                emulator=report.emulator,
                cpu=report.cpu,
                tolerance=TOLERANCE,
            ),
            *_machines(report),
            _MACHINES.format(processor=report.processor, date=report.date, packages=packages),
            *_clips(report),
            _STEPS,
            *_findings(report),
            _FOOT.format(no_broker=NO_BROKER),
        ]
    )


def _machines(report: Report) -> Iterator[str]:
    machines = [report.reference, *(suite.machine for suite in report.suites)]
    yield _row("", ["this machine", *(f"{suite.suite}, arm64" for suite in report.suites)])
    yield "|---|" + "---|" * len(machines)
    yield _row("system", [one.system for one in machines])
    yield _row("Python", [one.python for one in machines])
    for name in dict.fromkeys(name for one in machines for name in one.packages):
        yield _row(name, [one.packages.get(name, "–") for one in machines])
    yield _row("engine", [one.engine for one in machines])
    for name in report.reference.golden:
        yield _row(f"golden vectors, {name}", [f"{one.golden[name]:g}" for one in machines])


def _clips(report: Report) -> Iterator[str]:
    gaps = ("most in a window", "most in a step", "mean of the steps")
    yield _row("Debian", ["video", "windows", "with scores", "visits", "faces", "steps", *gaps])
    yield "|---|---|" + "---|" * 8
    for suite in report.suites:
        for clip in suite.clips:
            counts = (clip.windows, clip.scored_windows, clip.visits, clip.faces, clip.steps)
            apart = [_gaps(clip.window_max, 2), _gaps(clip.step_max, 4), _gaps(clip.step_mean, 4)]
            yield _row(suite.suite, [clip.clip, *map(str, counts), *apart])


def _findings(report: Report) -> Iterator[str]:
    yield _row("check", [suite.suite for suite in report.suites])
    yield "|---|" + "---|" * len(report.suites)
    for check in dict.fromkeys(one.check for suite in report.suites for one in suite.findings):
        yield _row(check, [_level(suite.findings, check) for suite in report.suites])


def _verdict(report: Report) -> str:
    if report.wrong:
        return f"Not the same: {len(report.wrong)} findings, the first: {report.wrong[0]}."
    clips = [clip for suite in report.suites for clip in suite.clips]
    suites = " and ".join(f"{one.suite} (Python {one.machine.python})" for one in report.suites)
    window, step = (
        {axis: max(getattr(clip, name)[axis] for clip in clips) for axis in AXES} for name in ("window_max", "step_max")
    )
    return (
        f"The same on {suites}: no count differs from this machine's, and no window's score by more than "
        f"{_gaps(window, 2)} (valence / arousal). Of {sum(clip.steps for clip in clips)} single steps, none of which "
        f"is ever sent, the furthest differ by {_gaps(step, 2)}."
    )


def _gaps(gaps: Mapping[str, float], digits: int) -> str:
    return " / ".join(f"{gaps[axis]:.{digits}f}" for axis in AXES)


def _level(findings: Sequence[Finding], check: str) -> str:
    return next((one.level.value for one in findings if one.check == check), "–")


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"
