"""An apt repository as a folder of plain files, which any web server can carry."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path

from firmware_config.debian.target import ARCHITECTURES, read_name
from firmware_config.errors import PackageError
from firmware_config.release.signing import Signer

ORIGIN = "affect-edge"
KEY = "affect-edge.asc"
_OLD = ("MD5", "SHA1", "SHA512")  # sums that apt does not need beside SHA-256
# Each system's own Python decides which package it takes. Raspberry Pi OS has Debian's code names.
SUITES = {"bookworm": "3.11", "noble": "3.12", "trixie": "3.13"}


def write_repository(packages: Sequence[Path], folder: Path, signer: Signer, epoch: int) -> None:
    """Lays packages out as `pool/`, signed indexes under `dists/`, and the public key.

    A suite is made for each system that a package is for.

    Args:
        packages: `.deb` files of ours.
        folder: to write; must not be there yet.
        signer: whose key apt is to trust.
        epoch: the date that the indexes have, seconds since 1970.

    Raises:
        PackageError: apt-ftparchive or gpg is not here, or fails.
    """
    pool = folder / "pool"
    pool.mkdir(parents=True)
    for package in packages:
        _link(package, pool / package.name)
    for suite, python in SUITES.items():
        names = [package.name for package in packages if read_name(package.name).python == python]
        if names:
            _write_suite(folder, suite, names, signer, epoch)
    (folder / KEY).write_text(signer.public_key(), encoding="ascii")


def _write_suite(folder: Path, suite: str, names: Sequence[str], signer: Signer, epoch: int) -> None:
    home = folder / "dists" / suite
    architectures = [each for each in ARCHITECTURES if any(read_name(name).architecture == each for name in names)]
    for architecture in architectures:
        index = home / "main" / f"binary-{architecture}" / "Packages"
        index.parent.mkdir(parents=True)
        fit = [name for name in names if read_name(name).architecture == architecture]
        text = "".join(_ftparchive(folder, "packages", f"pool/{name}") for name in fit)
        index.write_text(text, encoding="utf-8")
        index.with_suffix(".gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    fields = {
        "Origin": ORIGIN,
        "Label": ORIGIN,
        "Suite": suite,
        "Codename": suite,
        "Architectures": " ".join(architectures),
        "Components": "main",
        "Description": "affect-edge for this system's Python",
    }
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    date = format_datetime(datetime.fromtimestamp(epoch, timezone.utc), usegmt=True)
    text = _ftparchive(folder, *options, "release", f"dists/{suite}")
    lines = [f"Date: {date}" if line.startswith("Date:") else line for line in text.splitlines()]
    release = home / "Release"
    release.write_text("\n".join(lines) + "\n", encoding="utf-8")
    signer.clear_sign(release, home / "InRelease")
    signer.detach(release, home / "Release.gpg")


def _link(source: Path, target: Path) -> None:
    """A second name for a file, or a copy where the file system has no second names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _ftparchive(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["apt-ftparchive", *(f"-oAPT::FTPArchive::{name}=false" for name in _OLD), *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise PackageError(f"apt-ftparchive: {error.strerror}", "apt-get install apt-utils") from error
    if done.returncode != 0:
        raise PackageError(f"apt-ftparchive: fails ({done.stderr.strip()[-300:]})")
    return done.stdout
