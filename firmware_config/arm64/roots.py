"""Debian roots for arm64: made once by debootstrap, kept as an archive, unpacked anew for each run."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from firmware_config.arm64.emulation import Emulation
from firmware_config.debian.target import Target
from firmware_config.errors import PackageError

SUITES = {"bookworm": "3.11", "trixie": "3.13"}  # the systems of a Raspberry Pi, and their Python
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_SECOND_STAGE_S = 7200.0  # a guard against what hangs


def target_of(suite: str) -> Target:
    """The package for a suite."""
    return Target(architecture="arm64", python=SUITES[suite])


def bootstrap_line(suite: str, root: Path, mirror: str = "") -> list[str]:
    """debootstrap's first stage, with what the package depends on."""
    names = [depends.split(" ", 1)[0] for depends in target_of(suite).depends]
    include = ",".join(dict.fromkeys(names))
    options = ["--foreign", "--arch=arm64", "--variant=minbase", f"--include={include}"]
    return ["debootstrap", *options, suite, str(root), *([mirror] if mirror else [])]


def keep_root(suite: str, cache: Path, emulation: Emulation, mirror: str = "") -> Path:
    """The archive of a suite's root; made if it is not there.

    Args:
        suite: one of `SUITES`.
        cache: where roots are kept.
        emulation: runs debootstrap's second stage.
        mirror: where Debian's packages come from; empty: debootstrap's own.

    Raises:
        PackageError: debootstrap does not know the suite, or failed.
    """
    archive = cache / f"{suite}.tar"
    if not archive.is_file():
        with tempfile.TemporaryDirectory(prefix=f"{suite}-", dir=cache) as scratch:
            root, partial = Path(scratch) / suite, Path(scratch) / archive.name
            make_root(suite, root, emulation, mirror)
            _host(["tar", "--numeric-owner", "-cpf", str(partial), "-C", str(root), "."], "the root cannot be kept")
            partial.replace(archive)
    return archive


@contextmanager
def open_root(archive: Path) -> Iterator[Path]:
    """A fresh root out of its archive, thrown away at the end.

    Raises:
        PackageError: it cannot be unpacked.
    """
    with tempfile.TemporaryDirectory(prefix=f"{archive.stem}-", dir=archive.parent) as scratch:
        root = Path(scratch) / archive.stem
        root.mkdir()
        command = ["tar", "--numeric-owner", "-xpf", str(archive), "-C", str(root)]
        _host(command, f"{archive} cannot be unpacked; delete it, and it is made anew")
        # An installer writes it on a real system; debootstrap does not.
        (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n", encoding="ascii")
        yield root


def make_root(suite: str, root: Path, emulation: Emulation, mirror: str = "") -> None:
    """debootstrap's two stages, the second under emulation.

    Raises:
        PackageError: as `keep_root`.
    """
    require_suite(suite, _SCRIPTS)
    fix = "is the network up, and does debian-archive-keyring know the suite (apt-get install debian-archive-keyring)?"
    _host(bootstrap_line(suite, root, mirror), f"debootstrap cannot fetch {suite}; {fix}")
    if (root / "proc").is_symlink():  # in a container debootstrap links it to itself
        (root / "proc").unlink()
        (root / "proc").mkdir()
    emulation.run(root, ["/debootstrap/debootstrap", "--second-stage"], timeout_s=_SECOND_STAGE_S)
    shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)


def require_suite(suite: str, scripts: Path) -> None:
    """Refuses a debootstrap that is older than the suite.

    Raises:
        PackageError: it is.
    """
    if not (scripts / suite).exists():
        raise PackageError(f"debootstrap: does not know {suite}; install a newer one: apt-get install debootstrap")


def _host(command: Sequence[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["nothing was said"]
        raise PackageError(f"{command[0]}: {what} ({said[-1][:200]})")
