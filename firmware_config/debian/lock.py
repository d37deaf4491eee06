"""`python -m firmware_config lock`: which wheels a package may hold, by SHA-256, for pip's `--require-hashes`."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from convert.progress import Progress
from firmware_config.debian.runtime import build_wheel, pip_options
from firmware_config.debian.target import ARCHITECTURES, PYTHONS, Target
from firmware_config.errors import PackageError

_HEAD = "# Written by `python -m firmware_config lock` from {}; pip takes no wheel that is not listed.\n"
Locked = dict[str, set[str]]  # `name==version` to the SHA-256 of its wheels


def lock() -> None:
    """Write the lists of wheels that packages are built from, for every architecture and Python.

    Versions are those of the constraints files. Run it after they changed, and look at the difference: what it lists
    is what devices will run. Needs pip's package source.

    Example: python -m firmware_config lock
    """
    targets = [Target(architecture=arch, python=python) for arch in ARCHITECTURES for python in PYTHONS]
    found: dict[Path, Locked] = defaultdict(lambda: defaultdict(set))
    sources = {target.lock: target.constraints.name for target in targets}
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        wheel = build_wheel(Path(scratch), dict(os.environ))
        with Progress("packages", len(targets), every=1) as progress:
            for target in targets:
                for requirement, sha256 in resolve(wheel, target).items():
                    found[target.lock][requirement].add(sha256)
                progress.advance()
    for path, locked in found.items():
        path.write_text(_HEAD.format(sources[path]) + render(locked), encoding="utf-8")
        print(f"{path}: {len(locked)} packages")


def resolve(wheel: Path, target: Target) -> dict[str, str]:
    """What pip would install beside our wheel: `name==version` to the SHA-256 of the target's wheel.

    Raises:
        PackageError: pip finds no wheels that go together.
    """
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        options = ["--dry-run", "--ignore-installed", f"--report={report.name}", f"--constraint={target.constraints}"]
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-I", "-m", "pip", "install", *pip_options(target, Path(folder)), *options]
            done = subprocess.run([*command, str(wheel)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise PackageError(f"{target.file_name}: pip finds no wheels that go together ({said[0][:300]})")
        items = json.loads(Path(report.name).read_text(encoding="utf-8"))["install"]
    own = hashlib.sha256(wheel.read_bytes()).hexdigest()
    found = {}
    for item in items:
        sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
        if sha256 != own:
            name = item["metadata"]["name"].lower().replace("_", "-").replace(".", "-")
            found[f"{name}=={item['metadata']['version']}"] = sha256
    return found


def render(locked: Locked) -> str:
    """The file's lines, sorted: a requirement, and the hashes of its wheels below it."""
    return "".join(
        " \\\n".join([requirement, *(f"    --hash=sha256:{sha256}" for sha256 in sorted(locked[requirement]))]) + "\n"
        for requirement in sorted(locked)
    )


def read_lock(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """A lock's packages by name: the version, and the SHA-256 of each of its wheels.

    Raises:
        PackageError: the file is not there, or a line has no hash.
    """
    try:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    except OSError as error:
        raise PackageError(
            f"{path}: cannot be read ({error.strerror})", "write it with `python -m firmware_config lock`"
        ) from error
    found = {}
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        requirement, *hashes = line.split()
        name, _, version = requirement.partition("==")
        found[name] = (version, frozenset(each.removeprefix("--hash=sha256:") for each in hashes))
        if not version or not hashes:
            raise PackageError(f"{path}: {requirement} has no version or no hash")
    return found
