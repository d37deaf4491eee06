"""`python -m firmware_config check`: what can be said about a device's files before there is a device."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from edge.cli.doctor.finding import EXIT_CODES, Finding, Level, worst
from firmware_config.check.files import check_profiles, check_rules, check_secrets, check_units
from firmware_config.check.seed import check_seed, fill_sample
from firmware_config.debian.target import ROOT

_FOLDER = ROOT / "firmware_config"


def check(
    seed: Annotated[
        Path | None, typer.Option("--seed", help="A filled cloud-init seed, instead of all the rest.")
    ] = None,
) -> None:
    """Check profiles, units, udev rules and the cloud-init seed offline, and look for secrets in files.

    One line a finding, with what to do. What needs a tool that is not here (systemd, udev, cloud-init) is skipped and
    says so. Exit code: 0 all is well, 11 something is wrong.

    Example: python -m firmware_config check --seed /media/bootfs
    """
    findings = check_seed(seed) if seed is not None else check_all()
    for finding in findings:
        fix = f" → {finding.fix}" if finding.fix else ""
        print(f"{finding.level.value:<5} {finding.check:<24} {finding.said}{fix}")
    level = worst(findings)
    count = sum(finding.level is Level.FAIL for finding in findings)
    print(f"\n{len(findings)} checks, {count} wrong")
    raise typer.Exit(EXIT_CODES[level])


def check_all() -> list[Finding]:
    """Every check of what the repository holds; the seed's templates with samples in their blanks."""
    tracked = sorted(path for path in _FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as folder:
        fill_sample(_FOLDER / "cloud-init", Path(folder))
        seed = check_seed(Path(folder))
    return [
        *check_profiles(),
        *check_units(_FOLDER / "systemd"),
        *check_rules(_FOLDER / "udev"),
        *seed,
        *check_secrets(path for path in tracked if path.suffix not in (".py", ".md")),
    ]
