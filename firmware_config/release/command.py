"""`python -m firmware_config release`: everything that is published, in one folder, signed."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from edge.errors import ConfigError
from firmware_config.debian.command import build, source_date
from firmware_config.debian.runtime import build_wheel
from firmware_config.debian.target import ARCHITECTURES, PYTHONS, ROOT, Target
from firmware_config.release.repository import write_repository
from firmware_config.release.sbom import write_sbom
from firmware_config.release.signing import Signer, draft_signer

SUMS = "SHA256SUMS"


def release(
    out: Annotated[Path, typer.Option("--out", help="A new folder.")] = Path("dist/release"),
    key: Annotated[str, typer.Option("--key", help="Fingerprint of an OpenPGP key in gpg's key ring.")] = "",
    draft: Annotated[
        bool,
        typer.Option("--draft", help="Try out: sign with a key of this run alone, also changed files."),
    ] = False,
    arch: Annotated[list[str] | None, typer.Option("--arch", help="Some of the architectures; default: all.")] = None,
    python: Annotated[list[str] | None, typer.Option("--python", help="Some of the Pythons; default: all.")] = None,
) -> None:
    """Build wheel, Debian packages, bills of materials, checksums, signatures, and a folder that apt installs from.

    Leaves the wheel, a .deb and a CycloneDX .cdx.json for each architecture and Python, apt/ for a web server,
    SHA256SUMS over all files, and SHA256SUMS.asc. Model bundles are signed apart, before (`python -m convert sign`).
    Needs dpkg-deb, apt-ftparchive, gpg and pip's package source; some 20 s a package.

    Example: python -m firmware_config release --key 0123456789ABCDEF0123456789ABCDEF01234567
    """
    if bool(key) == draft:
        raise ConfigError("--key: name the key to sign with, or say --draft to try out without one")
    if out.exists():
        raise ConfigError(f"--out {out}: is there already", "remove it, or name another folder")
    if not draft:
        refuse_changes(ROOT)
    targets = [Target(architecture=each, python=one) for each in arch or ARCHITECTURES for one in python or PYTHONS]
    epoch = source_date()
    with draft_signer() if draft else nullcontext(Signer(key)) as signer:
        out.mkdir(parents=True)
        build_wheel(out, {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)})
        packages = [build(target, out) for target in targets]
        publish(packages, out, signer, epoch)
        print(f"{out}: {len(packages)} packages, signed by {signer.fingerprint}")


def publish(packages: Sequence[Path], out: Path, signer: Signer, epoch: int) -> None:
    """Adds to a folder of built files the bills of materials, the apt folder, the checksums and their signature.

    Args:
        packages: `.deb` files of ours, in `out`.
        out: whose every file the checksums name.
        signer: of the indexes and of the checksums.
        epoch: the build's date, seconds since 1970.

    Raises:
        PackageError: a package cannot be read, or a tool is missing.
    """
    for package in packages:
        package.with_suffix(".cdx.json").write_text(write_sbom(package, epoch), encoding="utf-8")
    write_repository(packages, out / "apt", signer, epoch)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out)}\n" for path in files]
    (out / SUMS).write_text("".join(lines), encoding="utf-8")
    signer.detach(out / SUMS, out / f"{SUMS}.asc")


def refuse_changes(checkout: Path) -> None:
    """Refuses a checkout that differs from its last commit: nobody could build the same again.

    Raises:
        ConfigError: it has changed files, or is no checkout.
    """
    done = subprocess.run(["git", "status", "--porcelain"], cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ConfigError(f"{checkout}: is no git checkout", "release from one, so that its commit can be named")
    if changed := done.stdout.splitlines():
        raise ConfigError(f"{changed[0][3:]}: differs from the last commit ({len(changed)} do)", "commit, or --draft")
