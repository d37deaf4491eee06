"""`python -m firmware_config arm64-check`: the packages for arm64, run under emulation, against this machine."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from convert.progress import Progress
from edge.cli.bench.result import describe_host, today
from edge.cli.doctor.finding import EXIT_CODES, Level
from edge.config import EngineConfig
from edge.errors import ConfigError
from edge.output_files import check_output
from firmware_config.arm64.clip import Clip, find_clips
from firmware_config.arm64.comparison import compare
from firmware_config.arm64.emulation import CPU, Emulation, prepare_emulation
from firmware_config.arm64.page import write_page
from firmware_config.arm64.record import Record, emulated, record, this_machine
from firmware_config.arm64.report import Report, SuiteResult, read_report, write_report
from firmware_config.arm64.roots import SUITES, keep_root, open_root, target_of
from firmware_config.debian.command import build

_CACHE = Path("~/.cache/affect-edge/arm64")
_INSTALL_S = 3600.0  # a guard against what hangs; a busy machine may take long


def arm64_check(
    suite: Annotated[
        list[str] | None, typer.Option("--suite", help=f"One of {', '.join(SUITES)}; again for more; all by default.")
    ] = None,
    debs: Annotated[
        Path | None, typer.Option("--debs", help="A folder of `make deb`'s packages, instead of building them now.")
    ] = None,
    clip: Annotated[
        Path | None, typer.Option("--clip", help="A video besides the drawn scene; a short one: emulation is slow.")
    ] = None,
    cache: Annotated[Path, typer.Option("--cache", help="Where the Debian roots are kept, 250 MB each.")] = _CACHE,
    mirror: Annotated[str, typer.Option("--mirror", help="Debian's packages; debootstrap's own by default.")] = "",
    out: Annotated[Path, typer.Option("--out", help="The result; its page lies beside it, with .md.")] = Path(
        "docs/arm64.json"
    ),
    render: Annotated[bool, typer.Option("--render", help="Only write the page anew from the result.")] = False,
) -> None:
    """Install and run the arm64 packages in an emulated Debian, and compare their scores with this machine's.

    For Debian 12 (Python 3.11) and 13 (Python 3.13): builds the package, installs it with dpkg, runs info, doctor and
    replay, and replays the same videos here. Needs root, debootstrap and qemu-user-static; the first run fetches some
    100 MB and takes a quarter of an hour. Emulated times mean nothing and are not written down. Mounts and processes
    end with each step. Exit code: 0 the same, 1 a tool is missing or a step failed, 2 usage, 11 something differs.

    Example: sudo .venv/dev/bin/python -m firmware_config arm64-check --suite trixie
    """
    for place in (out, out.with_suffix(".md")):
        check_output("--out", place, clip)
    if render:
        print(write_page(read_report(out), out))
        return
    suites = suite or list(SUITES)
    for name in suites:
        if name not in SUITES:
            raise ConfigError(f"--suite {name}: choose one of {', '.join(SUITES)}")
    cache = cache.expanduser()
    cache.mkdir(parents=True, exist_ok=True)
    emulation = prepare_emulation(cache)
    report = examine_all(suites, emulation, cache=cache, debs=debs, clip=clip, mirror=mirror)
    write_report(report, out)
    print(write_page(report, out))
    for wrong in report.wrong:
        print(wrong)
    if report.wrong:
        raise typer.Exit(EXIT_CODES[Level.FAIL])


def examine_all(
    suites: Sequence[str], emulation: Emulation, *, cache: Path, debs: Path | None, clip: Path | None, mirror: str
) -> Report:
    """Runs everything; the suites beside each other, and their roots are made while the packages are built.

    Raises:
        PackageError: a package, a root or a run failed.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="affect-edge-")))
        clips = find_clips(scratch, clip)
        packages = {name: find_package(name, debs) for name in suites} if debs else {}
        pool = stack.enter_context(ThreadPoolExecutor(len(suites)))
        stack.callback(emulation.stop)  # before the pool waits for its threads
        roots = {name: pool.submit(keep_root, name, cache, emulation, mirror) for name in suites}
        packages = packages or {name: build(target_of(name), Path("dist")) for name in suites}
        with Progress("Debian roots", len(suites), every=1) as progress:
            for root in as_completed(roots.values()):
                root.result()
                progress.advance()
        each = 1 + len(clips)  # what `record` counts
        with Progress("replays", each + len(suites) * (1 + each), every=1) as progress:
            here = record(this_machine(scratch), clips, progress.advance)
            running = [
                pool.submit(examine, name, packages[name], root.result(), emulation, clips, here, progress.advance)
                for name, root in roots.items()
            ]
            results = [suite.result() for suite in running]
    return Report(
        date=today(),
        emulator=emulation.version,
        cpu=CPU,
        processor=describe_host(EngineConfig(), "litert").model,
        reference=here.machine,
        suites=results,
    )


def examine(
    suite: str,
    package: Path,
    archive: Path,
    emulation: Emulation,
    clips: Sequence[Clip],
    here: Record,
    tick: Callable[[], None],
) -> SuiteResult:
    """One suite: installs the package in a fresh root, asks and replays there, and compares with what was said here.

    Raises:
        PackageError: a step failed.
    """
    with open_root(archive) as root:
        shutil.copyfile(package, root / package.name)
        emulation.run(root, ["dpkg", "--install", f"/{package.name}"], timeout_s=_INSTALL_S)
        tick()
        there = record(emulated(root, emulation), clips, tick)
    titles = [clip.title for clip in clips]
    return SuiteResult(
        suite=suite,
        package=package.name,
        sha256=hashlib.sha256(package.read_bytes()).hexdigest(),
        machine=there.machine,
        findings=there.findings,
        clips=[
            compare(
                title,
                clip.sha256,
                windows=(here.windows[title], there.windows[title]),
                steps=(here.steps[title], there.steps[title]),
            )
            for title, clip in zip(titles, clips, strict=True)
        ],
    )


def find_package(suite: str, debs: Path) -> Path:
    """A suite's package in a folder.

    Raises:
        ConfigError: it is not there.
    """
    target = target_of(suite)
    path = debs / target.file_name
    if not path.is_file():
        raise ConfigError(f"--debs {debs}: no {path.name}; make deb ARCH=arm64 PY={target.python}")
    return path
