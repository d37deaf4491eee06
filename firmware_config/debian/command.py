"""`python -m firmware_config deb`: builds the package for one machine."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from convert.progress import Progress
from edge.errors import ConfigError
from firmware_config.debian.archive import pack
from firmware_config.debian.runtime import build_wheel, install_runtime
from firmware_config.debian.target import ARCHITECTURES, PYTHONS, ROOT, Target
from firmware_config.debian.tree import lay_out, site_packages


def deb(
    arch: Annotated[str, typer.Option("--arch", help=f"One of {', '.join(ARCHITECTURES)}.")] = "arm64",
    python: Annotated[
        str, typer.Option("--python", help=f"The system's Python, one of {', '.join(PYTHONS)}.")
    ] = "3.13",
    out: Annotated[Path, typer.Option("--out", help="The folder it is written into.")] = Path("dist"),
) -> None:
    """Build the Debian package for one architecture and one Python, without root.

    Raspberry Pi OS 12 and Debian 12 have Python 3.11, Raspberry Pi OS 13 and Debian 13 3.13, Ubuntu 24.04 3.12.
    Needs dpkg-deb and pip's package source. The same commit gives the same bytes; SOURCE_DATE_EPOCH sets the date.

    Example: python -m firmware_config deb --arch arm64 --python 3.13
    """
    print(build(Target(architecture=arch, python=python), out))


def build(target: Target, out: Path) -> Path:
    """The package's path.

    Raises:
        EdgeError: a tool or a wheel cannot be had.
    """
    epoch = source_date()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch, Progress("package", 4, every=1) as progress:
        wheel = build_wheel(Path(scratch), environment)
        progress.advance()
        tree = Path(scratch) / "tree"
        install_runtime(wheel, target, site_packages(tree, target), environment)
        progress.advance()
        lay_out(tree, target, epoch=epoch)
        progress.advance()
        package = pack(tree, target, out, epoch)
        progress.advance()
    return package


def source_date() -> int:
    """The date of everything in the package: SOURCE_DATE_EPOCH, or that of the commit.

    Raises:
        ConfigError: it is no number, or there is none.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        command = ["git", "log", "-1", "--format=%ct"]
        try:
            given = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            given = ""
    if not given.isdigit():
        raise ConfigError(
            f"SOURCE_DATE_EPOCH: {given!r} is no number of seconds; set it where there is no git checkout"
        )
    return int(given)
